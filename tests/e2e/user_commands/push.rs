//! `afterword push`: files go to the server once, whatever happens on the way, and their words are printed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tests::proxy::{Cut, Plan, Proxy};
use tests::recordings::{self, T0};
use tests::wait::PATIENCE;
use tests::{Recording, Server, Setup, figures, program};
use tokio::process::{Child, Command};

use super::{DONE, FAILED, USAGE, User, WAITING, assert_told};

const MIB: u64 = 1024 * 1024;

fn written(folder: &Path, recording: &Recording) -> PathBuf {
    let path = folder.join(&recording.name);
    std::fs::write(&path, &recording.bytes).unwrap();
    path
}

/// The fixture of a sound file, under this name.
fn sound(folder: &Path, fixture: &str, name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats").join(fixture);
    let path = folder.join(name);
    std::fs::copy(source, &path).unwrap();
    path
}

fn modified_at(path: &Path, seconds: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

async fn texts(server: &Server) -> Vec<String> {
    let segments = server.client().segments().await;
    segments.iter().map(|segment| segment["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn recordings_belong_to_the_user_of_the_token_that_is_sent() {
    let server = Setup::new().start().await;
    let user = User::new();
    user.run(&["login", "--server", &server.url, "--token", &server.token]).await.ok();
    let file = text(&written(user.home.path(), &Recording::short(T0)));
    let ben = server.setup().token("ben").await;
    let as_ben = User { home: tempfile::tempdir().unwrap(), env: user.env.clone() }.with("AFTERWORD_TOKEN", &ben);
    assert_eq!(as_ben.run(&["push", "--no-wait", &file]).await.code, DONE);
    assert_eq!((server.client_of("ben").await.jobs().await.len(), server.client().jobs().await.len()), (1, 0));
    // What was pushed as another user is not done for this one.
    assert_eq!(user.run(&["push", "--no-wait", &file]).await.code, DONE);
    assert_eq!((server.client_of("ben").await.jobs().await.len(), server.client().jobs().await.len()), (1, 1));
}

#[tokio::test]
async fn words_of_a_file_are_printed_and_pushing_it_again_changes_nothing() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let file = text(&written(user.home.path(), &Recording::speech(T0)));
    let output = user.run(&["push", &file]).await;
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
    let words = texts(&server).await;
    assert!(!words.is_empty() && words.iter().all(|words| output.out.contains(words)), "{words:?}: {output:?}");
    let again = user.run(&["push", &file]).await;
    assert_eq!((again.code, &again.out), (DONE, &output.out), "{again:?}");
    assert_eq!(server.client().jobs().await.len(), 1);
    // On another computer nothing is known of it.
    let elsewhere = User::of(&server).run(&["push", &file]).await;
    assert_eq!((elsewhere.code, &elsewhere.out), (DONE, &output.out), "{elsewhere:?}");
    assert_eq!(texts(&server).await, words);
}

#[tokio::test]
async fn only_the_words_of_the_pushed_file_are_printed() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let [first, second] = [Recording::short(T0), Recording::short(T0 + 2)];
    let [first, second] = [&first, &second].map(|recording| text(&written(user.home.path(), recording)));
    let first = user.run(&["push", &first]).await.ok();
    let second = user.run(&["push", &second]).await.ok();
    let words = texts(&server).await;
    assert_eq!(words.len(), 2);
    assert_eq!(server.client().conversations().await.len(), 1, "both belong to one conversation");
    // The heading is that of the whole conversation.
    let said = |printed: &str, words: &str| printed.lines().any(|line| line.starts_with('[') && line.contains(words));
    assert!(said(&first, &words[0]) && !said(&first, &words[1]), "{words:?}: {first}");
    assert!(said(&second, &words[1]) && !said(&second, &words[0]), "{words:?}: {second}");
}

#[tokio::test]
async fn folder_is_searched_and_times_that_names_lack_are_found_sent_and_told() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let folder = user.home.path().join("recordings");
    std::fs::create_dir_all(folder.join("phone")).unwrap();
    written(&folder, &Recording::speech(T0));
    std::fs::write(folder.join("notes.txt"), "no recording").unwrap();
    let memo = sound(&folder, "s16_48000_2.wav", "memo.wav");
    modified_at(&memo, 1_760_000_000);
    let tagged = folder.join("phone/tagged.wav");
    let wav = std::fs::read(&memo).unwrap();
    let info = b"LIST\x20\0\0\0INFOICRD\x14\0\0\x002026-01-20T10:00:00Z";
    std::fs::write(&tagged, [&wav[..12], info, &wav[12..]].concat()).unwrap();
    let output = user.run(&["push", &text(&folder), "--utc"]).await;
    assert_eq!(output.code, DONE, "{output:?}");
    assert_eq!(output.err.lines().count(), 2, "{output:?}");
    for line in [
        "memo.wav: 2025-10-09 08:53:20, from the time of its last change",
        "tagged.wav: 2026-01-20 10:00:00, from its metadata",
    ] {
        assert!(output.err.contains(line), "{line}: {output:?}");
    }
    let starts: Vec<String> = server
        .client()
        .conversations()
        .await
        .iter()
        .map(|conversation| conversation["started_at"].as_str().unwrap()[..16].to_owned())
        .collect();
    assert_eq!(starts, ["2025-05-26T22:53", "2025-10-09T08:53", "2026-01-20T10:00"]);
    let json = user.json(&["push", &text(&folder), "--json"]).await;
    let found: Vec<_> = json["recordings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["captured_at_from"], &one["state"]["is"]))
        .collect();
    let expected = [json!("name"), json!("modified"), json!("metadata")];
    assert_eq!(found.iter().map(|(from, _)| (*from).clone()).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|(_, state)| **state == "synced"), "{json:#}");
    assert_eq!(json["conversations"].as_array().unwrap().len(), 3);
    assert_eq!(server.client().conversations().await.len(), 3, "nothing came twice");
}

