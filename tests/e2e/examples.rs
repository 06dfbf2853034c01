//! The clients of `examples/` against a real server: what they print, and that they survive broken answers.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use tests::proxy::{Cut, Plan, Proxy};
use tests::recordings::T0;
use tests::{Recording, Server, Setup};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

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

/// The example as the TypeScript compiler makes it in this folder, after strict checks. Without the compiler there is none.
async fn typescript(out: &Path) -> Option<Vec<PathBuf>> {
    let compiler = root().join("target/node/node_modules/.bin/tsc");
    if !compiler.exists() {
        return None;
    }
    let mut command = Command::new(compiler);
    command.args(["--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler"]);
    command.args(["--skipLibCheck", "--types", "node"]);
    command.arg("--typeRoots").arg(root().join("target/node/node_modules/@types"));
    command.arg("--outDir").arg(out).arg(root().join("examples/transcribe.ts"));
    // A module: it waits at its top level.
    std::fs::write(out.join("package.json"), r#"{"type": "module"}"#).unwrap();
    let compiled = command.current_dir(out).stdin(Stdio::null()).output().await.unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
    Some(vec!["node".into(), out.join("transcribe.js")])
}

/// The proxy that breaks answers. The first folder of an address says how.
struct FaultyProxy {
    url: String,
    _process: Child,
}

impl FaultyProxy {
    async fn to(server: &str) -> Self {
        let mut command = Command::new("python3");
        command.arg(root().join("tests/python/faulty_proxy.py")).arg(server);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("the proxy prints no address").unwrap();
        Self { url: line.expect("the proxy has ended"), _process: process }
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
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
    assert!(output.status.success(), "{output:?}");
    let expected = texts(&server).await;
    assert!(!expected.is_empty());
    assert_eq!(printed(&output), expected);
    assert!(told(&output).contains("done; the file may be deleted"), "{output:?}");

    let silence = written(folder.path(), &Recording::silence(T0 + 3600));
    let output = run(example, &server.url, &server.token, &silence).await;
    assert!(output.stdout.is_empty() && output.status.success(), "{output:?}");
    assert!(told(&output).contains("silent; the file may be deleted"), "{output:?}");

    let garbage = written(folder.path(), &Recording::garbage(T0 + 7200));
    let output = run(example, &server.url, &server.token, &garbage).await;
    assert!(!output.status.success() && told(&output).contains("failed (invalid_audio); keep the file"), "{output:?}");

    let output = run(example, &server.url, "no token", &speech).await;
    assert!(!output.status.success() && told(&output).contains("unauthenticated"), "{output:?}");

    the_right_file_of_an_older_batch_is_judged(example, &server, folder.path()).await;
    odd_file_names_are_sent(example, &server, folder.path()).await;
}

/// The server answers with the job that has the recording already, and another file is the first one of that job.
async fn the_right_file_of_an_older_batch_is_judged(example: &[PathBuf], server: &Server, folder: &Path) {
    let (silence, speech) = (Recording::silence(T0 + 10_800), Recording::short(T0 + 14_400));
    let before = texts(server).await;
    server.client().done(&[silence, speech.clone()]).await;
    let mut expected = texts(server).await;
    expected.retain(|text| !before.contains(text));
    assert!(!expected.is_empty());
    let output = run(example, &server.url, &server.token, &written(folder, &speech)).await;
    assert_eq!(printed(&output), expected, "{output:?}");
    assert!(told(&output).contains("done; the file may be deleted"), "{output:?}");
}

async fn odd_file_names_are_sent(example: &[PathBuf], server: &Server, folder: &Path) {
    let names = ["my \"phone\"", "a;b,c;type=x", "back\\slash\\", "$HOME %22 'é' &", "new\nline"];
    let send = |name: &'static str| {
        let recording = Recording::speech(T0);
        let file = folder.join(format!("audio_{name}_pcm16_16000_1_fs160_{T0}.bin"));
        std::fs::write(&file, &recording.bytes).unwrap();
        async move { run(example, &server.url, &server.token, &file).await }
    };
    for output in join_all(names.map(send)).await {
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
        assert!(told(&output).contains("done; the file may be deleted"), "{output:?}");
    }
}

/// Broken answers to the upload, the question about the job and the reading of the text: each is asked for again.
const SURVIVED: [&str; 7] = ["html", "lost", "portal", "other", "cut", "date", "wait"];
/// A pause of more than a second for which the server asks.
const LONGER_PAUSE: [&str; 2] = ["date", "wait"];
/// Answers after which a client ends, and what it says then.
const GIVEN_UP: [(&str, &str); 3] = [
    ("never", "the server asks for a pause"),
    ("tomorrow", "the server asks for a pause"),
    ("gone", "conversation_not_found"),
];

async fn survives(example: &[PathBuf]) {
    let server = Setup::new().start().await;
    let folder = tempfile::tempdir().unwrap();
    let recording = Recording::speech(T0);
    server.client().done(std::slice::from_ref(&recording)).await;
    let expected = texts(&server).await;
    let speech = written(folder.path(), &recording);
    let proxy = FaultyProxy::to(&server.url).await;
    let (token, speech) = (server.token.as_str(), speech.as_path());
    let broken = |fault: &'static str| {
        let url = format!("{}/{fault}", proxy.url);
        async move { (fault, run(example, &url, token, speech).await) }
    };

    for (fault, output) in join_all(SURVIVED.map(broken)).await {
        let told = told(&output);
        assert!(output.status.success() && told.contains("done; the file may be deleted"), "{fault}: {output:?}");
        assert_eq!(printed(&output), expected, "{fault}: {told}");
        assert_eq!(told.matches("; again in").count(), 3, "{fault}: {told}");
        let short_pauses = told.matches("; again in 1 s").count();
        assert_eq!(short_pauses < 3, LONGER_PAUSE.contains(&fault), "{fault}: {told}");
    }
    let ends = GIVEN_UP.map(|(fault, _)| fault);
    for ((fault, output), (_, why)) in join_all(ends.map(broken)).await.into_iter().zip(GIVEN_UP) {
        let told = told(&output);
        assert!(!output.status.success() && output.stdout.is_empty(), "{fault}: {output:?}");
        assert!(told.contains(why) && told.contains("keep the file"), "{fault}: {told}");
        assert!(!told.contains("may be deleted"), "{fault}: {told}");
    }

    // The proxy puts a page with this text before that of the server.
    let (_, output) = broken("pages").await;
    let quoted = r#"He said "yes" \ [and] left, {"text":"so"}: 録音"#.to_owned();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(printed(&output), [vec![quoted], expected].concat());
}

