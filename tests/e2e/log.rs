//! The log goes to whoever started the server. A reader that is gone, or a disk that is full, stops neither the server nor
//! its jobs.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tests::log::Line;
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Client, Recording, Server, Setup, program};

use crate::sessions::{complete, open, put, url};

/// A server whose log goes elsewhere; it is killed when this is dropped.
struct Started {
    child: Child,
    client: Client,
    address: String,
    /// Its folder lasts as long.
    _setup: Setup,
}

impl Started {
    fn with_log_to(stderr: impl Into<Stdio>) -> Self {
        let setup = Setup::new().with("log.level", "trace");
        let mut command = setup.command(&["--json"]);
        Self::of(command.stderr(stderr), setup)
    }

    fn of(command: &mut Command, setup: Setup) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let start: Value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line:?}"));
        let url = start["url"].as_str().unwrap();
        let client = Client::new(url, start["token"].as_str().unwrap());
        Self { child, client, address: url.replace("http://", ""), _setup: setup }
    }

    /// Has enough logged to fill any pipe, and a job finished after it.
    async fn works(mut self) {
        for _ in 0..300 {
            assert_eq!(self.client.get("/nowhere").await.status, 404);
        }
        self.client.done(&[Recording::speech(T0)]).await;
        let metrics = self.client.get("/metrics").await.text;
        let dropped = metrics.lines().find_map(|line| line.strip_prefix("afterword_log_lines_dropped_total "));
        assert_ne!(dropped, None, "{metrics}");
        assert!(self.child.try_wait().unwrap().is_none(), "it still runs");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn server_works_while_nobody_reads_its_log() {
    let (unread, log) = std::io::pipe().unwrap();
    Started::with_log_to(log).works().await;
    drop(unread);
}

#[tokio::test]
async fn server_works_after_the_reader_of_its_log_is_gone() {
    let (gone, log) = std::io::pipe().unwrap();
    drop(gone);
    Started::with_log_to(log).works().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn server_works_while_the_disk_of_its_log_is_full() {
    Started::with_log_to(File::create("/dev/full").unwrap()).works().await;
}

/// Runs a command whose output nobody reads; returns its exit code and what it said of it.
fn without_reader(setup: &Setup, args: &[&str], stdout: impl Into<Stdio>) -> (Option<i32>, String) {
    let mut command = Command::new(program::path());
    let (name, rest) = args.split_first().unwrap();
    command.arg(name).arg("--data-dir").arg(setup.data_dir()).args(rest).stdout(stdout);
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn commands_end_quietly_when_their_reader_is_gone() {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::speech(T0)]).await;
    for command in [&["token"][..], &["admin", "jobs"], &["admin", "damaged"]] {
        let (gone, output) = std::io::pipe().unwrap();
        drop(gone);
        assert_eq!(without_reader(&setup, command, output), (Some(0), String::new()), "{command:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn commands_say_that_their_output_cannot_be_written() {
    let setup = Setup::new();
    let _server = setup.start().await;
    for command in [&["token"][..], &["admin", "jobs"]] {
        let full = File::create("/dev/full").unwrap();
        let (code, said) = without_reader(&setup, command, full);
        let expected = "afterword: the output cannot be written: No space left on device (os error 28)\n";
        assert_eq!((code, said.as_str()), (Some(1), expected), "{command:?}");
    }
}

/// printf %s local | sha256sum | cut -c1-16
const HASH_OF_LOCAL: &str = "25bf8e1a2393f110";

async fn ended(server: &Server, job_id: &str) -> Line {
    let ended = |line: &Line| line.field("message") == "a job ended" && line.field("job_id") == job_id;
    server.log.wait("that the job ended", PATIENCE, ended).await
}

fn lines_about(server: &Server, job_id: &str) -> Vec<Line> {
    server.log.lines().into_iter().filter(|line| line.text.contains(job_id)).collect()
}

fn accepted(lines: &[Line]) -> &Line {
    let is_it = |line: &&Line| line.field("message") == "request" && line.fields["status"] == 202;
    lines.iter().find(is_it).unwrap_or_else(|| panic!("no line of a 202: {lines:#?}"))
}

#[tokio::test]
async fn job_has_at_most_three_lines_which_lead_from_its_upload_to_its_end() {
    let server = Setup::new().with("log.level", "info").start().await;
    let client = server.client();
    client.put_device("my-phone", "a-token-of-my-phone").await;
    let job = client.done(&[Recording::speech(T0), Recording::silence(T0 + 100)]).await;
    let job_id = job["job_id"].as_str().unwrap();
    for path in ["/v2/sync/jobs", "/v2/conversations", "/healthz", "/readyz", "/metrics"] {
        client.get(path).await.ok();
    }
    let ended = ended(&server, job_id).await;
    let lines = lines_about(&server, job_id);
    assert!(lines.len() <= 3, "{lines:#?}");
    let accepted = accepted(&lines);
    assert_eq!(accepted.field("user"), HASH_OF_LOCAL, "{}", accepted.text);
    assert_eq!(accepted.field("trace_id").len(), 32, "{}", accepted.text);
    assert_eq!(accepted.field("trace_id"), ended.field("trace_id"));
    for (name, value) in [
        ("status", Value::from("completed")),
        ("files", 2.into()),
        ("segments", job["total_segments"].clone()),
        ("attempts", 1.into()),
        ("code", Value::Null),
    ] {
        assert_eq!(ended.fields[name], value, "{name}: {}", ended.text);
    }
    assert!(ended.fields["duration_ms"].as_u64().is_some(), "{}", ended.text);
    let told = |line: &Line| line.field("message") == "request" && line.text.contains("\"method\":\"GET\"");
    assert_eq!(server.log.count(told), 0, "polls are told at debug: {}", server.log.text());
}

#[tokio::test]
async fn upload_session_has_three_lines() {
    let server = Setup::new().with("log.level", "info").start().await;
    let (client, file) = (server.client(), Recording::speech(T0));
    let session = open(&client, &[&file]).await;
    for range in ["bytes */*", ""] {
        let bytes = if range.is_empty() { file.bytes.clone() } else { Default::default() };
        put(&server, &url(&session, 0), range, bytes).await;
    }
    assert_eq!(complete(&client, &session).await.status, 202);
    let job_id = session["job_id"].as_str().unwrap();
    client.terminal(job_id).await;
    ended(&server, job_id).await;
    let lines = lines_about(&server, job_id);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert_eq!(accepted(&lines).field("user"), HASH_OF_LOCAL);
}

#[tokio::test]
async fn trace_of_an_upload_is_in_every_step_also_after_a_restart() {
    let setup = Setup::new();
    let server = setup.start().await;
    server.kill_at("finish", 1);
    let job_id = server.client().accepted(&[Recording::speech(T0)]).await;
    let first = server.log.clone();
    server.wait_killed(PATIENCE).await;
    let server = setup.start().await;
    server.client().terminal(&job_id).await;
    let cleaned = |line: &Line| line.is_step_of("clean_up", &job_id);
    if first.count(cleaned) == 0 {
        server.log.wait("the clean-up", PATIENCE, cleaned).await;
    }
    let lines: Vec<_> = first.lines().into_iter().chain(server.log.lines()).collect();
    let trace_id = accepted(&lines).field("trace_id").to_owned();
    let steps: Vec<_> =
        lines.iter().filter(|line| line.field("job_id") == job_id && !line.field("step").is_empty()).collect();
    assert!(steps.len() >= 6, "{steps:#?}");
    for line in steps {
        assert_eq!(line.fields["span"]["trace_id"], trace_id.as_str(), "{}", line.text);
    }
}

#[tokio::test]
async fn users_are_named_if_the_operator_wants_it() {
    let server = Setup::new().with("log.users", "plain").start().await;
    let job_id = server.client_of("ann").await.accepted(&[Recording::speech(T0)]).await;
    let line = server.log.wait("the 202", PATIENCE, |line| line.field("user") == "ann").await;
    assert_eq!((line.field("job_id"), &line.fields["span"]["user"]), (job_id.as_str(), &"ann".into()));
}

#[tokio::test]
async fn failed_job_is_told_with_its_reason() {
    let server = Setup::new().with("log.level", "info").start().await;
    let job_id = server
        .client()
        .accepted(&[Recording::new(format!("audio_phone_pcm16_16000_1_fs160_{T0}.bin"), "broken")])
        .await;
    let line = ended(&server, &job_id).await;
    assert_eq!((line.field("status"), line.field("code")), ("failed", "invalid_audio"), "{}", line.text);
    assert!(!line.field("reason").is_empty(), "{}", line.text);
}

#[tokio::test]
async fn start_is_told_in_one_line() {
    let server = Setup::new().with("log.level", "info").start().await;
    let line = server.log.wait("the start", PATIENCE, |line| line.field("message") == "ready for requests").await;
    assert_eq!((line.field("address"), line.field("engine")), (server.url.as_str(), "null"), "{}", line.text);
    assert_eq!(line.field("data_dir"), server.setup().data_dir().display().to_string());
    assert_eq!(line.fields["tls"], false);
    assert!(!line.field("version").is_empty(), "{}", line.text);
    assert!(!server.log.text().contains(&server.token), "the token is in no log");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn small_limit_of_open_files_is_told_and_bounds_the_connections() {
    let setup = Setup::new();
    let serve = setup.command(&["--json"]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 300 && exec \"$0\" \"$@\""]).arg(serve.get_program()).args(serve.get_args());
    command.env_clear().envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut started = Started::of(command.stdout(Stdio::piped()).stderr(Stdio::piped()), setup);
    let log = tests::log::Log::follow(started.child.stderr.take().unwrap());
    let line = log.wait("the warning", PATIENCE, |line| line.field("level") == "WARN").await;
    assert!(line.field("message").contains("the limit of open files is too small"), "{}", line.text);
    for (name, value) in [("open_files", 300), ("connections", 150), ("configured", 2048)] {
        assert_eq!(line.fields[name], value, "{}", line.text);
    }
    started.client.done(&[Recording::speech(T0)]).await;
    // There are more connections than the server has files: those that are not accepted yet wait, and all are served.
    let idle: Vec<_> = (0..400).map(|_| std::net::TcpStream::connect(&started.address).unwrap()).collect();
    let url = format!("http://{}", started.address);
    assert_eq!(Client::new(&url, "").get("/healthz").await.status, 200);
    drop(idle);
    assert_eq!(log.count(|line| line.text.contains("cannot accept connections")), 0, "{}", log.text());
}
