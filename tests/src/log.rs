//! The server's log: lines to wait for, to count, to show when a test fails, and to kill the server at.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::watch;

/// The number of lines that are shown when a test fails.
const LAST: usize = 60;

#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// The number of lines so far.
    grown: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    trap: Option<Trap>,
}

/// One line: JSON if the server writes JSON, otherwise `fields` is null.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: String,
    pub fields: Value,
}

impl Line {
    pub fn field(&self, name: &str) -> &str {
        self.fields[name].as_str().unwrap_or("")
    }

    pub fn is_step(&self, step: &str) -> bool {
        self.field("step") == step
    }

    pub fn is_step_of(&self, step: &str, job_id: &str) -> bool {
        self.is_step(step) && self.field("job_id") == job_id
    }
}

/// Kills the server at the n-th line of a step.
struct Trap {
    pid: Pid,
    step: String,
    left: usize,
}

impl Log {
    /// Reads on a thread of its own: a busy test must neither block the server nor delay a kill.
    pub fn follow(stream: impl Read + Send + 'static) -> Self {
        let log = Self { shared: Arc::new(Shared { state: Mutex::default(), grown: watch::Sender::new(0) }) };
        let writer = log.clone();
        std::thread::spawn(move || {
            for text in BufReader::new(stream).lines().map_while(Result::ok) {
                writer.push(text);
            }
        });
        log
    }

    fn push(&self, text: String) {
        let line = Line { fields: serde_json::from_str(&text).unwrap_or(Value::Null), text };
        let mut state = self.shared.state.lock().unwrap();
        let sprung = match &mut state.trap {
            Some(trap) if line.is_step(&trap.step) => {
                trap.left -= 1;
                trap.left == 0
            }
            _ => false,
        };
        if sprung && let Some(trap) = state.trap.take() {
            // The process may have ended by itself, but it is not reaped before this thread has ended, so the id is
            // still its own.
            let _ = kill_process(trap.pid, Signal::KILL);
        }
        state.lines.push(line);
        self.shared.grown.send_replace(state.lines.len());
    }

    pub(crate) fn kill_at(&self, pid: Pid, step: &str, nth: usize) {
        assert!(nth > 0, "the first line is number one");
        self.shared.state.lock().unwrap().trap = Some(Trap { pid, step: step.to_owned(), left: nth });
    }

    /// Waits for the first line that fits.
    pub async fn wait(&self, what: &str, limit: Duration, fits: impl Fn(&Line) -> bool) -> Line {
        let mut grown = self.shared.grown.subscribe();
        let search = async {
            let mut seen = 0;
            loop {
                grown.mark_unchanged();
                if let Some(line) = self.find_from(&mut seen, &fits) {
                    return line;
                }
                // Waiting cannot fail: the sender lives as long as `self`.
                let _ = grown.changed().await;
            }
        };
        match tokio::time::timeout(limit, search).await {
            Ok(line) => line,
            Err(_) => panic!("after {limit:?} the log does not say: {what}\n{}", self.tail()),
        }
    }

    /// The line of a step of this job.
    pub async fn wait_step(&self, step: &str, job_id: &str) -> Line {
        let what = format!("step={step} job_id={job_id}");
        self.wait(&what, crate::wait::PATIENCE, |line| line.is_step_of(step, job_id)).await
    }

    fn find_from(&self, seen: &mut usize, fits: &impl Fn(&Line) -> bool) -> Option<Line> {
        let state = self.shared.state.lock().unwrap();
        let found = state.lines[*seen..].iter().find(|line| fits(line)).cloned();
        *seen = state.lines.len();
        found
    }

    /// What no log may have: an ERROR that does not say what to do, and the lines of a library about each slow call.
    pub fn faults(&self) -> Vec<String> {
        let is_fault = |line: &&Line| {
            let says_nothing = line.field("level") == "ERROR" && line.field("remedy").is_empty();
            says_nothing || line.field("target").starts_with("gcloud_sdk")
        };
        self.shared.state.lock().unwrap().lines.iter().filter(is_fault).map(|line| line.text.clone()).collect()
    }

    /// All lines up to now.
    pub fn lines(&self) -> Vec<Line> {
        self.shared.state.lock().unwrap().lines.clone()
    }

    pub fn count(&self, fits: impl Fn(&Line) -> bool) -> usize {
        self.shared.state.lock().unwrap().lines.iter().filter(|line| fits(line)).count()
    }

    pub fn steps(&self, step: &str) -> usize {
        self.count(|line| line.is_step(step))
    }

    pub fn text(&self) -> String {
        self.shared.state.lock().unwrap().lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// The last lines without those of successful requests, of which a waiting test makes many.
    pub fn tail(&self) -> String {
        let state = self.shared.state.lock().unwrap();
        let quiet = |line: &&Line| line.field("message") != "request" || line.fields["status"].as_u64() >= Some(400);
        let telling: Vec<&Line> = state.lines.iter().filter(quiet).collect();
        telling[telling.len().saturating_sub(LAST)..].iter().map(|line| format!("{}\n", line.text)).collect()
    }
}
