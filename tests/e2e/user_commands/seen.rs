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

/// The text with the home of the user as it is in every run.
fn at_home(user: &User, text: &str) -> String {
    text.replace(&user.home.path().display().to_string(), "/home/ann")
}

/// Compares what the command prints on both terminals and in a file.
async fn looks(user: &User, name: &str, args: &[&str]) {
    for columns in [80, 40] {
        let seen = at_home(user, &without_bars(&user.sees(columns, args).await.text));
        let widest = seen.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        // Help for somebody on standard error is a line of any length: the terminal breaks it.
        // So is what was said, and its heading with the time.
        let is_said = |line: &&str| line.starts_with('[') || line.starts_with("20");
        let printed = seen.lines().filter(|line| !line.starts_with("afterword: ") && !is_said(line));
        // What has no spaces, such as a name, is never broken: it must be copied as it is.
        let breakable = printed.filter(|line| line.trim().contains(' '));
        let too_wide: Vec<_> = breakable.filter(|line| line.chars().count() > usize::from(columns)).collect();
        assert!(too_wide.is_empty(), "{name}, {columns} of {widest}: {too_wide:#?}");
        assert_seen(&format!("{name}-{columns}"), &seen);
    }
    let output = user.run(args).await;
    let all = at_home(user, &format!("{}{}", output.out, output.err));
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

/// A user of this server with a file, whose name is as long as those of devices.
fn with_file(server: &tests::Server, name: &str, bytes: &[u8]) -> (User, String) {
    let user = User::of(server);
    let file = user.home.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    (user, file.display().to_string())
}

const NAME: &str = "audio_phone_pcm16_16000_1_fs160_1748300000.bin";

#[tokio::test]
async fn push_of_files_that_fail() {
    let short = Recording::short(T0).bytes;
    let damaged = [&short[..], &70_000_u32.to_le_bytes(), &[0x55; 6_000]].concat();
    let large = Setup::new().with("limits.max_file_bytes", 50_000).with("limits.resumable_max_file_bytes", 50_000);
    for (name, setup, file, bytes) in [
        ("unreadable", Setup::new(), NAME, Recording::garbage(T0).bytes.to_vec()),
        ("partly", Setup::new(), NAME, damaged),
        ("silence", Setup::new(), NAME, Recording::silence(T0).bytes.to_vec()),
        ("refused", Setup::new().with("engine.null_fail", "refuse"), NAME, short.to_vec()),
        ("too-large", large, NAME, Recording::speech(T0).bytes.to_vec()),
        ("in-future", Setup::new(), "audio_phone_pcm16_16000_1_fs160_4102444800.bin", short.to_vec()),
        ("no-time", Setup::new(), "notes.bin", short.to_vec()),
        ("empty", Setup::new(), NAME, Vec::new()),
    ] {
        let server = setup.start().await;
        let (user, file) = with_file(&server, file, &bytes);
        looks(&user, &format!("push-{name}"), &["push", &file]).await;
    }
}

#[tokio::test]
async fn push_to_a_server_that_does_not_take_it() {
    let setup = Setup::new();
    let server = setup.start().await;
    let (user, file) = with_file(&server, NAME, &Recording::short(T0).bytes);
    let wrong = User::of(&server).with("AFTERWORD_TOKEN", "wrong");
    looks(&wrong, "push-wrong-token", &["push", &file]).await;
    looks(&User::new(), "push-no-server", &["push", &file]).await;
    server.kill9().await;
    looks(&user, "push-offline", &["push", &file]).await;
    looks(&user, "push-waiting-offline", &["push", "--waiting"]).await;
    looks(&user, "transcripts-offline", &["transcripts"]).await;
    let certificates = concat!(env!("CARGO_MANIFEST_DIR"), "/certificates");
    let encrypted = Setup::new()
        .arg("--tls-cert")
        .arg(format!("{certificates}/server.pem"))
        .arg("--tls-key")
        .arg(format!("{certificates}/server-key.pem"));
    let server = encrypted.start().await;
    looks(&User::of(&server), "push-certificate", &["push", &file]).await;
    let proxied = User::new().with("AFTERWORD_SERVER", "https://recorder.example").with("AFTERWORD_TOKEN", "t");
    looks(&proxied.with("HTTPS_PROXY", "http://127.0.0.1:9"), "jobs-proxy", &["jobs"]).await;
    // The folder is part of a table, whose columns must not depend on where temporary files are.
    looks(&user.with("XDG_CONFIG_HOME", "/no/such/folder"), "doctor-offline", &["doctor"]).await;
}

#[tokio::test]
async fn commands_about_what_is_on_this_computer() {
    let server = Setup::new().start().await;
    let (user, _) = with_file(&server, NAME, &Recording::short(T0).bytes);
    let wals = serde_json::json!({"wals": [
        {"timer_start": T0, "codec": "pcm16", "device": "phone", "file_path": NAME},
        {"timer_start": T0 + 99, "codec": "opus", "device": "phone", "file_path": "gone.bin"},
        {"timer_start": T0 + 99, "codec": "opus", "storage": "sdcard"},
    ]});
    std::fs::write(user.home.path().join("wals.json"), wals.to_string()).unwrap();
    let folder = user.home.path().display().to_string();
    user.run(&["import-wals", "--only-import", &folder]).await;
    looks(&user, "import-wals", &["import-wals", "--only-import", &folder]).await;
    looks(&user, "import-wals-none", &["import-wals", "/"]).await;
    looks(&user, "rebuild", &["rebuild"]).await;
    looks(&user, "record-no-audio", &["record", "--codec", "pcm16", "--input", "raw"]).await;
    looks(&user, "watch-no-folder", &["watch", "/no/such/folder"]).await;
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