#[tokio::test]
async fn file_that_is_no_recording_is_told_and_the_others_are_pushed_all_the_same() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let folder = user.home.path();
    let good = text(&written(folder, &Recording::speech(T0)));
    let garbage = text(&written(folder, &Recording::garbage(T0 + 1000)));
    let [odd, empty] =
        ["no_time.bin", "audio_a_opus_16000_1_fs160_1748300009.bin"].map(|name| text(&folder.join(name)));
    std::fs::write(&odd, "x").unwrap();
    std::fs::write(&empty, "").unwrap();
    let output = user.run(&["push", &good, &garbage, &odd, &empty]).await;
    assert_eq!(output.code, FAILED, "{output:?}");
    for words in [
        format!("{odd} is not sent"),
        format!("{empty} is not sent: the file is empty"),
        format!("{garbage}: nothing in it can be played"),
        "3 of 4 recordings did not arrive as they should".to_owned(),
    ] {
        assert!(output.err.contains(&words), "{words}: {output:?}");
    }
    assert!(texts(&server).await.iter().all(|words| output.out.contains(words)), "{output:?}");
    assert_told(&user.run(&["push", "/no/such/file.bin"]).await, FAILED, &["/no/such/file.bin"]);
    let nothing = folder.join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    assert_told(&user.run(&["push", &text(&nothing)]).await, FAILED, &["has no recordings"]);
    assert_eq!(user.run(&["push"]).await.code, USAGE);
}

#[tokio::test]
async fn silence_is_done_and_says_so() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let file = text(&written(user.home.path(), &Recording::silence(T0)));
    let output = user.run(&["push", &file]).await;
    assert_told(&output, DONE, &["nobody speaks"]);
    assert_eq!(output.out, "");
}

#[tokio::test]
async fn recordings_wait_for_a_server_that_is_offline_or_asks_to_wait() {
    let setup = Setup::new();
    let server = setup.start().await;
    let user = User::of(&server);
    let file = text(&written(user.home.path(), &Recording::speech(T0)));
    server.kill9().await;
    assert_told(
        &user.run(&["push", &file]).await,
        WAITING,
        &["cannot be reached", "1 recording waits", "nothing is lost"],
    );
    for (refusal, words) in [
        ("fair_use", "the fair-use limit is reached"),
        ("rate_limit", "too many uploads at once"),
        ("backend_busy", "the service is busy"),
    ] {
        let server =
            setup.clone().with("simulate.refuse", refusal).with("simulate.retry_after_seconds", 600).start().await;
        // The same data folder, so the same server to the user, at another address.
        let user = User::of(&server);
        let file = text(&written(user.home.path(), &Recording::speech(T0)));
        let output = user.run(&["push", &file]).await;
        assert_told(&output, WAITING, &[words, " go on in ", "1 recording waits"]);
        let status = user.run(&["status"]).await;
        assert!(status.code == WAITING && status.out.contains("to send  1 recording waits\n"), "{status:?}");
        let status = user.json(&["status", "--json"]).await;
        assert_eq!((&status["queue"]["queue"], &status["queue"]["cooldown"]["reason"]), (&json!(1), &json!(refusal)));
        server.kill9().await;
        // The cooldown is remembered: the server that admits everybody is not asked before its end.
        let server = setup.start().await;
        let user = user.with("AFTERWORD_SERVER", &server.url);
        assert_told(&user.run(&["push", &file]).await, WAITING, &[words]);
        assert_eq!(server.client().jobs().await, [] as [Value; 0], "{refusal}");
        server.kill9().await;
    }
    let server = setup.start().await;
    let user = user.with("AFTERWORD_SERVER", &server.url);
    assert_eq!(user.run(&["push", &file]).await.code, DONE, "the one that was offline goes now");
}

#[tokio::test]
async fn refused_token_ends_the_push_with_one_line() {
    let server = Setup::new().start().await;
    let user = User::of(&server).with("AFTERWORD_TOKEN", "wrong");
    let file = text(&written(user.home.path(), &Recording::speech(T0)));
    assert_told(&user.run(&["push", &file]).await, FAILED, &["refuses the token"]);
}

