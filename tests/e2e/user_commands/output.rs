//! What the commands print for programs, and what they do to jobs.

use std::process::Stdio;

use serde_json::{Value, json};
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Recording, Setup, program};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::{DONE, FAILED, USAGE, User, WAITING, assert_told};

#[tokio::test]
async fn jobs_and_show_print_what_the_server_says_as_json() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    assert_eq!(user.json(&["jobs", "--json"]).await, json!({"jobs": [], "more": false}));
    let jobs = [
        server.client().done(&[Recording::speech(T0)]).await,
        server.client().done(&[Recording::garbage(T0 + 9)]).await,
    ];
    let listed = user.json(&["jobs", "--json"]).await;
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 2);
    let [first, second] = jobs.clone().map(fixed);
    assert_eq!(
        (&fixed(listed["jobs"][0].clone()), &fixed(listed["jobs"][1].clone())),
        (&second, &first),
        "newest first"
    );
    let listed = user.json(&["jobs", "--json", "--limit", "1"]).await;
    assert_eq!((&listed["more"], fixed(listed["jobs"][0].clone())), (&json!(true), second.clone()));
    let failed = user.json(&["jobs", "--json", "--status", "failed"]).await;
    assert_eq!((failed["jobs"].as_array().unwrap().len(), fixed(failed["jobs"][0].clone())), (1, second));
    let id = jobs[0]["job_id"].as_str().unwrap();
    for given in [id, &id[..10], &id.to_uppercase()] {
        assert_eq!(fixed(user.json(&["show", given, "--json"]).await), first, "{given}");
    }
    assert_told(&user.run(&["show", "mine"]).await, USAGE, &["`mine`", "hexadecimal"]);
    let unknown = "11111111-1111-4111-8111-111111111111";
    assert_told(&user.run(&["show", unknown]).await, FAILED, &[unknown, "afterword jobs"]);
    assert_told(&user.run(&["jobs", "--status", "sleeping"]).await, FAILED, &["status", "(invalid_parameter)"]);
}

/// The job without what its effects change after its end.
fn fixed(mut job: Value) -> Value {
    job["updated_at"].take();
    job
}

#[tokio::test]
async fn job_of_another_user_is_as_unknown_as_one_that_is_not_there() {
    let server = Setup::new().start().await;
    let id = server.client_of("ann").await.accepted(&[Recording::speech(T0)]).await;
    let told = User::of(&server).run(&["show", &id]).await;
    assert_told(&told, FAILED, &["no job of yours is named", &id]);
}

#[tokio::test]
async fn jobs_are_retried_and_cancelled_by_the_beginning_of_their_ids() {
    let setup = Setup::new().with("engine.null_fail", "refuse").with("sweep.interval_seconds", 1);
    let server = setup.start().await;
    let failed = server.client().done(&[Recording::speech(T0)]).await;
    let hopeless = server.client().done(&[Recording::garbage(T0 + 99)]).await;
    let id = |job: &Value| job["job_id"].as_str().unwrap().to_owned();
    server.kill9().await;
    let server = setup.with("engine.null_fail", "").with("engine.null_delay_ms", 600_000).start().await;
    let user = User::of(&server);
    let running = server.client().accepted(&[Recording::speech(T0 + 1000)]).await;
    let output = user.run(&["cancel", &running[..13]]).await;
    assert_eq!((output.code, output.out.as_str()), (DONE, format!("{running}  cancelled\n").as_str()), "{output:?}");
    assert_told(&user.run(&["cancel", &id(&failed)]).await, FAILED, &[&id(&failed), "(job_finished)"]);
    let output = user.run(&["retry", &id(&hopeless), &id(&failed)]).await;
    assert_told(&output, FAILED, &[&id(&hopeless), "(not_retryable)"]);
    assert_eq!(output.out, format!("{}  queued\n", id(&failed)), "the other job runs again all the same");
    assert_told(&user.run(&["retry"]).await, USAGE, &["--all-failed"]);
    let output = user.run(&["retry", "--all-failed"]).await;
    assert_told(&output, DONE, &["0 jobs run again", "1 cannot be"]);
}

