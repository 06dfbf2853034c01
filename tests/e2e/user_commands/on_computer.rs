//! What is on the computer of a user: recordings of an older app, a new index, recordings that wait, and what happened before.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::recordings::T0;
use tests::{Recording, Setup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::record::{FRAMES, given};
use super::{DONE, FAILED, USAGE, User, WAITING, assert_told};

fn write(folder: &Path, recording: &Recording) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(&recording.name);
    fs::write(&path, &recording.bytes).unwrap();
    path
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The folder that the commands keep for the one server.
fn kept(user: &User) -> PathBuf {
    let servers = user.home.path().join(".local/share/afterword/servers");
    fs::read_dir(servers).unwrap().next().unwrap().unwrap().path()
}

#[tokio::test]
async fn recordings_of_an_older_app_are_imported_and_sent_once() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let folder = user.home.path().join("app");
    let [first, second] = [Recording::short(T0), Recording::short(T0 + 7200)];
    write(&folder, &first);
    write(&folder, &second);
    let entry = |at: i64, name: &str, status: &str| json!({"timer_start": at, "codec": "pcm16", "status": status, "storage": "disk", "device": "phone", "file_path": name});
    let wals = json!({"version": 1, "wals": [
        entry(T0, &format!("/old/place/{}", first.name), "miss"),
        entry(T0 + 7200, &second.name, "synced"),
        entry(T0 + 9999, "gone.bin", "miss"),
        {"codec": "opus"},
    ]});
    fs::write(folder.join("wals.json"), "{\"wals\":").unwrap();
    let broken = user.run(&["import-wals", &text(&folder)]).await;
    assert_told(&broken, FAILED, &["neither wals.json nor wals_backup.json", "nothing was imported"]);
    fs::write(folder.join("wals_backup.json"), wals.to_string()).unwrap();
    let output = user.run(&["import-wals", "--only-import", &text(&folder)]).await;
    assert_eq!(output.code, FAILED, "{output:?}");
    for words in ["no file was found for", "gone.bin", "an entry cannot be read:", "2 entries of the older app"] {
        assert!(output.err.contains(words), "{words}: {output:?}");
    }
    for words in ["wals_backup.json", "2 (1 pending, 1 synced)"] {
        assert!(output.out.contains(words), "{words}: {output:?}");
    }
    assert!(server.client().jobs().await.is_empty());
    let output = user.run(&["import-wals", "--json", &text(&folder.join("wals.json"))]).await;
    let json: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!((&json["known"], &json["added"], &json["from_backup"]), (&json!(2), &json!({}), &json!(true)));
    assert_eq!(user.run(&["push", "--waiting"]).await.code, DONE);
    let jobs = server.client().jobs().await;
    assert_eq!((jobs.len(), &jobs[0]["files"][0]["name"]), (1, &json!(first.name)));
    assert_told(&user.run(&["import-wals", "/no/such"]).await, FAILED, &["/no/such"]);
}

#[tokio::test]
async fn imported_recordings_are_sent_at_once_unless_the_user_wants_it_later() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let folder = user.home.path().join("app");
    let recording = Recording::short(T0);
    write(&folder, &recording);
    let wals = json!({"wals": [{"timer_start": T0, "codec": "pcm16", "device": "phone", "file_path": recording.name}]});
    fs::write(folder.join("wals.json"), wals.to_string()).unwrap();
    let output = user.run(&["import-wals", &text(&folder)]).await;
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
    assert_eq!(server.client().jobs().await.len(), 1);
}

#[tokio::test]
async fn damaged_index_is_told_and_rebuilt_when_the_user_confirms_it() {
    let setup = Setup::new();
    let server = setup.start().await;
    let user = User::of(&server);
    assert_told(&user.run(&["rebuild", "--yes"]).await, FAILED, &["nothing to rebuild"]);
    let file = text(&write(user.home.path(), &Recording::short(T0)));
    assert_eq!(user.run(&["push", &file]).await.code, DONE);
    let spoken = Recording::speech(T0).bytes;
    assert_eq!(given(&user, &FRAMES, &spoken).await.code, DONE);
    let index = kept(&user).join("index.db");
    fs::write(&index, "no database, but long enough to look like one".repeat(100)).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", index.display()));
    }
    let told = user.run(&["push", &file]).await;
    assert_told(&told, FAILED, &["index.db is damaged", "`afterword rebuild`"]);
    assert_told(&user.run(&["rebuild"]).await, USAGE, &["--yes"]);
    let output = user.run(&["rebuild", "--yes", "--json"]).await;
    let json: Value = serde_json::from_str(&output.out).unwrap();
    assert!(json["old_index"].as_str().is_some_and(|path| Path::new(path).exists()), "{output:?}");
    assert_eq!((output.code, &json["recordings"], &json["unreadable"]), (DONE, &json!(1), &json!([])), "{output:?}");
    let output = user.run(&["push", "--waiting", &file]).await;
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
    assert_eq!(server.client().segments().await.len(), 2, "the server recognises both");
}

