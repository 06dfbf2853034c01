//! The log goes to whoever started the server. A reader that is gone, or a disk that is full, stops neither the server nor
//! its jobs.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tests::recordings::T0;
use tests::{Client, Recording, Setup, program};

/// A server whose log goes elsewhere; it is killed when this is dropped.
struct Started {
    child: Child,
    client: Client,
    /// Its folder lasts as long.
    _setup: Setup,
}

impl Started {
    fn with_log_to(stderr: impl Into<Stdio>) -> Self {
        let setup = Setup::new().with("log.level", "trace");
        let mut child = setup.command(&["--json"]).stderr(stderr).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let start: Value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line:?}"));
        let client = Client::new(start["url"].as_str().unwrap(), start["token"].as_str().unwrap());
        Self { child, client, _setup: setup }
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
