//! Google's own Firestore emulator: one for all tests of a process, found where the Google Cloud SDK installs it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use uuid::Uuid;

/// The environment variable with the address of a running emulator, which is then used.
const HOST: &str = "FIRESTORE_EMULATOR_HOST";
const JAR: &str = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar";
const SDK_ROOTS: [&str; 2] = ["/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk"];
const MAIN: &str = "com.google.cloud.datastore.emulator.firestore.CloudFirestore";
/// The line that the emulator prints when it listens.
const READY: &str = "is now running";
/// A JVM that has not started within this time, on a machine that builds meanwhile, never will.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Another process may take the port between our check and the emulator's start.
const MAX_STARTS: u32 = 3;

/// The shell stops the emulator when this process ends: its standard input closes then, however the process ends.
const WATCHDOG: &str = r#"java -Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Duser.language=en -cp "$1" "$2" --host=127.0.0.1 --port="$3" & pid=$!; read -r _; kill -9 $pid; wait $pid"#;

/// A running emulator.
pub struct Firestore {
    endpoint: String,
    /// Holds the pipe; the emulator stops when it is closed.
    _watchdog: Option<Child>,
}

/// The emulator of this process, started on the first call; or the reason why there is none.
pub fn firestore() -> Result<&'static Firestore, String> {
    static RUNNING: OnceLock<Result<Firestore, String>> = OnceLock::new();
    RUNNING.get_or_init(start).as_ref().map_err(Clone::clone)
}

impl Firestore {
    /// `http://host:port`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A new, empty project.
    #[expect(clippy::disallowed_methods, reason = "names must differ between tests, and between runs on one emulator")]
    pub fn fresh_project(&self) -> String {
        format!("demo-{}", Uuid::new_v4().simple())
    }
}

fn start() -> Result<Firestore, String> {
    if let Some(host) = std::env::var(HOST).ok().filter(|host| !host.is_empty()) {
        return Ok(Firestore { endpoint: format!("http://{host}"), _watchdog: None });
    }
    let jar = find_jar()?;
    if which("java").is_none() {
        return Err("the Firestore emulator needs Java, and there is no `java` on the PATH".to_owned());
    }
    let mut last = String::new();
    for _ in 0..MAX_STARTS {
        match start_on_a_free_port(&jar) {
            Ok(running) => return Ok(running),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn find_jar() -> Result<PathBuf, String> {
    let roots = SDK_ROOTS.map(PathBuf::from).into_iter();
    let found = roots.chain(std::iter::from_fn(sdk_root).take(1)).map(|root| root.join(JAR)).find(|jar| jar.is_file());
    found.ok_or_else(|| {
        "the Firestore emulator is not installed (`gcloud components install cloud-firestore-emulator`)".to_owned()
    })
}

fn sdk_root() -> Option<PathBuf> {
    let gcloud = which("gcloud")?;
    let said = Command::new(gcloud).args(["info", "--format=value(installation.sdk_root)"]).output().ok()?;
    Some(PathBuf::from(String::from_utf8(said.stdout).ok()?.trim()))
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn start_on_a_free_port(jar: &Path) -> Result<Firestore, String> {
    let failed = |what: &str, error: std::io::Error| format!("the Firestore emulator: {what}: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| failed("no free port", error))?;
    let port = listener.local_addr().map_err(|error| failed("no free port", error))?.port();
    drop(listener);
    let mut shell = Command::new("sh");
    shell.args(["-c", WATCHDOG, "watchdog"]).arg(jar).args([MAIN, &port.to_string()]);
    let mut shell = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("it did not start", error))?;
    let said = shell.stdout.take().ok_or("the Firestore emulator has no output")?;
    wait_until_ready(said)?;
    Ok(Firestore { endpoint: format!("http://127.0.0.1:{port}"), _watchdog: Some(shell) })
}

/// Reads the output to its end, so that the emulator never blocks on a full pipe.
fn wait_until_ready(said: ChildStdout) -> Result<(), String> {
    let (report, outcome) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            if line.contains(READY) {
                let _ = report.send(());
            }
        }
    });
    outcome.recv_timeout(START_LIMIT).map_err(|error| match error {
        RecvTimeoutError::Timeout => format!("the Firestore emulator was not up after {} s", START_LIMIT.as_secs()),
        RecvTimeoutError::Disconnected => "the Firestore emulator ended as it started".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a process ends, in whatever way, the pipe to its emulator breaks.
    #[test]
    fn emulator_stops_when_its_pipe_is_closed() {
        let mut running = match find_jar().and_then(|jar| start_on_a_free_port(&jar)) {
            Ok(running) => running,
            Err(why) => testkit::skip!(why),
        };
        let address = running.endpoint().trim_start_matches("http://").to_owned();
        assert!(std::net::TcpStream::connect(&address).is_ok());
        let shell = running._watchdog.as_mut().unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        // The shell has waited for the end of the emulator.
        assert!(std::net::TcpStream::connect(&address).is_err());
    }

    #[test]
    fn every_project_is_new() {
        let anywhere = Firestore { endpoint: "http://127.0.0.1:1".to_owned(), _watchdog: None };
        assert_ne!(anywhere.fresh_project(), anywhere.fresh_project());
    }
}