#[tokio::test]
async fn folder_that_was_moved_is_pushed_from_its_new_place() {
    let setup = Setup::new();
    let server = setup.start().await;
    let user = User::of(&server);
    server.kill9().await;
    let (old, new) = (user.home.path().join("old"), user.home.path().join("new"));
    write(&old, &Recording::short(T0));
    assert_eq!(user.run(&["push", &text(&old)]).await.code, WAITING);
    fs::rename(&old, &new).unwrap();
    let server = setup.start().await;
    let user = user.with("AFTERWORD_SERVER", &server.url);
    let output = user.run(&["push", &text(&new)]).await;
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
    assert_eq!(server.client().jobs().await.len(), 1);
}

#[tokio::test]
async fn finished_recordings_that_nobody_saw_are_told_once_by_the_next_command() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let [first, second] = [0, 7200].map(|after| text(&write(user.home.path(), &Recording::short(T0 + after))));
    assert_eq!(user.run(&["push", "--no-wait", &first]).await.err, "");
    let job = server.client().jobs().await[0]["job_id"].as_str().unwrap().to_owned();
    server.client().until(&job, "is over", |job| !job["completed_at"].is_null()).await;
    let output = user.run(&["push", &second]).await;
    assert_told(&output, DONE, &["1 recording of an earlier command is finished", "afterword transcripts"]);
    let output = user.run(&["push", &second]).await;
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
}

#[tokio::test]
async fn report_has_the_events_of_earlier_commands_and_no_secrets() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let file = text(&write(user.home.path(), &Recording::speech(T0)));
    assert_eq!(user.run(&["push", &file]).await.code, DONE);
    assert_eq!(user.run(&["push", &file]).await.code, DONE);
    let report = user.home.path().join("report.json");
    assert_eq!(user.run(&["doctor", "--bundle", &text(&report)]).await.code, DONE);
    let written = fs::read_to_string(&report).unwrap();
    let json: Value = serde_json::from_str(&written).unwrap();
    let events: Vec<_> = json["events"].as_array().unwrap().iter().map(|one| one["event"].as_str().unwrap()).collect();
    assert!(events.contains(&"upload_started") && events.contains(&"upload_finished"), "{json:#}");
    assert_eq!(json["recordings"]["counts"], json!([["synced", 1]]), "{json:#}");
    let said = server.client().segments().await[0]["text"].as_str().unwrap().to_owned();
    assert!(!written.contains(&server.token) && !written.contains(&said), "{written}");
}

#[tokio::test]
async fn proxy_that_refuses_is_told_and_sees_no_token() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
        String::from_utf8(seen).unwrap()
    });
    let user = User::new().with("AFTERWORD_SERVER", "https://recorder.example").with("AFTERWORD_TOKEN", "secret");
    let user = user.with("HTTPS_PROXY", &format!("http://{proxy}"));
    let words = format!("the proxy {proxy} refuses a connection to recorder.example:443 (403)");
    assert_told(&user.run(&["jobs"]).await, WAITING, &[&words]);
    assert!(!asked.await.unwrap().contains("secret"));
    let user = user.with("HTTPS_PROXY", "socks5://127.0.0.1:1");
    assert_told(&user.run(&["jobs"]).await, FAILED, &["HTTPS_PROXY", "socks5", "NO_PROXY"]);
    let user =
        user.with("NO_PROXY", "example").with("AFTERWORD_SERVER", "https://127.0.0.1:9").with("HTTPS_PROXY", &proxy);
    assert_told(&user.run(&["jobs"]).await, WAITING, &["the connection is refused"]);
}
