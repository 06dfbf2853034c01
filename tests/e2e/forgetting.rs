//! Deleting a conversation: it is never restored, whatever is uploaded later, and its words are removed from the disk.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Answer, Client, Folder, Recording, Setup, eventually};

const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

fn path(id: &str) -> String {
    format!("/v2/conversations/{id}")
}

async fn delete(client: &Client, id: &str) -> Answer {
    client.send(client.request(Method::DELETE, &path(id))).await
}

fn id(conversation: &Value) -> String {
    conversation["id"].as_str().unwrap().to_owned()
}

/// What a search of the disk would look for: the whole text, and the single words as they are stored.
fn traces(conversations: &[Value]) -> BTreeSet<String> {
    let segments = conversations.iter().flat_map(|one| one["segments"].as_array().unwrap());
    let mut traces = BTreeSet::new();
    for segment in segments {
        let text = segment["text"].as_str().unwrap();
        let words: Vec<_> = text.split_whitespace().collect();
        traces.extend(words.windows(2).map(|pair| pair.join(" ")));
        traces.extend(words.iter().map(|word| format!("\"text\":\"{word}\"")));
    }
    assert!(!traces.is_empty());
    traces
}

/// The traces that are found in the store's files, its write-ahead log included.
fn found(folder: &Folder, traces: &BTreeSet<String>) -> Vec<String> {
    let files = folder.files("").into_iter().filter(|file| file.starts_with("store.db"));
    let bytes: Vec<u8> = files.flat_map(|file| std::fs::read(folder.path.join(file)).unwrap()).collect();
    let stands = |trace: &&String| bytes.windows(trace.len()).any(|window| window == trace.as_bytes());
    traces.iter().filter(stands).cloned().collect()
}

#[tokio::test]
async fn deleted_conversation_is_not_restored_and_its_words_are_removed_from_disk() {
    let server = Setup::new().start().await;
    let (client, folder) = (server.client(), server.folder());
    client.done(&[Recording::speech(T0)]).await;
    let (talk, usage) = (client.conversations().await, client.usage().await);
    let (gone, traces) = (id(&talk[0]), traces(&talk));
    assert!(!found(&folder, &traces).is_empty(), "they can be found");

    assert_eq!(delete(&client, &gone).await.status, 204);
    delete(&client, &gone).await.problem(404, "conversation_not_found");
    client.get(&path(&gone)).await.problem(404, "conversation_not_found");
    let by_id = client.get(&format!("/v2/conversations?ids={gone}")).await.ok();
    assert_eq!(by_id["conversations"].as_array().unwrap().len(), 0);

    // The same audio is uploaded again, alone and beside another recording.
    assert_eq!(client.done(&[Recording::speech(T0)]).await["status"], "completed");
    assert_eq!(client.usage().await, usage, "usage stays, and nothing is counted again");
    let mix = client.done(&[Recording::speech(T0), Recording::short(T0 + 9000)]).await;
    assert_eq!(mix["status"], "completed", "{mix}");
    let left = client.conversations().await;
    assert!(left.len() == 1 && id(&left[0]) != gone, "{left:?}");
    assert_eq!(client.usage().await.0, usage.0 + 1);

    let (ended, _) = server.sigterm().await;
    assert_eq!(ended.code(), Some(0));
    assert_eq!(found(&folder, &traces), [] as [String; 0]);
}

#[tokio::test]
async fn conversation_of_another_user_or_unknown_id_cannot_be_deleted() {
    let server = Setup::new().start().await;
    let client = server.client();
    client.done(&[Recording::short(T0)]).await;
    let mine = id(&client.conversations().await[0]);
    let eve = server.client_of("eve").await;
    for (who, id) in [(&eve, mine.as_str()), (&eve, UNKNOWN), (&client, UNKNOWN), (&client, "mine")] {
        delete(who, id).await.problem(404, "conversation_not_found");
    }
    delete(&server.client_without_token(), &mine).await.problem(401, "unauthenticated");
    assert_eq!(client.conversations().await.len(), 1);
}

#[tokio::test]
async fn deleting_a_merged_id_deletes_its_survivor() {
    let server = Setup::new().start().await;
    let client = server.client();
    client.done(&[Recording::speech(T0 + 200)]).await;
    let merged = id(&client.conversations().await[0]);
    client.done(&[Recording::speech(T0)]).await;
    client.done(&[Recording::short(T0 + 100)]).await;
    let [whole] = &client.conversations().await[..] else { panic!("the conversations did not merge") };
    assert_ne!(id(whole), merged);
    assert_eq!(delete(&client, &merged).await.status, 204);
    assert_eq!(client.conversations().await, [] as [Value; 0]);
    client.get(&path(&id(whole))).await.problem(404, "conversation_not_found");
}

/// The server is killed between the mark and the removal, or a little later: the next start finishes the removal.
#[tokio::test]
async fn interrupted_deletion_is_finished_after_a_restart() {
    let setup = Setup::new();
    let server = setup.start().await;
    let client = server.client();
    client.done(&[Recording::speech(T0)]).await;
    let talk = client.conversations().await;
    let (gone, traces) = (id(&talk[0]), traces(&talk));
    server.kill_at("delete", 1);
    // The answer may be lost because the server dies.
    drop(client.try_send(client.request(Method::DELETE, &path(&gone))).await);
    server.wait_killed(PATIENCE).await;

    let server = setup.start().await;
    let client = server.client();
    client.get(&path(&gone)).await.problem(404, "conversation_not_found");
    eventually("no deletion is due", PATIENCE, async || {
        let open = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let store = rusqlite::Connection::open_with_flags(setup.folder().store_file(), open).unwrap();
        let sql = "SELECT count(*) FROM conversations WHERE due_at IS NOT NULL";
        let due: u32 = store.query_row(sql, [], |row| row.get(0)).unwrap();
        (due == 0).then_some(())
    })
    .await;
    server.sigterm().await;
    assert_eq!(found(&setup.folder(), &traces), [] as [String; 0]);
}