#[tokio::test]
async fn push_without_waiting_ends_when_the_server_has_everything() {
    let server = Setup::new().with("engine.null_delay_ms", 600_000).start().await;
    let user = User::of(&server);
    let file = text(&written(user.home.path(), &Recording::speech(T0)));
    let output = user.run(&["push", "--no-wait", &file]).await;
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (DONE, "", ""), "{output:?}");
    assert_eq!(server.client().jobs().await.len(), 1);
}

/// The command as a process that can be killed.
fn spawned(user: &User, args: &[&str]) -> Child {
    let mut command = Command::new(program::path());
    command.args(args).env_clear().envs(user.env.iter().cloned()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_push_of_a_large_file_through_a_bad_network_goes_on_where_it_was() {
    let _alone = crate::alone().await;
    let size = 200 * MIB;
    let server = Setup::new().start().await;
    let resets = (1..=20).map(|n| (n * 9 * MIB, Cut::Reset));
    let proxy = Proxy::to(&server.url, Plan::new(resets)).await;
    let user = User::of(&server).with("AFTERWORD_SERVER", &proxy.url);
    let bytes = recordings::numbered(usize::try_from(size).unwrap());
    let file = text(&written(user.home.path(), &Recording::large(T0, &bytes)));
    let mut child = spawned(&user, &["push", &file]);
    proxy.until_passed(31 * MIB).await;
    signal(&child, Signal::KILL);
    child.wait().await.unwrap();
    let mut runs = 0;
    loop {
        let output = user.run(&["push", &file]).await;
        runs += 1;
        match output.code {
            DONE => break,
            // A network that breaks again and again may make it wait.
            WAITING => assert!(runs < 20, "{output:?}"),
            _ => panic!("{output:?}"),
        }
    }
    let passed = proxy.passed();
    let again = passed.saturating_sub(size) as f64 * 100.0 / size as f64;
    figures::report_figure(&format!(
        "push: 200 MiB, 20 cuts, 1 kill: {again:.1} % sent twice, in {runs} runs after the kill"
    ));
    assert!(again < 5.0, "{again} %: {passed} of {size}");
    assert_eq!(proxy.cuts_left(), 0, "the network was as bad as planned");
    let jobs = server.client().jobs().await;
    assert_eq!((jobs.len(), &jobs[0]["status"]), (1, &json!("completed")), "{jobs:?}");
    let segments = server.client().segments().await.len();
    assert_eq!(json!(segments), jobs[0]["total_segments"], "one transcript");
}

#[tokio::test]
async fn interrupted_push_says_that_it_goes_on_and_does() {
    let server = Setup::new().start().await;
    let proxy = Proxy::to(&server.url, Plan::new([(3 * MIB, Cut::Stall)])).await;
    let user = User::of(&server).with("AFTERWORD_SERVER", &proxy.url);
    let bytes = recordings::numbered(8 * 1024 * 1024);
    let file = text(&written(user.home.path(), &Recording::large(T0, &bytes)));
    let child = spawned(&user, &["push", &file]);
    proxy.until_passed(2 * MIB).await;
    signal(&child, Signal::INT);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), WAITING, "{told}");
    assert!(told.contains("stopped, and nothing is lost; 1 recording waits"), "{told}");
    let user = user.with("AFTERWORD_SERVER", &server.url);
    assert_eq!(user.run(&["push", &file]).await.code, DONE);
    assert_eq!(server.client().jobs().await.iter().filter(|job| job["status"] == "completed").count(), 1);
}

#[tokio::test]
async fn second_push_to_the_same_server_is_told_that_the_first_one_runs() {
    let server = Setup::new().with("engine.null_delay_ms", 600_000).start().await;
    let user = User::of(&server);
    let file = text(&written(user.home.path(), &Recording::speech(T0)));
    let first = spawned(&user, &["push", &file]);
    while server.client().jobs().await.is_empty() {}
    assert_told(&user.run(&["push", &file]).await, WAITING, &["another `afterword push`"]);
    signal(&first, Signal::INT);
    first.wait_with_output().await.unwrap();
}

#[tokio::test]
async fn bar_is_shown_on_a_terminal_only() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let bytes = recordings::numbered(8 * 1024 * 1024);
    let file = text(&written(user.home.path(), &Recording::large(T0, &bytes)));
    for columns in [80, 40] {
        let user = User::of(&server);
        let seen = user.sees(columns, &["push", &file]).await;
        assert_eq!(seen.code, DONE, "{seen:?}");
        assert!(seen.text.contains("of 8.0 MiB"), "{seen:?}");
        let lines = seen.text.split(['\r', '\n']).map(|line| line.trim_start_matches("\u{1b}[K"));
        let bars = lines.filter(|line| line.contains(" MiB"));
        let too_wide: Vec<_> = bars.filter(|line| line.chars().count() >= usize::from(columns)).collect();
        assert!(too_wide.is_empty(), "{too_wide:?}");
    }
    let output = user.run(&["push", &file]).await;
    assert!(!output.err.contains('\u{1b}') && output.code == DONE, "{output:?}");
}
