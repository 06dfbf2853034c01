//! `afterword record`: audio that comes on standard input is kept whatever happens, and its words are printed.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Recording, Server, Setup, eventually, program};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::{DONE, FAILED, USAGE, User, WAITING, assert_told};

pub const FRAMES: [&str; 4] = ["record", "--codec", "pcm16", "--input=frames"];

fn spawned(user: &User, args: &[&str]) -> Child {
    let mut command = Command::new(program::path());
    command.args(args).env_clear().envs(user.env.iter().cloned()).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The end of a command whose standard input ends.
async fn ended(child: Child) -> program::CommandOutput {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    program::CommandOutput { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the command with these bytes on standard input.
pub async fn given(user: &User, args: &[&str], bytes: &[u8]) -> program::CommandOutput {
    let mut child = spawned(user, args);
    let mut input = child.stdin.take().unwrap();
    // A command that refuses them has ended by now.
    let _ = input.write_all(bytes).await;
    drop(input);
    ended(child).await
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn samples(frames: &[u8]) -> Vec<u8> {
    frames.chunks(324).flat_map(|record| record[4..].to_vec()).collect()
}

async fn texts(server: &Server) -> Vec<String> {
    let segments = server.client().segments().await;
    segments.iter().map(|segment| segment["text"].as_str().unwrap().to_owned()).collect()
}

/// How many bytes the recorder has on the disk.
fn recorded_bytes(user: &User) -> u64 {
    let mut open = vec![user.home.path().join(".local/share/afterword")];
    let mut bytes = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "bin") {
                bytes += std::fs::metadata(&path).map_or(0, |meta| meta.len());
            }
        }
    }
    bytes
}

#[tokio::test]
async fn frames_and_raw_samples_are_recorded_and_their_words_printed() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let frames = Recording::speech(T0).bytes;
    let output = given(&user, &[&FRAMES[..], &["--device", "Pendant 2"]].concat(), &frames).await;
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
    let words = texts(&server).await;
    assert!(!words.is_empty() && words.iter().all(|words| output.out.contains(words)), "{words:?}: {output:?}");
    let job = &server.client().jobs().await[0];
    let name = job["files"][0]["name"].as_str().unwrap();
    assert!(name.starts_with("audio_pendant2_pcm16_16000_1_fs160_"), "{name}");
    let raw = ["record", "--codec", "pcm16", "--rate", "16000", "--json"];
    let output = given(&user, &raw, &samples(&frames)).await;
    assert_eq!(output.code, DONE, "{output:?}");
    let json: serde_json::Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(json["recordings"][0]["state"]["is"], "synced", "{json:#}");
    let said = json["conversations"][0]["segments"][0]["text"].as_str().unwrap();
    assert_eq!(said, words[0], "the same samples are the same speech");
}

#[tokio::test]
async fn ctrl_c_ends_the_recording_and_the_words_are_printed() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let frames = Recording::speech(T0).bytes;
    let mut child = spawned(&user, &FRAMES);
    let mut input = child.stdin.take().unwrap();
    input.write_all(&frames).await.unwrap();
    eventually("the audio is recorded", PATIENCE, async || {
        (recorded_bytes(&user) >= frames.len() as u64).then_some(())
    })
    .await;
    signal(&child, Signal::INT);
    let output = ended(child).await;
    // The program before did not end: its side was open all the time.
    drop(input);
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
    assert!(texts(&server).await.iter().all(|words| output.out.contains(words)), "{output:?}");
}

#[tokio::test]
async fn recordings_that_were_killed_or_made_offline_are_sent_later() {
    let setup = Setup::new();
    let server = setup.start().await;
    let user = User::of(&server);
    server.kill9().await;
    let frames = Recording::speech(T0).bytes;
    let output = given(&user, &FRAMES, &frames).await;
    assert_told(&output, WAITING, &["cannot be reached", "1 recording waits", "`afterword push --waiting`"]);
    let before = recorded_bytes(&user);
    let mut child = spawned(&user, &FRAMES);
    let mut input = child.stdin.take().unwrap();
    input.write_all(&Recording::short(T0).bytes).await.unwrap();
    input.write_all(&[64, 1, 0, 0, 7]).await.unwrap();
    let wanted = before + Recording::short(T0).bytes.len() as u64;
    eventually("the audio is recorded", PATIENCE, async || (recorded_bytes(&user) >= wanted).then_some(())).await;
    signal(&child, Signal::KILL);
    child.wait().await.unwrap();
    let server = setup.start().await;
    let user = user.with("AFTERWORD_SERVER", &server.url);
    let output = user.run(&["push", "--waiting"]).await;
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
    let words = texts(&server).await;
    assert_eq!(words.len(), 2);
    assert!(words.iter().all(|words| output.out.contains(words)), "{words:?}: {output:?}");
    assert_told(&user.run(&["push", "--waiting"]).await, DONE, &["nothing waits"]);
    assert_eq!(user.json(&["push", "--waiting", "--json"]).await["recordings"], serde_json::json!([]));
}

#[tokio::test]
async fn input_that_is_no_audio_is_told_and_what_came_before_is_kept() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let frames = Recording::speech(T0).bytes;
    let output = given(&user, &FRAMES, &[&frames, &b"RIFF"[..]].concat()).await;
    assert_told(&output, FAILED, &["the recording ended early", "is no length of a frame", "--input raw"]);
    assert!(texts(&server).await.iter().all(|words| output.out.contains(words)), "{output:?}");
    let output = given(&user, &FRAMES, &[&frames, &[64, 1, 0, 0, 7][..]].concat()).await;
    assert_told(&output, DONE, &["1 of its 320 bytes", "left out"]);
    assert_told(&given(&user, &FRAMES, b"RIFF").await, FAILED, &["is no length of a frame"]);
    assert_told(&given(&user, &FRAMES, b"").await, FAILED, &["no audio came"]);
    for (args, words) in [
        (&["--codec", "opus", "--input", "raw"][..], "--input frames"),
        (&["--codec", "pcm16", "--rate", "7"], "the rate `7`"),
        (&["--channels", "3"], "the channels `3`"),
        (&["--codec", "opus", "--frame-samples", "100"], "the frame size `fs100`"),
    ] {
        assert_told(&given(&user, &[&["record"], args].concat(), b"").await, USAGE, &[words]);
    }
    assert_eq!(given(&user, &["record", "--codec", "mp3"], b"").await.code, USAGE);
}
