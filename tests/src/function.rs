//! A function as a child process: `afterword-upload` or `afterword-process`, on a free port.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::log::Log;
use crate::program::{inherited, sibling};
use crate::wait::{PATIENCE, eventually};

/// The process; it is killed when this is dropped.
pub struct Function {
    child: Child,
    pub log: Log,
    pub url: String,
}

impl Function {
    /// Starts the function, and waits until it reports that it is ready.
    pub async fn start(program: &str, env: &[(String, String)]) -> Self {
        let mut command = Command::new(sibling(program));
        command.env_clear().envs(inherited()).envs(env.iter().cloned());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::follow(child.stderr.take().unwrap());
        let what = format!("{program} is ready");
        let ready = eventually(&what, PATIENCE, async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{program} ended with {status}:\n{}", log.tail());
            }
            log.lines().into_iter().find(|line| line.field("message") == "ready for requests")
        })
        .await;
        // On Lambda there is no port.
        let port = ready.field("address").rsplit(':').next().unwrap().to_owned();
        Self { child, log, url: format!("http://127.0.0.1:{port}") }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Kills the process without a chance to clean up, as a power cut does.
    pub async fn kill9(mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    pub async fn ended(&mut self) {
        let child = &mut self.child;
        eventually("the function has ended", PATIENCE, async || child.try_wait().unwrap()).await;
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Whatever faults a test has planted: an alert on ERROR is enough, and always says what to do.
        let faults = self.log.faults();
        assert!(faults.is_empty() || std::thread::panicking(), "the log must not have:\n{}", faults.join("\n"));
    }
}
