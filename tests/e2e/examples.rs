//! The clients of `examples/` against a real server: what they print, and that they survive a server that is away.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tests::proxy::{Cut, Plan, Proxy};
use tests::recordings::T0;
use tests::{Recording, Server, Setup};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(120);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The program and the arguments that run an example.
fn python() -> Vec<PathBuf> {
    vec!["python3".into(), root().join("examples/transcribe.py")]
}

fn shell() -> Vec<PathBuf> {
    vec!["sh".into(), root().join("examples/transcribe.sh")]
}

async fn run(example: &[PathBuf], url: &str, token: &str, file: &Path) -> Output {
    let mut command = Command::new(&example[0]);
    command.args(&example[1..]).arg(file).env("AFTERWORD_URL", url).env("AFTERWORD_TOKEN", token);
    command.stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(LIMIT, command.output()).await.expect("the example does not end").unwrap()
}

/// Writes the recording into a file of its name.
fn written(folder: &Path, recording: &Recording) -> PathBuf {
    let file = folder.join(&recording.name);
    std::fs::write(&file, &recording.bytes).unwrap();
    file
}

async fn texts(server: &Server) -> Vec<String> {
    let segments = server.client().segments().await;
    segments.iter().map(|segment| segment["text"].as_str().unwrap().to_owned()).collect()
}

/// One recording of speech is printed as it stands in the conversation, one of silence prints nothing, both may be deleted,
/// and a wrong token is told with its code.
async fn holds(example: &[PathBuf]) {
    let server = Setup::new().start().await;
    let folder = tempfile::tempdir().unwrap();
    let speech = written(folder.path(), &Recording::speech(T0));
    let output = run(example, &server.url, &server.token, &speech).await;
    let (printed, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    let expected = texts(&server).await;
    assert!(!expected.is_empty());
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    assert!(told.contains("done; the file may be deleted"), "{told}");

    let silence = written(folder.path(), &Recording::silence(T0 + 3600));
    let output = run(example, &server.url, &server.token, &silence).await;
    assert!(output.stdout.is_empty() && output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("silent; the file may be deleted"), "{output:?}");

    let garbage = written(folder.path(), &Recording::garbage(T0 + 7200));
    let output = run(example, &server.url, &server.token, &garbage).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("failed (invalid_audio); keep the file"), "{output:?}");

    let output = run(example, &server.url, "no token", &speech).await;
    let told = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && told.contains("unauthenticated"), "{output:?}");
}

#[tokio::test]
async fn python_example_uploads_waits_and_prints() {
    if !is_there("python3") {
        testkit::skip!("there is no python3");
    }
    holds(&python()).await;
}

#[tokio::test]
async fn shell_example_uploads_waits_and_prints() {
    if !is_there("curl") {
        testkit::skip!("there is no curl");
    }
    holds(&shell()).await;
}

/// Checked by the TypeScript compiler, and run as what it makes.
#[tokio::test]
async fn typescript_example_compiles_strictly_uploads_waits_and_prints() {
    let compiler = root().join("target/node/node_modules/.bin/tsc");
    if !compiler.exists() {
        testkit::skip!("TypeScript is not installed (scripts/setup-node)");
    }
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(compiler);
    command.args(["--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler"]);
    command.args(["--skipLibCheck", "--types", "node"]);
    command.arg("--typeRoots").arg(root().join("target/node/node_modules/@types"));
    command.arg("--outDir").arg(out.path()).arg(root().join("examples/transcribe.ts"));
    // A module: it waits at its top level.
    std::fs::write(out.path().join("package.json"), r#"{"type": "module"}"#).unwrap();
    let compiled = command.current_dir(out.path()).stdin(Stdio::null()).output().await.unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
    holds(&["node".into(), out.path().join("transcribe.js")]).await;
}

#[tokio::test]
async fn an_example_sends_again_what_a_bad_network_cut_off() {
    if !is_there("python3") {
        testkit::skip!("there is no python3");
    }
    let folder = tempfile::tempdir().unwrap();
    let speech = written(folder.path(), &Recording::speech(T0));
    let server = Setup::new().start().await;
    let plan = Plan::new([(100, Cut::Reset), (50_000, Cut::Reset)]);
    let proxy = Proxy::to(&server.url, plan).await;
    let output = run(&python(), &proxy.url, &server.token, &speech).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert_eq!(told.matches("no answer; again in").count(), 2, "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().collect::<Vec<_>>(), texts(&server).await);
}
