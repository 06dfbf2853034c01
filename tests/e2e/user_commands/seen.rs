//! What a user sees on terminals of 80 and 40 columns, and in a file: snapshots in `tests/fixtures/seen`.

use tests::recordings::T0;
use tests::snapshots::assert_seen;
use tests::{Recording, Setup, pty};

use super::{User, WAITING};

/// What is left on the terminal when bars have been drawn over.
fn without_bars(text: &str) -> String {
    let drawn_over = |line: &str| line.rsplit("\r\u{1b}[K").next().unwrap_or_default().to_owned();
    text.split_inclusive('\n').map(drawn_over).collect()
}

/// Compares what the command prints on both terminals and in a file.
async fn looks(user: &User, name: &str, args: &[&str]) {
    for columns in [80, 40] {
        let seen = without_bars(&user.sees(columns, args).await.text);
        let widest = seen.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        // Help for somebody on standard error is a line of any length: the terminal breaks it.
        let printed = seen.lines().filter(|line| !line.starts_with("afterword: "));
        // What has no spaces, such as a name, is never broken: it must be copied as it is.
        let breakable = printed.filter(|line| line.trim().contains(' '));
        let too_wide: Vec<_> = breakable.filter(|line| line.chars().count() > usize::from(columns)).collect();
        assert!(too_wide.is_empty(), "{name}, {columns} of {widest}: {too_wide:#?}");
        assert_seen(&format!("{name}-{columns}"), &seen);
    }
    let output = user.run(args).await;
    let all = format!("{}{}", output.out, output.err);
    assert!(!all.contains('\t') && !all.contains('\u{1b}'), "{output:?}");
    assert_seen(&format!("{name}-piped"), &all);
}

#[tokio::test]
async fn finished_failed_and_waiting_jobs() {
    let setup = Setup::new();
    let server = setup.start().await;
    let client = server.client();
    let done = client.done(&[Recording::speech(T0), Recording::silence(T0 + 1000)]).await;
    client.done(&[Recording::garbage(T0 + 2000), Recording::speech(T0 + 3000)]).await;
    let failed = client.done(&[Recording::garbage(T0 + 4000)]).await;
    server.kill9().await;
    let server = setup.with("engine.null_languages", "en").start().await;
    let client = server.client();
    let waiting = client.upload_to("?language=fr", &[Recording::speech(T0 + 5000)]).await.ok();
    let waiting = waiting["job_id"].as_str().unwrap();
    client.until(waiting, "waits", |job| !job["waiting"].is_null()).await;
    let user = User::of(&server);
    looks(&user, "jobs", &["jobs"]).await;
    looks(&user, "show-completed", &["show", done["job_id"].as_str().unwrap()]).await;
    looks(&user, "show-failed", &["show", failed["job_id"].as_str().unwrap()]).await;
}

#[tokio::test]
async fn status_of_a_server_that_takes_recordings_and_of_one_that_does_not() {
    let setup = Setup::new();
    let server = setup.start().await;
    looks(&User::of(&server), "status", &["status"]).await;
    let token = setup.on_folder(&["token", "--ttl", "130500s"]).await.ok();
    let patient = User::of(&server).with("AFTERWORD_TOKEN", token.trim()).with("XDG_CONFIG_HOME", "/no/such/folder");
    looks(&patient, "doctor", &["doctor"]).await;
    looks(&User::of(&server), "no-jobs", &["jobs"]).await;
    let refused = User::of(&server).with("AFTERWORD_TOKEN", "wrong");
    looks(&refused, "status-wrong-token", &["status"]).await;
    server.kill9().await;
    let restricting = Setup::new().with("simulate.refuse", "fair_use").with("simulate.retry_after_seconds", 86_400);
    let server = restricting.start().await;
    let user = User::of(&server);
    looks(&user, "status-restricted", &["status"]).await;
    server.kill9().await;
    looks(&user, "status-offline", &["status"]).await;
    assert_eq!(user.sees(80, &["status"]).await.code, WAITING);
}

/// A zone in which it is about noon, so that "in ten minutes" is never tomorrow.
fn noon() -> String {
    let hour = tests::wait::now_secs().div_euclid(3600).rem_euclid(24);
    // POSIX counts hours to the west.
    format!("NOON{:+}", hour - 12)
}

#[tokio::test]
async fn push_that_is_refused_or_finds_bad_files() {
    for (refusal, seconds) in [("fair_use", 45_030), ("rate_limit", 45_030), ("backend_busy", 600)] {
        let refusing = Setup::new().with("simulate.refuse", refusal).with("simulate.retry_after_seconds", seconds);
        let server = refusing.start().await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audio_phone_pcm16_16000_1_fs160_1748300000.bin");
        std::fs::write(&file, &Recording::speech(T0).bytes).unwrap();
        let user = User::of(&server).with("TZ", &noon());
        looks(&user, &format!("push-{refusal}"), &["push", &file.display().to_string()]).await;
        looks(&user, &format!("status-{refusal}"), &["status"]).await;
    }
}

#[tokio::test]
async fn colours_are_only_on_a_terminal_that_wants_them() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    assert!(pty::run_in_colour(80, &["status"], &user.env).await.text.contains("\u{1b}[32m"));
    assert!(!user.sees(80, &["status"]).await.text.contains('\u{1b}'), "NO_COLOR");
    let dumb = [&user.env[..], &[("TERM".to_owned(), "dumb".to_owned())]].concat();
    assert!(!pty::run_in_colour(80, &["status"], &dumb).await.text.contains('\u{1b}'));
    assert!(!user.run(&["status"]).await.out.contains('\u{1b}'));
}
