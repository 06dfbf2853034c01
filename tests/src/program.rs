//! The program under test, run as a command that ends by itself.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::wait::PATIENCE;

/// The program of the build to which the running test belongs.
pub fn path() -> PathBuf {
    sibling("afterword")
}

/// The environment variable with a folder of other programs to test, such as those of a release.
const PROGRAMS: &str = "AFTERWORD_PROGRAMS";

pub(crate) fn sibling(name: &str) -> PathBuf {
    // target/<profile>/deps/<test> -> target/<profile>/<name>
    let test = std::env::current_exe().unwrap();
    let built_along = || test.ancestors().nth(2).unwrap().to_owned();
    let program = std::env::var_os(PROGRAMS).map_or_else(built_along, PathBuf::from).join(name);
    assert!(program.exists(), "{} is not built: run make test, or cargo build --workspace --bins", program.display());
    program
}

/// The only `AFTERWORD_` variables that the program under test inherits: where this machine keeps its models, and which
/// arithmetic is tested. Other settings of the person who runs the tests must not configure it.
const KEPT: [&str; 2] = ["AFTERWORD_MODELS", "AFTERWORD_ENGINE_ARITHMETIC"];

pub(crate) fn inherited() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, _)| !name.starts_with("AFTERWORD_") || KEPT.contains(&name.as_str()))
}

/// How a command ended, and its output.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl CommandOutput {
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The single line that an error may take.
    pub fn refused(&self) -> &str {
        assert!(self.code.is_some_and(|code| code != 0), "it should have failed: {self:?}");
        let lines: Vec<_> = self.err.lines().filter(|line| !line.starts_with('{')).collect();
        assert_eq!(lines.len(), 1, "one line on standard error: {self:?}");
        lines[0]
    }
}

/// A command that runs beside the test.
pub struct Spawned {
    child: Child,
}

impl Spawned {
    /// Starts a command whose standard error goes somewhere already.
    pub fn of(command: &mut std::process::Command) -> Self {
        Self { child: command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap() }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether it catches SIGTERM by now. Only Linux tells.
    pub fn listens(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
        u64::from_str_radix(mask.trim(), 16).unwrap_or_default() & (1 << 14) != 0
    }

    /// Waits for its end.
    pub fn end(self) -> CommandOutput {
        let output = self.child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        CommandOutput { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs `afterword <args>` to its end.
pub async fn afterword(args: &[&str]) -> CommandOutput {
    with_env(args, &[]).await
}

pub async fn with_env(args: &[&str], env: &[(String, String)]) -> CommandOutput {
    run("afterword", args, env).await
}

pub async fn run(program: &str, args: &[&str], env: &[(String, String)]) -> CommandOutput {
    let mut command = Command::new(sibling(program));
    command.args(args).env_clear().envs(inherited()).envs(env.iter().cloned()).stdin(Stdio::null()).kill_on_drop(true);
    let done = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = done.unwrap_or_else(|_| panic!("{program} {args:?} does not end")).unwrap();
    CommandOutput {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a line as a user would paste it into a shell.
pub async fn shell(line: &str) -> String {
    let mut command = Command::new("sh");
    // The printed commands call the program by its name.
    let own = path().parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    command.env("PATH", format!("{own}:{}", std::env::var("PATH").unwrap_or_default()));
    command.args(["-c", line]).stdin(Stdio::null()).kill_on_drop(true);
    let done = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = done.unwrap_or_else(|_| panic!("`{line}` does not end")).unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "`{line}`: {out}\n{}", String::from_utf8_lossy(&output.stderr));
    out.into_owned()
}
