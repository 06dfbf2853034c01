//! `afterword serve` as a child process: its start line, its log, its end by a signal or by a kill.

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;

use serde_json::Value;

use crate::client::Client;
use crate::folder::Folder;
use crate::log::Log;
use crate::setup::Setup;
use crate::wait::{PATIENCE, Stopwatch, eventually};

/// The process; it is killed when this is dropped.
pub struct Running {
    child: Child,
    pub log: Log,
    pub started_in: Duration,
    setup: Setup,
    watch: Stopwatch,
    lines: mpsc::UnboundedReceiver<String>,
    pub(crate) printed: Vec<String>,
}

impl Running {
    pub(crate) fn spawn(setup: &Setup, mode: &[&str]) -> Self {
        let watch = Stopwatch::start();
        let mut child = setup.command(mode).spawn().unwrap();
        let log = Log::follow(child.stderr.take().unwrap());
        let (send, lines) = mpsc::unbounded_channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| _ = send.send(line)));
        Self { child, log, started_in: Duration::ZERO, setup: setup.clone(), watch, lines, printed: Vec::new() }
    }

    pub(crate) async fn line(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
            let Ok(Some(line)) = line else { panic!("the server did not say {what}:\n{}", self.log.tail()) };
            self.printed.push(line.clone());
            if fits(&line) {
                self.started_in = self.watch.elapsed();
                return line;
            }
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        eventually("the server has ended", limit, async || child.try_wait().unwrap()).await
    }

    /// Kills the process without a chance to clean up, as a power cut does.
    pub async fn kill9(mut self) {
        let _ = kill_process(self.pid(), Signal::KILL);
        self.ended(PATIENCE).await;
    }

    /// Lets the server be killed at the n-th log line of this step.
    pub fn kill_at(&self, step: &str, nth: usize) {
        self.log.kill_at(self.pid(), step, nth);
    }

    pub async fn wait_killed(mut self, limit: Duration) {
        self.ended(limit).await;
    }

    /// Stops the server as a platform does; returns its exit status, and how long it took.
    pub async fn sigterm(mut self) -> (ExitStatus, Duration) {
        let watch = Stopwatch::start();
        kill_process(self.pid(), Signal::TERM).unwrap();
        (self.ended(PATIENCE).await, watch.elapsed())
    }

    /// Waits for the end of a server that was told to stop; returns its exit status, and how long it took.
    pub async fn ends_within(&mut self, limit: Duration) -> (ExitStatus, Duration) {
        let watch = Stopwatch::start();
        let ended = self.ended(PATIENCE).await;
        let took = watch.elapsed();
        assert!(took < limit, "it took {took:?}:\n{}", self.log.tail());
        (ended, took)
    }

    /// The rest of its standard output, to its end.
    pub async fn rest_of_output(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Ok(Some(line)) = tokio::time::timeout(PATIENCE, self.lines.recv()).await {
            rest.push(line);
        }
        rest
    }

    /// Its peak memory, in bytes. Linux only.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the end of the server's log:\n{}", self.log.tail());
            return;
        }
        let faults = self.log.faults();
        assert!(faults.is_empty(), "each ERROR has to say what to do:\n{}", faults.join("\n"));
    }
}

/// A running server, and its address.
pub struct Server {
    pub url: String,
    pub internal_url: String,
    /// The token of the user `local`.
    pub token: String,
    pub running: Running,
}

impl std::ops::Deref for Server {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl Server {
    pub fn client(&self) -> Client {
        Client::new(&self.url, &self.token)
    }

    pub async fn client_of(&self, uid: &str) -> Client {
        Client::new(&self.url, &self.setup.token(uid).await)
    }

    /// A client without a token.
    pub fn client_without_token(&self) -> Client {
        Client::new(&self.url, "")
    }

    pub fn folder(&self) -> Folder {
        self.setup.folder()
    }

    pub async fn kill9(self) {
        self.running.kill9().await;
    }

    pub async fn sigterm(self) -> (ExitStatus, Duration) {
        self.running.sigterm().await
    }

    pub async fn wait_killed(self, limit: Duration) {
        self.running.wait_killed(limit).await;
    }
}

impl Setup {
    /// Starts the server, and reads the one line that is meant for scripts.
    pub async fn start(&self) -> Server {
        let mut running = Running::spawn(self, &["--json"]);
        let line = running.line("the line of --json", |_| true).await;
        let start: Value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"));
        let text = |name: &str| start[name].as_str().unwrap_or_else(|| panic!("{name} is missing: {line}")).to_owned();
        Server { url: text("url"), internal_url: text("internal_url"), token: text("token"), running }
    }

    /// Starts the server as a user does; returns the greeting up to the line that ends it.
    pub async fn start_for_people(&self, last: &str) -> (Running, Vec<String>) {
        let mut running = Running::spawn(self, &[]);
        running.line(last, |line| line.contains(last)).await;
        let printed = std::mem::take(&mut running.printed);
        (running, printed)
    }
}