#[tokio::test]
async fn python_example_uploads_waits_and_prints() {
    if !is_there("python3") {
        testkit::skip!("there is no python3");
    }
    holds(&python()).await;
}

#[tokio::test]
async fn python_example_survives_broken_answers() {
    if !is_there("python3") {
        testkit::skip!("there is no python3");
    }
    survives(&python()).await;
}

#[tokio::test]
async fn shell_example_uploads_waits_and_prints() {
    if !is_there("curl") || !is_there("python3") {
        testkit::skip!("there is no curl, or no python3");
    }
    holds(&shell()).await;
}

#[tokio::test]
async fn shell_example_survives_broken_answers() {
    if !is_there("curl") || !is_there("python3") {
        testkit::skip!("there is no curl, or no python3");
    }
    survives(&shell()).await;
}

#[tokio::test]
async fn typescript_example_compiles_strictly_uploads_waits_and_prints() {
    let out = tempfile::tempdir().unwrap();
    let Some(example) = typescript(out.path()).await else {
        testkit::skip!("TypeScript is not installed (scripts/setup-node)");
    };
    holds(&example).await;
}

#[tokio::test]
async fn typescript_example_survives_broken_answers() {
    let out = tempfile::tempdir().unwrap();
    let Some(example) = typescript(out.path()).await else {
        testkit::skip!("TypeScript is not installed (scripts/setup-node)");
    };
    if !is_there("python3") {
        testkit::skip!("there is no python3");
    }
    survives(&example).await;
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
    let told = told(&output);
    assert!(output.status.success(), "{told}");
    assert_eq!(told.matches("no usable answer").count(), 2, "{told}");
    assert_eq!(printed(&output), texts(&server).await);
}
