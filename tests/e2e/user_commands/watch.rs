//! `afterword watch`: recordings of a folder are sent as they become whole, each once, and their texts are written beside them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::balancer::Balancer;
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Recording, Server, Setup, eventually, program};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{DONE, FAILED, USAGE, User, WAITING, assert_told};

struct Watch(Child);

impl Watch {
    fn start(user: &User, args: &[&str]) -> Self {
        let mut command = Command::new(program::path());
        command.arg("watch").args(args).env_clear().envs(user.env.iter().cloned()).kill_on_drop(true);
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until it says this on standard error.
    async fn tells(&mut self, words: &str) {
        let mut lines = BufReader::new(self.0.stderr.as_mut().unwrap()).lines();
        let told = async { while !lines.next_line().await.unwrap().expect(words).contains(words) {} };
        tokio::time::timeout(PATIENCE, told).await.expect(words);
    }

    async fn end(self, signal: Signal) -> program::CommandOutput {
        let pid = Pid::from_raw(i32::try_from(self.0.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let output = tokio::time::timeout(PATIENCE, self.0.wait_with_output()).await.unwrap().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        program::CommandOutput { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn write(folder: &Path, recording: &Recording) -> PathBuf {
    let path = folder.join(&recording.name);
    fs::write(&path, &recording.bytes).unwrap();
    path
}

async fn appears(path: &Path) -> String {
    let what = path.display().to_string();
    eventually(&what, PATIENCE, async || fs::read_to_string(path).ok().filter(|text| !text.is_empty())).await
}

/// The files that the server got, in whatever jobs.
async fn files(server: &Server) -> usize {
    server.client().jobs().await.iter().map(|job| job["files"].as_array().unwrap().len()).sum()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test]
async fn texts_of_new_recordings_are_written_beside_them_and_nothing_is_sent_twice() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let folder = user.home.path().join("in");
    fs::create_dir_all(folder.join("phone")).unwrap();
    let first = write(&folder, &Recording::short(T0));
    // A note of the user has the name of the text.
    let notes = first.with_extension("md");
    fs::write(&notes, "my notes").unwrap();
    fs::write(folder.join("odd.bin"), "x").unwrap();
    let watch = Watch::start(&user, &["--write", "md,srt", &text(&folder)]);
    let second = write(&folder.join("phone"), &Recording::short(T0 + 7200));
    let srt = appears(&second.with_extension("srt")).await;
    let md = appears(&second.with_extension("md")).await;
    appears(&PathBuf::from(format!("{}.md", first.display()))).await;
    // It arrives by a rename, as many programs write files.
    let third = Recording::short(T0 + 14_400);
    let part = folder.join("third.part");
    fs::write(&part, &third.bytes).unwrap();
    fs::rename(&part, folder.join(&third.name)).unwrap();
    appears(&folder.join(&third.name).with_extension("md")).await;
    let words: Vec<String> = server.client().segments().await.iter().map(|one| one["text"].to_string()).collect();
    let words = words[1].trim_matches('"');
    let first_word = words.split(' ').next().unwrap();
    assert!(md.contains(first_word) && srt.contains(first_word) && srt.contains("00:00:0"), "{words}: {md} {srt}");
    assert_eq!(fs::read_to_string(&notes).unwrap(), "my notes");
    let output = watch.end(Signal::INT).await;
    assert_eq!(output.code, DONE, "{output:?}");
    assert_eq!(output.out.lines().count(), 3, "{output:?}");
    assert!(output.err.contains("odd.bin is not sent") && output.err.lines().count() == 1, "{output:?}");
    assert_eq!(files(&server).await, 3);
    // Nothing is read or sent again, also under another name. What lacks a text of another format gets it.
    fs::rename(&second, folder.join("phone/renamed_1748307200.bin")).unwrap();
    fs::remove_file(second.with_extension("md")).unwrap();
    let watch = Watch::start(&user, &["--json", "--write", "md,vtt", &text(&folder)]);
    appears(&first.with_extension("vtt")).await;
    let fourth = write(&folder, &Recording::short(T0 + 21_600));
    appears(&fourth.with_extension("vtt")).await;
    let output = watch.end(Signal::TERM).await;
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
    assert_eq!(files(&server).await, 4, "{output:?}");
    assert!(!second.with_extension("md").exists(), "the user deleted it");
    let lines: Vec<Value> = output.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.iter().find(|line| line["file"] == text(&fourth)).unwrap();
    assert!(last["state"]["is"] == "synced" && last["written"].as_array().unwrap().len() == 2, "{last}");
    let left: Vec<_> = walk(&folder).into_iter().filter(|name| name.ends_with(".afterword")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn walk(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    names.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![text(&path)] }).collect()
}

#[tokio::test]
async fn file_that_grows_is_sent_when_it_is_whole() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let folder = user.home.path().join("in");
    fs::create_dir(&folder).unwrap();
    let recording = Recording::speech(T0);
    let path = folder.join(&recording.name);
    let watch = Watch::start(&user, &[&text(&folder)]);
    // For twice the time after which a file counts as whole, it never rests.
    let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let began = tests::wait::Stopwatch::start();
    let mut written = 0;
    let piece = recording.bytes.len() / 1000;
    eventually("it has grown for ten seconds", PATIENCE, async || {
        let end = (written + piece).min(recording.bytes.len() - 1);
        file.write_all(&recording.bytes[written..end]).unwrap();
        written = end;
        (began.elapsed().as_secs() >= 10).then_some(())
    })
    .await;
    assert!(server.client().jobs().await.is_empty());
    file.write_all(&recording.bytes[written..]).unwrap();
    let job = eventually("it is done", PATIENCE, async || {
        server.client().jobs().await.into_iter().find(|job| job["status"] == "completed")
    })
    .await;
    assert_eq!(job["files"][0]["status"], "done", "{job}");
    let words = server.client().segments().await[0]["text"].as_str().unwrap().to_owned();
    // The command needs a moment to show what the server knows.
    let ended = eventually("nothing is open", PATIENCE, async || {
        let queue = user.json(&["status", "--json"]).await["queue"].clone();
        queue["counts"].to_string().contains("synced").then_some(())
    });
    ended.await;
    let shown = user.run(&["doctor", "--json"]).await;
    assert_eq!(shown.code, DONE, "{shown:?}");
    let again = user.run(&["push", &text(&path)]).await;
    assert_told(&again, WAITING, &["another `afterword push`, `watch`"]);
    let output = watch.end(Signal::INT).await;
    assert_eq!(output.code, DONE, "{output:?}");
    assert!(output.out.is_empty() || output.out.contains(&words), "{output:?}");
}

#[tokio::test]
async fn server_that_is_offline_and_folder_that_vanishes_are_waited_for() {
    let server = Setup::new().start().await;
    let way = Balancer::start().await;
    let user = User::of(&server).with("AFTERWORD_SERVER", &way.url);
    let folder = user.home.path().join("in");
    fs::create_dir(&folder).unwrap();
    let mut watch = Watch::start(&user, &["--write", "txt", &text(&folder)]);
    watch.tells("Nothing is lost").await;
    let away = user.home.path().join("away");
    fs::rename(&folder, &away).unwrap();
    watch.tells("cannot be read").await;
    let path = write(&away, &Recording::short(T0));
    fs::rename(&away, &folder).unwrap();
    watch.tells("is back").await;
    way.targets([server.url.clone()]);
    let path = folder.join(path.file_name().unwrap());
    appears(&path.with_extension("txt")).await;
    assert_eq!(watch.end(Signal::INT).await.code, DONE);
    assert_eq!(server.client().jobs().await.len(), 1);
}

#[tokio::test]
async fn folder_that_cannot_be_watched_and_token_that_is_refused_are_told_at_once() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let file = write(user.home.path(), &Recording::short(T0));
    assert_told(&user.run(&["watch", "/no/such/folder"]).await, FAILED, &["/no/such/folder"]);
    assert_told(&user.run(&["watch", &text(&file)]).await, USAGE, &["is no folder"]);
    assert_eq!(user.run(&["watch", "--write", "docx", "/"]).await.code, USAGE);
    let wrong = User::of(&server).with("AFTERWORD_TOKEN", "wrong");
    assert_told(&wrong.run(&["watch", &text(user.home.path())]).await, FAILED, &["refuses the token"]);
}
