//! The commands of users against the real server: what they do, print and end with.

mod login;
mod on_computer;
mod output;
mod push;
mod record;
mod seen;
mod watch;

use std::path::PathBuf;

use tempfile::TempDir;
use tests::program::{self, CommandOutput};
use tests::{Server, Setup, pty};

/// Exit codes on which scripts rely.
const DONE: Option<i32> = Some(0);
const FAILED: Option<i32> = Some(1);
const USAGE: Option<i32> = Some(2);
const WAITING: Option<i32> = Some(3);

/// A user of this computer, with a home of their own.
struct User {
    home: TempDir,
    env: Vec<(String, String)>,
}

impl User {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let env = vec![
            ("HOME".to_owned(), home.path().display().to_string()),
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("TZ".to_owned(), "UTC".to_owned()),
        ];
        Self { home, env }
    }

    /// A user who has the token of the user `local` in the environment.
    fn of(server: &Server) -> Self {
        Self::new().with("AFTERWORD_SERVER", &server.url).with("AFTERWORD_TOKEN", &server.token)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    async fn run(&self, args: &[&str]) -> CommandOutput {
        program::with_env(args, &self.env).await
    }

    async fn json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.run(args).await;
        let out = &output.out;
        serde_json::from_str(out).unwrap_or_else(|why| panic!("{args:?} prints no JSON ({why}): {output:?}"))
    }

    async fn sees(&self, columns: u16, args: &[&str]) -> pty::Seen {
        pty::run(columns, args, &self.env).await
    }

    fn logins_file(&self) -> PathBuf {
        self.home.path().join(".config/afterword/logins.json")
    }
}

/// One line on standard error that has all of these words.
#[track_caller]
fn assert_told(output: &CommandOutput, code: Option<i32>, words: &[&str]) {
    assert_eq!(output.code, code, "{output:?}");
    assert_eq!(output.err.lines().count(), 1, "{output:?}");
    let all = words.iter().all(|word| output.err.contains(word));
    assert!(all && output.err.starts_with("afterword: "), "{words:?}: {output:?}");
}

/// A setup whose folder the user may name.
fn data_dir(setup: &Setup) -> String {
    setup.data_dir().display().to_string()
}
