//! The first steps of a new user: start the server, paste the printed `curl`, watch the job until its end.

use std::time::Duration;

use serde_json::Value;
use tests::wait::PATIENCE;
use tests::{Client, Setup, program};

/// The last line of the greeting.
const LAST: &str = "Logs go to standard error";
/// The start takes a second on an idle machine; the suite may share it with others.
const START: Duration = Duration::from_secs(5);
const END: Duration = Duration::from_secs(10);

/// The text after a label of the greeting.
fn label_value<'a>(greeting: &'a [String], label: &str) -> &'a str {
    let line = greeting.iter().find_map(|line| line.trim_start().strip_prefix(label));
    line.unwrap_or_else(|| panic!("the greeting has no {label}: {greeting:#?}")).trim()
}

#[tokio::test]
async fn the_printed_curl_becomes_a_finished_job() {
    let setup = Setup::new();
    let (running, greeting) = setup.start_for_people(LAST).await;
    println!("the greeting is there after {:?}", running.started_in);
    assert!(running.started_in < START);
    let address = label_value(&greeting, "address").split_whitespace().next().unwrap();
    assert_eq!(label_value(&greeting, "data folder"), setup.data_dir().display().to_string());
    assert!(greeting.iter().any(|line| line.contains("MAKES UP TEXT")), "the null engine has to be said loudly");
    assert!(label_value(&greeting, "token").starts_with("printed by: afterword token"), "{greeting:#?}");
    let token = setup.token("local").await;
    let client = Client::new(address, &token);
    client.put_device("my-phone", "a-token-of-my-phone").await;

    let curl = greeting.iter().find(|line| line.trim_start().starts_with("curl") && line.contains("/v2/sync/upload"));
    let pasted = curl.unwrap_or_else(|| panic!("no curl that uploads: {greeting:#?}")).trim();
    let answer: Value = serde_json::from_str(&program::shell(pasted).await).unwrap();
    assert_eq!((&answer["status"], &answer["file_count"]), (&"queued".into(), &1.into()), "{answer}");
    let status = program::shell(&format!("{pasted} -o /dev/null -w '%{{http_code}}'")).await;
    assert_eq!(status, "202", "pasting it again is harmless");

    let job_id = answer["job_id"].as_str().unwrap();
    let job = client.terminal(job_id).await;
    assert_eq!((&job["status"], &job["error"]), (&"completed".into(), &Value::Null), "{job}");
    let segments = client.segments().await;
    assert!(segments.iter().any(|segment| !segment["text"].as_str().unwrap().is_empty()), "{segments:?}");
    setup.folder().until_no_blobs(PATIENCE).await;
    let (counted, words, ms) = client.usage().await;
    assert_eq!(counted, segments.len() as u64);
    assert_eq!(job["result"]["transcribed_ms"].as_u64(), Some(ms));
    assert!(words > 0);
    running.log.wait_step("push", job_id).await;
    let pushes = setup.folder().pushes();
    assert_eq!(pushes.len(), 1, "{pushes:?}");
    let text = pushes[0].to_string();
    assert!(text.contains(job_id) && text.contains("offline_sync_completed") && text.contains("my-phone"), "{text}");

    let (ended, took) = running.sigterm().await;
    println!("it ended {took:?} after SIGTERM");
    assert_eq!(ended.code(), Some(0));
    assert!(took < END);
}

/// Starts a command on a terminal of its own, prints what it printed up to the last line of the greeting, and ends it.
const ON_TERMINAL: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
out = b""
while b"Stop with Ctrl-C" not in out:
    out += os.read(terminal, 65536)
os.kill(pid, 15)
print(out.decode())
"#;

#[tokio::test]
async fn token_is_printed_on_a_terminal_and_nowhere_else() {
    let setup = Setup::new();
    let (mut running, mut printed) = setup.start_for_people(LAST).await;
    tests::program::shell(&format!("kill -TERM {}", running.pid().as_raw_nonzero())).await;
    printed.extend(running.rest_of_output().await);
    let bearers: Vec<_> = printed.iter().filter_map(|line| line.split_once("Bearer ")).collect();
    assert_eq!(bearers.len(), 3, "{printed:#?}");
    assert!(bearers.iter().all(|(_, token)| token.starts_with("$(afterword token --data-dir ")), "{printed:#?}");
    assert!(!running.log.text().contains("Bearer"), "nor is it in the log");

    let serve = setup.command(&[]);
    let mut command = tokio::process::Command::new("python3");
    command.args(["-c", ON_TERMINAL]).arg(serve.get_program()).args(serve.get_args()).env_clear();
    command.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?)))).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let token =
        text.split_once("token        ").unwrap_or_else(|| panic!("{text}")).1.split_whitespace().next().unwrap();
    assert_eq!(text.matches(&format!("Bearer {token}'")).count(), 3, "{text}");
}

#[tokio::test]
async fn the_printed_curl_works_whatever_the_data_folder_is_called() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["my recordings", "Ann's", "a;b,c", "ö\"ä", "$HOME `x`"] {
        let setup = Setup::on(&parent.path().join(name));
        let (running, greeting) = setup.start_for_people(LAST).await;
        let curl = greeting.iter().find(|line| line.contains("/v2/sync/upload")).unwrap();
        let status = program::shell(&format!("{curl} -o /dev/null -w '%{{http_code}}'")).await;
        assert_eq!(status, "202", "{curl}");
        running.kill9().await;
    }
}

#[tokio::test]
async fn serve_prints_exactly_one_line_for_scripts() {
    let mut server = Setup::new().start().await;
    assert!(server.url.starts_with("http://127.0.0.1:") && server.internal_url.starts_with("http://127.0.0.1:"));
    assert_ne!(server.url, server.internal_url);
    assert_eq!(server.client().get("/healthz").await.ok()["status"], "ok");
    assert_eq!(server.client_without_token().get("/readyz").await.ok()["status"], "ready");
    tests::program::shell(&format!("kill -TERM {}", server.pid().as_raw_nonzero())).await;
    assert_eq!(server.running.rest_of_output().await, [] as [String; 0]);
}

/// Work that is interrupted by a restart goes on, and no attempt is counted.
#[tokio::test]
async fn sigterm_puts_running_jobs_back_without_counting_an_attempt() {
    let setup = Setup::new().with("engine.null_delay_ms", 60_000);
    let server = setup.start().await;
    let client = server.client();
    let recording = tests::Recording::short(tests::recordings::T0);
    let job_id = client.accepted(&[recording]).await;
    server.log.wait_step("plan", &job_id).await;
    let (ended, took) = server.sigterm().await;
    assert_eq!(ended.code(), Some(0));
    assert!(took < END, "{took:?}");

    let again = setup.with("engine.null_delay_ms", 0).start().await;
    let job = again.client().terminal(&job_id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&"completed".into(), &1.into()), "{job}");
}

#[tokio::test]
async fn the_printed_push_prints_what_was_said() {
    let (_running, greeting) = Setup::new().start_for_people(LAST).await;
    let push = greeting.iter().find(|line| line.trim_start().starts_with("afterword push"));
    let push = push.unwrap_or_else(|| panic!("no push: {greeting:#?}")).trim();
    let home = tempfile::tempdir().unwrap();
    let words =
        program::shell(&format!("unset XDG_DATA_HOME XDG_CONFIG_HOME; HOME='{}' {push}", home.path().display())).await;
    assert!(words.lines().any(|line| line.starts_with('[')), "{words}");
}