#[tokio::test]
async fn transcripts_are_printed_in_every_format_and_written_to_files() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    let output = user.run(&["transcripts"]).await;
    assert_told(&output, DONE, &["nothing was said"]);
    for day in 0..12 {
        server.client().done(&[Recording::short(T0 + day * 86_400)]).await;
    }
    let all = server.client().conversations().await;
    assert_eq!(all.len(), 12);
    assert_eq!(user.json(&["transcripts", "--json"]).await["conversations"], json!(all[2..]), "the 10 newest");
    assert_eq!(user.json(&["transcripts", "--json", "--limit", "3"]).await["conversations"], json!(all[9..]));
    let day = user.json(&["transcripts", "--json", "--day", "2025-05-26", "--utc"]).await;
    assert_eq!(day["conversations"], json!(all[..1]), "T0 is on that day");
    let since = user.json(&["transcripts", "--json", "--since", "2025-05-26"]).await;
    assert_eq!(since["conversations"], json!(all), "all of a time, if no limit is given");
    let id = all[0]["id"].as_str().unwrap();
    assert_eq!(user.json(&["transcripts", id, "--json"]).await["conversations"], json!(all[..1]));
    let text = all[0]["segments"][0]["text"].as_str().unwrap();
    let first_word = text.split(' ').next().unwrap();
    for (format, begin) in [("txt", ""), ("md", "#"), ("srt", "1\n"), ("vtt", "WEBVTT"), ("csv", "")] {
        let printed = user.run(&["transcripts", id, "--format", format]).await.ok();
        assert!(printed.starts_with(begin) && printed.contains(first_word), "{format}: {printed}");
    }
    let file = user.home.path().join("words.txt").display().to_string();
    let args = ["transcripts", id, "--output", &file];
    let output = user.run(&args).await;
    assert_eq!((output.code, output.out.as_str()), (DONE, ""), "{output:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), user.run(&["transcripts", id]).await.ok());
    assert_told(&user.run(&args).await, FAILED, &[&file, "--force"]);
    assert_eq!(user.run(&[&args[..], &["--force"]].concat()).await.code, DONE);
    let unknown = "11111111-1111-4111-8111-111111111111";
    assert_told(&user.run(&["transcripts", unknown]).await, FAILED, &[unknown]);
    for wrong in [
        &["transcripts", "--since", "soon"][..],
        &["transcripts", "--format", "docx"],
        &["transcripts", "--limit", "0"],
    ] {
        assert_eq!(user.run(wrong).await.code, USAGE, "{wrong:?}");
    }
}

#[tokio::test]
async fn long_conversation_is_printed_with_all_of_its_pages() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    // One conversation of more segments than a page of the server has.
    let second = |n: i64| Recording::short(T0 + n * 2);
    for batch in 0..28 {
        let files: Vec<_> = (0..20).map(|n| second(batch * 20 + n)).collect();
        server.client().done(&files).await;
    }
    let mut all = server.client().conversations().await;
    // It is where the pages went on.
    all[0]["next_cursor"].take();
    assert!(all[0]["segments"].as_array().unwrap().len() > 500, "{}", all.len());
    assert_eq!(user.json(&["transcripts", "--json"]).await["conversations"], json!(all));
}

#[tokio::test]
async fn server_that_is_gone_or_asks_to_wait_ends_with_3_and_json_still_says_so() {
    let server = Setup::new().start().await;
    let user = User::of(&server);
    server.kill9().await;
    for command in [&["jobs"][..], &["show", "11111111-1111-4111-8111-111111111111"], &["transcripts"]] {
        assert_told(&user.run(command).await, WAITING, &["cannot be reached", "Nothing is lost"]);
        let output = user.run(&[command, &["--json"]].concat()).await;
        assert_eq!((output.code, output.out.as_str()), (WAITING, ""), "{output:?}");
    }
    let output = user.run(&["status", "--json"]).await;
    assert_eq!((output.code, output.err.as_str()), (WAITING, ""), "{output:?}");
    let status: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!((&status["reachable"], &status["may_upload"]), (&json!(false), &json!(false)));
    assert!(status["error"].as_str().unwrap().contains("refused"), "{status}");
    assert_eq!(user.run(&["doctor"]).await.code, WAITING);

    let server =
        Setup::new().with("simulate.refuse", "fair_use").with("simulate.retry_after_seconds", 86_400).start().await;
    let output = User::of(&server).run(&["status"]).await;
    assert_eq!(output.code, WAITING, "{output:?}");
    assert!(output.out.contains("restricted by fair use") && output.out.contains("23 h 59 min left"), "{output:?}");
}

#[tokio::test]
async fn watched_status_has_a_line_for_each_change() {
    let server = Setup::new().with("engine.null_delay_ms", 600_000).start().await;
    let user = User::of(&server);
    let mut command = tokio::process::Command::new(program::path());
    command.args(["status", "--watch", "--json"]).env_clear().envs(user.env.iter().cloned()).kill_on_drop(true);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("no line comes").unwrap().unwrap();
        serde_json::from_str::<Value>(&line).unwrap_or_else(|why| panic!("{why}: {line}"))
    };
    assert_eq!(next().await["jobs"]["processing"], 0);
    let id = server.client().accepted(&[Recording::speech(T0)]).await;
    server.log.wait_step("claim", &id).await;
    let mut status = next().await;
    while status["jobs"]["processing"] != 1 {
        status = next().await;
    }
    server.kill9().await;
    assert_eq!(next().await["reachable"], false, "a server that goes away does not end the watch");
}

