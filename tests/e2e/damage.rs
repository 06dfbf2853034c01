//! The effects of damage: a damaged queue loses nothing, and a damaged document affects only itself.

use rusqlite::Connection;
use tests::recordings::T0;
use tests::wait::{PATIENCE, eventually};
use tests::{Recording, Server, Setup};

/// A server that was killed with one job in progress and one job done.
async fn killed_server() -> (Setup, String, String) {
    let setup = Setup::new().with("engine.null_delay_ms", 600_000);
    let quick = setup.clone().with("engine.null_delay_ms", 0);
    let server = quick.start().await;
    let done = server.client().done(&[Recording::short(T0)]).await["job_id"].as_str().unwrap().to_owned();
    server.kill9().await;
    let server = setup.start().await;
    let under_way = server.client().accepted(&[Recording::short(T0 + 9000)]).await;
    server.log.wait_step("plan", &under_way).await;
    server.kill9().await;
    (quick, done, under_way)
}

#[tokio::test]
async fn damaged_queue_is_set_aside_and_every_job_completes() {
    let (setup, _, under_way) = killed_server().await;
    let queue = setup.data_dir().join("queue.db");
    for bytes in [0..100_usize, 100..4096, 4096..usize::MAX, 0..usize::MAX] {
        let mut content = std::fs::read(&queue).unwrap();
        let end = bytes.end.min(content.len());
        content[bytes.start.min(end)..end].fill(0xA5);
        std::fs::write(&queue, content).unwrap();
        let server = setup.start().await;
        let line = server.log.wait("what happened", PATIENCE, |line| line.text.contains("put aside")).await;
        assert!(line.text.contains("no job is lost"), "{}", line.text);
        assert_eq!(server.log.count(|line| line.text.contains("put aside")), 1, "one line");
        let job = server.client().terminal(&under_way).await;
        assert_eq!(job["status"], "completed");
        server.client().done(&[Recording::short(T0 + 20_000 + i64::try_from(end % 9000).unwrap())]).await;
        let (ended, _) = server.sigterm().await;
        assert_eq!(ended.code(), Some(0));
    }
    let kept = setup.folder().files("").into_iter().filter(|file| file.contains("damaged") && !file.ends_with("-wal"));
    assert_eq!(kept.count(), 3, "a bounded number of copies");
}

fn overwrite_in_database(setup: &Setup, sql: &str) {
    let db = Connection::open(setup.folder().store_file()).unwrap();
    assert!(db.execute(sql, []).unwrap() > 0, "{sql}");
}

async fn admin(setup: &Setup, args: &[&str]) -> String {
    let folder = setup.data_dir().display().to_string();
    setup.run(&[&["admin", "--data-dir", &folder], args].concat()).await.ok()
}

#[tokio::test]
async fn damaged_job_affects_only_itself_until_a_person_removes_it() {
    let (setup, done, damaged) = killed_server().await;
    overwrite_in_database(
        &setup,
        &format!("UPDATE offline_sync_jobs SET document = '{{' WHERE id = x'{}'", damaged.replace('-', "")),
    );
    let server = setup.start().await;
    let client = server.client();
    for _ in 0..3 {
        let listed: Vec<_> = client.jobs().await.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(listed, std::slice::from_ref(&done));
        client.get(&format!("/v2/sync/jobs/{damaged}")).await.problem(404, "job_not_found");
    }
    let audio = setup.folder().blobs();
    assert!(!audio.is_empty(), "its audio stays");
    // A client that gets 404 uploads again.
    assert_eq!(client.done(&[Recording::short(T0 + 9000)]).await["status"], "completed");
    // The new job's audio is removed after its end.
    eventually("only the audio of the damaged job is left", PATIENCE, async || {
        (setup.folder().blobs() == audio).then_some(())
    })
    .await;
    let logged =
        |server: &Server| server.log.count(|line| line.text.contains("cannot be read") && line.text.contains(&damaged));
    assert_eq!(logged(&server), 1, "{}", server.log.text());

    let shown = admin(&setup, &["damaged"]).await;
    assert!(shown.contains(&damaged) && shown.contains("offline_sync_jobs"), "{shown}");
    let output = setup.on_folder(&["admin", "show", &damaged]).await;
    assert!(output.refused().contains("cannot be read"), "{output:?}");
    let refused = setup.on_folder(&["admin", "remove", "offline_sync_jobs", &done]).await;
    assert!(refused.refused().contains("nothing was removed"), "{refused:?}");
    admin(&setup, &["remove", "offline_sync_jobs", &damaged]).await;
    assert_eq!(admin(&setup, &["damaged"]).await.lines().count(), 1, "the heading");
    server.kill9().await;
    // Orphans from before the start are removed at once.
    let _server = setup.start().await;
    setup.folder().until_no_blobs(PATIENCE).await;
}

#[tokio::test]
async fn export_skips_damaged_documents_and_reports_their_number() {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0), Recording::short(T0 + 9000)]).await;
    server.kill9().await;
    overwrite_in_database(&setup, "UPDATE lines SET document = '{' WHERE rowid = (SELECT min(rowid) FROM lines)");
    overwrite_in_database(
        &setup,
        "UPDATE recordings SET plan = x'ff' WHERE rowid = (SELECT min(rowid) FROM recordings)",
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.jsonl").display().to_string();
    let output = setup.on_folder(&["export", &file]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.err.contains("2 stored documents cannot be read"), "{output:?}");
    let other = Setup::new();
    let imported = other.on_folder(&["import", &file]).await.ok();
    assert!(imported.contains("recordings: 1"), "{imported}");
}
