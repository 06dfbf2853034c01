//! The setup of a server: a data folder, a configuration, and the commands beside `serve`.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::folder::Folder;
use crate::program::{self, CommandOutput, Spawned};

/// A data folder and a configuration: starts servers one after another. Clones share the folder.
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
    /// Uses a temporary folder of its own, which does not exist yet.
    pub fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let data_dir = parent.path().join("data");
        Self { _kept: Some(Arc::new(parent)), ..Self::on(&data_dir) }
    }

    /// Uses a folder that the test owns.
    pub fn on(data_dir: &Path) -> Self {
        let setup = Self { data_dir: data_dir.to_owned(), _kept: None, env: Vec::new(), args: Vec::new() };
        // Every step is logged; the debug lines of libraries are not.
        let setup = setup.with("log.level", "info,flow=debug").with("blobs.reserve_bytes", 0);
        // The null engine's text comes at once and is always the same, and most tests do not depend on what is
        // transcribed.
        setup.with("engine.name", "null").with("audio.detector", "energy")
    }

    /// Sets `section.key` by its environment variable.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        let name = format!("AFTERWORD_{}", key.replace('.', "_").to_uppercase());
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.to_string()));
        self
    }

    /// Leaves a key to the configuration file.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        let name = format!("AFTERWORD_{}", key.replace('.', "_").to_uppercase());
        self.env.retain(|(known, _)| *known != name);
        self
    }

    /// Sets a variable that is not a configuration key.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Uses the engine and the detector of a normal installation, instead of those for tests.
    #[must_use]
    pub fn with_speech_engine(self) -> Self {
        self.with("engine.name", "auto").with("audio.detector", "silero")
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn folder(&self) -> Folder {
        Folder::new(&self.data_dir)
    }

    /// The command that starts a server, with all its output piped.
    pub fn command(&self, mode: &[&str]) -> Command {
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

    /// A start that must be refused; returns its one line.
    pub async fn refused(&self) -> String {
        let output = self.run(&self.serve_args(&["--json"])).await;
        assert_eq!(output.out, "", "a start that is refused prints nothing for scripts");
        output.refused().to_owned()
    }

    /// Any other command with the same environment.
    pub async fn run(&self, args: &[impl AsRef<str>]) -> CommandOutput {
        let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        program::with_env(&args, &self.env).await
    }

    /// A command on this data folder.
    pub async fn on_folder(&self, args: &[&str]) -> CommandOutput {
        let data_dir = self.data_dir.display().to_string();
        let (command, rest) = args.split_first().unwrap();
        let all: Vec<&str> = [*command, "--data-dir", &data_dir].into_iter().chain(rest.iter().copied()).collect();
        self.run(&all).await
    }

    /// The same, as a process that the test sends signals to.
    pub fn spawn_on_folder(&self, args: &[&str]) -> Spawned {
        self.spawn_on_folder_to(args, Stdio::piped())
    }

    /// The same, with its standard error somewhere else.
    pub fn spawn_on_folder_to(&self, args: &[&str], stderr: impl Into<Stdio>) -> Spawned {
        let (name, rest) = args.split_first().unwrap();
        let mut command = Command::new(program::path());
        command.arg(name).arg("--data-dir").arg(&self.data_dir).args(rest).stderr(stderr);
        Spawned::of(command.env_clear().envs(program::inherited()).envs(self.env.iter().cloned()))
    }

    pub async fn token(&self, uid: &str) -> String {
        self.on_folder(&["token", "--uid", uid]).await.ok().trim_end().to_owned()
    }
}
