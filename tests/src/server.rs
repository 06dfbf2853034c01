//! `afterword serve` as a child process: configured as an operator would, killed as a power cut would.

use std::fmt::Display;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::folder::Folder;
use crate::log::Log;
use crate::program::{self, Said};
use crate::wait::{PATIENCE, Stopwatch, eventually};

/// A data folder and a configuration: starts servers one after the other. Clones share the folder.
#[derive(Clone)]
pub struct Setup {
    data_dir: PathBuf,
    /// Removes the folder after the last clone and the last server.
    _kept: Option<Arc<TempDir>>,
    env: Vec<(String, String)>,
    args: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// On a temporary folder of its own, which does not exist yet.
    pub fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let data_dir = parent.path().join("data");
        Self { _kept: Some(Arc::new(parent)), ..Self::on(&data_dir) }
    }

    /// On a folder that the test takes care of.
    pub fn on(data_dir: &Path) -> Self {
        let setup = Self { data_dir: data_dir.to_owned(), _kept: None, env: Vec::new(), args: Vec::new() };
        // Every step has its line; the libraries' own debug lines stay away.
        setup.with("log.level", "info,flow=debug").with("blobs.reserve_bytes", 0)
    }

    /// Sets `section.key` by its environment variable.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        let name = format!("AFTERWORD_{}", key.replace('.', "_").to_uppercase());
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.to_string()));
        self
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn folder(&self) -> Folder {
        Folder::new(&self.data_dir)
    }

    fn command(&self, mode: &[&str]) -> Command {
        let mut command = Command::new(program::path());
        command.args(self.serve_args(mode)).env_clear().envs(program::inherited()).envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn serve_args(&self, mode: &[&str]) -> Vec<String> {
        let data_dir = self.data_dir.display().to_string();
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data_dir];
        fixed.iter().chain(mode).map(|arg| (*arg).to_owned()).chain(self.args.iter().cloned()).collect()
    }

    /// Starts, and reads the one line that scripts read.
    pub async fn start(&self) -> Server {
        let mut running = Running::spawn(self, &["--json"]);
        let line = running.line("the line of --json", |_| true).await;
        let start: Value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"));
        let text = |name: &str| start[name].as_str().unwrap_or_else(|| panic!("{name} is missing: {line}")).to_owned();
        Server { url: text("url"), internal_url: text("internal_url"), token: text("token"), running }
    }

    /// Starts as a person does; gives back the greeting up to the line that ends it.
    pub async fn start_for_people(&self, last: &str) -> (Running, Vec<String>) {
        let mut running = Running::spawn(self, &[]);
        running.line(last, |line| line.contains(last)).await;
        let said = std::mem::take(&mut running.said);
        (running, said)
    }

    /// A start that has to be refused: its one line.
    pub async fn refused(&self) -> String {
        let said = self.run(&self.serve_args(&["--json"])).await;
        assert_eq!(said.out, "", "a start that is refused prints nothing for scripts");
        said.refused().to_owned()
    }

    /// Any other command with the same environment.
    pub async fn run(&self, args: &[impl AsRef<str>]) -> Said {
        let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        program::with_env(&args, &self.env).await
    }

    /// A command on this data folder.
    pub async fn on_folder(&self, args: &[&str]) -> Said {
        let data_dir = self.data_dir.display().to_string();
        let (command, rest) = args.split_first().unwrap();
        let all: Vec<&str> = [*command, "--data-dir", &data_dir].into_iter().chain(rest.iter().copied()).collect();
        self.run(&all).await
    }

    pub async fn token(&self, uid: &str) -> String {
        self.on_folder(&["token", "--uid", uid]).await.ok().trim_end().to_owned()
    }
}

/// The process. Dropped, it is killed.
pub struct Running {
    child: Child,
    pub log: Log,
    pub started_in: Duration,
    setup: Setup,
    watch: Stopwatch,
    lines: mpsc::UnboundedReceiver<String>,
    said: Vec<String>,
}

impl Running {
    fn spawn(setup: &Setup, mode: &[&str]) -> Self {
        let watch = Stopwatch::start();
        let mut child = setup.command(mode).spawn().unwrap();
        let log = Log::follow(child.stderr.take().unwrap());
        let (send, lines) = mpsc::unbounded_channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| _ = send.send(line)));
        Self { child, log, started_in: Duration::ZERO, setup: setup.clone(), watch, lines, said: Vec::new() }
    }

    async fn line(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
            let Ok(Some(line)) = line else { panic!("the server did not say {what}:\n{}", self.log.tail()) };
            self.said.push(line.clone());
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

    /// As a power cut does.
    pub async fn kill9(mut self) {
        let _ = kill_process(self.pid(), Signal::KILL);
        self.ended(PATIENCE).await;
    }

    /// Dies by itself at the n-th line of this step; returns when it is dead.
    pub fn kill_at(&self, step: &str, nth: usize) {
        self.log.kill_at(self.pid(), step, nth);
    }

    pub async fn wait_killed(mut self, limit: Duration) {
        self.ended(limit).await;
    }

    /// As a platform does: how it ended, and after how long.
    pub async fn sigterm(mut self) -> (ExitStatus, Duration) {
        let watch = Stopwatch::start();
        kill_process(self.pid(), Signal::TERM).unwrap();
        (self.ended(PATIENCE).await, watch.elapsed())
    }

    /// What else it printed for people or scripts, to its end.
    pub async fn rest_of_output(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Ok(Some(line)) = tokio::time::timeout(PATIENCE, self.lines.recv()).await {
            rest.push(line);
        }
        rest
    }

    /// The most memory it ever held, in bytes. Linux only.
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
        }
    }
}

/// A running server, and where it is.
pub struct Server {
    pub url: String,
    pub internal_url: String,
    /// For the user `local`.
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

    /// Without a token.
    pub fn stranger(&self) -> Client {
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