#[tokio::test]
async fn doctor_checks_everything_and_its_report_has_no_token() {
    let setup = Setup::new();
    let server = setup.start().await;
    let short = setup.on_folder(&["token", "--ttl", "1h"]).await.ok();
    let user = User::of(&server).with("AFTERWORD_TOKEN", short.trim());
    let report = user.home.path().join("report.json").display().to_string();
    let checks = user.json(&["doctor", "--json", "--bundle", &report]).await;
    let states: Vec<_> =
        checks["checks"].as_array().unwrap().iter().map(|check| (&check["name"], &check["state"])).collect();
    let names = ["configuration", "server", "connection", "readiness", "clock", "token", "limits", "recordings"];
    assert_eq!(states.iter().map(|(name, _)| name.as_str().unwrap()).collect::<Vec<_>>(), names);
    let good = states.iter().filter(|(_, state)| **state == "ok").count();
    // The token lasts an hour, of which the doctor warns.
    assert_eq!(good, 7, "{checks:#}");
    let written = std::fs::read_to_string(&report).unwrap();
    assert!(!written.contains(&server.token) && written.contains("\"clock\""), "{written}");
    assert_told(&user.run(&["doctor", "--bundle", &report]).await, FAILED, &[&report, "exists"]);
    let wrong = user.with("AFTERWORD_TOKEN", "wrong").run(&["doctor"]).await;
    assert_eq!(wrong.code, FAILED);
    assert!(wrong.out.lines().any(|line| line.starts_with("token") && line.contains("failed")), "{wrong:?}");
}

/// A server that answers every request with this JSON.
async fn answering(body: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, body) = (format!("http://{}", listener.local_addr().unwrap()), body.to_string());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let answer =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn texts_of_a_server_cannot_control_the_terminal() {
    let evil = "\u{1b}[2J\u{9b}31m\u{7}\r\u{202e}";
    let id = "11111111-1111-4111-8111-111111111111";
    let at = "2026-11-20T10:00:00.000Z";
    let file = json!({"name": evil, "status": evil, "code": evil, "detail": evil, "conversation_ids": [evil]});
    let job = json!({
        "job_id": id, "status": evil, "created_at": at, "updated_at": at, "files": [file], "total_segments": 1,
        "waiting": {"code": evil, "detail": evil, "since": at}, "error": {"code": evil, "detail": evil},
    });
    let conversation = json!({
        "id": evil, "started_at": at, "finished_at": at, "title": evil, "source": evil,
        "segments": [{"start_ms": 0, "end_ms": 1, "text": evil, "speaker": evil}], "next_cursor": null,
    });
    let everything = |job: &Value| {
        let mut all = job.clone();
        all["jobs"] = json!([job]);
        all["conversations"] = json!([conversation]);
        (all["stage"], all["upload"]) = (json!(evil), json!({}));
        all
    };
    let user =
        User::new().with("AFTERWORD_SERVER", &answering(&everything(&job)).await).with("AFTERWORD_TOKEN", "token");
    for command in
        [&["jobs"][..], &["show", id], &["cancel", id], &["retry", id], &["transcripts"], &["status"], &["doctor"]]
    {
        let output = user.run(command).await;
        let is_harmless = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(output.out.chars().all(is_harmless) && output.err.chars().all(is_harmless), "{output:?}");
        assert!(!output.out.is_empty() || !output.err.is_empty(), "{command:?}");
        let seen = user.sees(80, command).await.text;
        assert!(seen.chars().all(is_harmless), "{seen:?}");
    }
    let odd = user.run(&["show", "\u{1b}[2Jabcd"]).await;
    assert!(odd.err.chars().all(|c| c == '\n' || !c.is_control()), "{odd:?}");
}

#[tokio::test]
async fn reader_that_goes_away_is_no_failure() {
    let server = Setup::new().start().await;
    for n in 0..3 {
        server.client().done(&[Recording::short(T0 + n)]).await;
    }
    let user = User::of(&server);
    let mut command = tokio::process::Command::new(program::path());
    command.args(["jobs", "--json"]).env_clear().envs(user.env.iter().cloned());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (DONE, &b""[..]), "{output:?}");
}

#[tokio::test]
async fn completions_and_manual_pages_are_made_of_every_command() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = user.run(&["completions", shell]).await.ok();
        assert!(["transcripts", "serve", "login"].iter().all(|command| script.contains(command)), "{shell}");
    }
    let script = user.home.path().join("completions.bash");
    std::fs::write(&script, user.run(&["completions", "bash"]).await.ok()).unwrap();
    program::shell(&format!("command -v bash >/dev/null || exit 0; bash -n '{}'", script.display())).await;
    user.run(&["man", &user.home.path().display().to_string()]).await.ok();
    for page in ["afterword.1", "afterword-login.1", "afterword-transcripts.1", "afterword-serve.1"] {
        let text = std::fs::read_to_string(user.home.path().join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
    for command in
        ["login", "logout", "status", "jobs", "show", "retry", "cancel", "transcripts", "doctor", "completions"]
    {
        let help = user.run(&[command, "--help"]).await.ok();
        assert!(help.contains("Examples:\n  afterword "), "{command}: {help}");
        let too_long = help.lines().filter(|line| line.chars().count() > 130).count();
        assert_eq!(too_long, 0, "{help}");
    }
}
