//! Upload URLs that were guessed, changed or taken from elsewhere; and session requests that try to break their parser.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tests::recordings::{T0, name};
use tests::wait::PATIENCE;
use tests::{Recording, Setup};

use super::Target;
use crate::sessions::{OPEN, asked, complete, offer, open, put, url};

const PARTS: &str = "/v2/sync/uploads/parts/";
const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

/// Status and body without the values that differ with every request, and the names of the headers.
fn comparable(reply: &tests::Reply) -> (u16, String, Vec<String>) {
    let request = reply.header("x-request-id").unwrap_or_default().to_owned();
    let mut body = reply.body();
    body["request_id"] = Value::Null;
    let head = reply.text.split("\r\n\r\n").next().unwrap().lines().skip(1);
    let names = head.map(|line| line.split(':').next().unwrap().to_owned()).collect();
    (reply.status(), body.to_string().replace(&request, ""), names)
}

async fn ask(target: &Target, path: &str) -> tests::Reply {
    let fields = "content-range: bytes 0-9/*\r\ncontent-length: 10\r\nconnection: close\r\n";
    target.raw(format!("PUT {path} HTTP/1.1\r\nhost: x\r\n{fields}\r\n0123456789")).await
}

/// Every letter of the secret counts, and the answer to a wrong URL does not reveal how close the guess was.
#[tokio::test]
async fn changed_upload_urls_get_the_same_answer_as_unknown_ones() {
    let target = Target::start().await;
    let files = [Recording::short(T0), Recording::short(T0 + 1000)];
    let session = open(&target.server.client(), &[&files[0], &files[1]]).await;
    let (mine, second) = (url(&session, 0), url(&session, 1));
    let unknown = comparable(&ask(&target, &format!("{PARTS}{UNKNOWN}.0.{}", "0".repeat(64))).await);
    assert_eq!(unknown.0, 404);
    assert!(unknown.1.contains("upload_not_found"), "{}", unknown.1);
    let (address, secret) = mine.rsplit_once('.').unwrap();
    let (_, other_secret) = second.rsplit_once('.').unwrap();
    let job = session["job_id"].as_str().unwrap();
    let mut tries = BTreeSet::from([
        format!("{address}."),
        address.to_owned(),
        format!("{address}.{}", &secret[..secret.len() - 1]),
        format!("{address}.{}", &secret[1..]),
        format!("{address}.{secret}0"),
        format!("{address}.0{secret}"),
        format!("{address}.{secret}.{secret}"),
        format!("{address}.{secret}."),
        format!("{address}.{}", secret.to_uppercase()),
        format!("{address}.{}", secret.repeat(100)),
        format!("{address}.{secret}%00"),
        format!("{address}.{secret}%0d%0a"),
        format!("{address}.{secret}%20"),
        format!("{address}.{secret}%ff"),
        format!("{PARTS}%c3%28"),
        format!("{address}.%2e%2e%2f{secret}"),
        // The URL of one file with the secret of another, both ways, and files that do not exist.
        format!("{address}.{other_secret}"),
        format!("{PARTS}{job}.1.{secret}"),
        format!("{PARTS}{job}.2.{secret}"),
        format!("{PARTS}{job}.-1.{secret}"),
        format!("{PARTS}{job}.18446744073709551615.{secret}"),
        format!("{PARTS}{job}.18446744073709551616.{secret}"),
        format!("{PARTS}{job}.0x0.{secret}"),
        format!("{PARTS}{job}.{secret}"),
        format!("{PARTS}{UNKNOWN}.0.{secret}"),
        format!("{PARTS}..0.{secret}"),
        format!("{PARTS}.."),
        format!("{PARTS}%2e%2e.0.{secret}"),
        format!("{PARTS}..%2f..%2f..%2fetc%2fpasswd.0.{secret}"),
        format!("{PARTS}..%5c..%5c{job}.0.{secret}"),
        format!("{PARTS}'%20or%20'1'='1.0.{secret}"),
        format!("{PARTS}{job}.0.%25"),
        format!("{PARTS}{job}.0.\u{20}").trim_end().to_owned(),
        format!("{PARTS}x"),
    ]);
    for at in 0..secret.len() {
        let other = if &secret[at..=at] == "0" { "1" } else { "0" };
        tries.insert(format!("{address}.{}{other}{}", &secret[..at], &secret[at + 1..]));
    }
    for path in tries {
        let reply = ask(&target, &path).await;
        assert_eq!(comparable(&reply), unknown, "{path}");
    }
    // A path that has not the form of an upload URL matches no route.
    for path in [
        format!("{PARTS}{job}/0/{secret}"),
        format!("{PARTS}../parts/{job}.0.{secret}"),
        format!("{mine}/"),
        format!("{mine}/x"),
        format!("/{mine}"),
        format!("/v2/sync//uploads/parts/{job}.0.{secret}"),
    ] {
        ask(&target, &path).await.problem(404, "not_found");
    }
    for (at, url) in [&mine, &second].into_iter().enumerate() {
        assert_eq!(asked(&target.server, url).await, 0, "nothing was written into file {at}");
    }
    target.assert_running().await;
}

#[tokio::test]
async fn upload_url_accepts_only_its_method_and_ignores_tokens() {
    let target = Target::start().await;
    let (client, eve) = (target.server.client(), target.server.client_of("eve").await);
    let file = Recording::short(T0);
    let session = open(&client, &[&file]).await;
    let mine = url(&session, 0);
    for method in [Method::GET, Method::POST, Method::DELETE, Method::PATCH] {
        let reply = target.raw(format!("{method} {mine} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")).await;
        reply.problem(405, "method_not_allowed");
    }
    // Anyone with the URL may send; other credentials are not looked at.
    let (half, size) = (file.bytes.len() / 2, file.bytes.len());
    let request = |range: String, from: usize, to: usize| {
        eve.request(Method::PUT, &mine).header("content-range", range).body(file.bytes.slice(from..to))
    };
    assert_eq!(eve.send(request(format!("bytes 0-{}/*", half - 1), 0, half)).await.status, 308);
    let client_without_token = target.server.client_without_token();
    for (at, token) in [(half, "Bearer nonsense"), (half + 10, "Basic eDp5"), (half + 20, "")] {
        let put = client_without_token.request(Method::PUT, &mine).header("authorization", token);
        let put = put.header("content-range", format!("bytes {at}-{}/*", at + 9)).body(file.bytes.slice(at..at + 10));
        assert_eq!(client_without_token.send(put).await.status, 308);
    }
    assert_eq!(eve.send(request(format!("bytes {}-{}/*", half + 30, size - 1), half + 30, size)).await.status, 200);
    eve.assert_empty().await;
    complete(&client, &session).await.ok();
    let job = client.terminal(session["job_id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "completed", "the owner's, with all of its bytes: {job}");
    target.assert_running().await;
}

/// The URL is not revealed either where a request fails, is malformed, or goes to the wrong route.
#[tokio::test]
async fn failed_requests_never_reveal_an_upload_url() {
    let target = Target::with(Setup::new().with("log.level", "trace")).await;
    let files = [Recording::short(T0), Recording::short(T0 + 1000)];
    let session = open(&target.server.client(), &[&files[0], &files[1]]).await;
    let mine = url(&session, 0);
    let (address, secret) = mine.rsplit_once('.').unwrap();
    let client_without_token = target.server.client_without_token();
    let mut seen = Vec::new();
    for (method, path) in [
        (Method::PUT, mine.clone()),
        (Method::GET, mine.clone()),
        (Method::PUT, format!("{mine}0")),
        (Method::PUT, format!("{mine}/x")),
        (Method::PUT, format!("{mine}?upload={secret}")),
        (Method::PUT, format!("{address}.1.{secret}")),
        // As if a base URL that ends in a slash was put before it.
        (Method::PUT, format!("/{mine}")),
        (Method::PUT, format!("/api{mine}")),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-range: bytes 7-3/*\r\n");
        let reply = target.raw(format!("{request}content-length: 1\r\n\r\nx")).await;
        assert!((400..500).contains(&reply.status()), "{}", reply.text);
        seen.push(reply.text);
    }
    // A head that breaks off, a head that is too long, a body that is too long.
    seen.push(target.raw(format!("PUT {mine}{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(10_000))).await.text);
    seen.push(target.raw(format!("PUT {mine} HTTP/9.9\r\nhost: x\r\n\r\n")).await.text);
    seen.push(target.raw(format!("PUT {mine} HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(150))).await.text);
    put(&target.server, &mine, "", vec![0xEE; files[0].bytes.len()]).await.problem(422, "digest_mismatch");
    for (index, file) in files.iter().enumerate() {
        put(&target.server, &url(&session, index), "", file.bytes.clone()).await.ok();
    }
    complete(&target.server.client(), &session).await.ok();
    target.server.client().terminal(session["job_id"].as_str().unwrap()).await;
    target.dial(format!("PUT {mine} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n")).await.reset();
    seen.push(client_without_token.get("/metrics").await.text);
    seen.push(target.server.log.text());
    for text in seen {
        assert!(!text.contains(secret), "{text}");
    }
    target.assert_running().await;
}

#[tokio::test]
async fn sessions_of_other_users_are_refused_on_every_route() {
    let target = Target::start().await;
    let (client, eve) = (target.server.client(), target.server.client_of("eve").await);
    let file = Recording::short(T0);
    let session = open(&client, &[&file]).await;
    put(&target.server, &url(&session, 0), "", file.bytes.clone()).await.ok();
    let id = session["job_id"].as_str().unwrap();
    let routes = [
        (Method::POST, format!("{OPEN}/{id}/complete")),
        (Method::DELETE, format!("/v2/sync/jobs/{id}")),
        (Method::GET, format!("/v2/sync/jobs/{id}")),
        (Method::GET, format!("/v2/sync/status?job_id={id}")),
        (Method::POST, format!("/v2/sync/jobs/{id}/retry")),
        (Method::GET, format!("/v2/sync-local-files/{id}")),
    ];
    for (method, path) in routes {
        let answer = eve.send(eve.request(method, &path)).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
        assert!(!answer.text.contains("audio_") && !answer.text.contains(PARTS), "{}", answer.text);
    }
    // The same recording is a different one if another user offers it.
    let theirs = open(&eve, &[&file]).await;
    assert_ne!(theirs["job_id"], session["job_id"]);
    assert_eq!(
        (&theirs["files"][0]["offset"], client.job(id).await["status"].as_str()),
        (&json!(0), Some("uploading"))
    );
    complete(&client, &session).await.ok();
    assert_eq!(client.terminal(id).await["status"], "completed");
    target.assert_running().await;
}

async fn send(target: &Target, body: impl Into<Vec<u8>>) -> tests::Answer {
    let client = target.server.client();
    let request = client.request(Method::POST, OPEN).header("content-type", "application/json");
    client.send(request.body(body.into())).await
}

fn with(field: &str, value: &str) -> String {
    let mut fields = vec![("name", json!(name(T0)).to_string()), ("size", "1000".to_owned())];
    fields.push(("sha256", json!("ab".repeat(32)).to_string()));
    fields.retain(|(known, _)| *known != field);
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{\"files\":[{{{},\"{field}\":{value}}}]}}", fields.join(","))
}

#[tokio::test]
async fn malicious_sizes_digests_and_names_open_no_session() {
    let target = Target::start().await;
    let numbers = ["-1", "1.5", "1000.0", "1e3", "18446744073709551616", "1e400", "\"1000\"", "null", "true", "[1000]"];
    for size in numbers {
        send(&target, with("size", size)).await.problem(400, "invalid_json");
    }
    send(&target, with("size", "0")).await.problem(400, "empty_file");
    for size in ["2147483649", "9223372036854775807", "9223372036854775808", "18446744073709551615"] {
        send(&target, with("size", size)).await.problem(413, "file_too_large");
    }
    // Two sizes whose sum overflows.
    let file = |at: i64| json!({"name": name(T0 + at), "size": u64::MAX / 2 + 1, "sha256": "ab".repeat(32)});
    send(&target, json!({"files": [file(0), file(1)]}).to_string()).await.problem(413, "file_too_large");
    for sum in [
        String::new(),
        "ab".repeat(31),
        "ab".repeat(33),
        "zz".repeat(32),
        format!("0x{}", "a".repeat(62)),
        "\u{e4}".repeat(32),
    ] {
        send(&target, with("sha256", &json!(sum).to_string())).await.problem(400, "invalid_parameter");
    }
    for sum in ["", "AAAAAA", "AAAAAAA=", "AAAAAAAA", "-_-_-_==", "========"] {
        let answer = send(&target, with("crc32c", &json!(sum).to_string())).await;
        answer.problem(400, "invalid_parameter");
        assert_eq!(answer.bad_files(), [(&*name(T0), "invalid_parameter")]);
    }
    for tricky in [
        "",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "a/../audio_phone_pcm16_16000_1_fs160_1748300000.bin",
        "audio_\u{0}_1748300000.bin",
        "a\r\nb",
        "CON",
        "\u{202e}nib.1748300000_a",
    ] {
        let answer = send(&target, with("name", &json!(tricky).to_string())).await;
        answer.problem(400, "invalid_filename");
    }
    let long = format!("{}{}", "x".repeat(5000), name(T0));
    send(&target, with("name", &json!(long).to_string())).await.problem(400, "invalid_filename");
    assert_eq!(target.server.folder().files("").iter().filter(|file| file.contains("passwd")).count(), 0);
    target.assert_unchanged().await;
}

#[tokio::test]
async fn digest_in_capital_letters_is_the_same_digest() {
    let target = Target::start().await;
    let file = Recording::short(T0);
    let session = open(&target.server.client(), &[&file]).await;
    let mut large = offer(&file);
    large["sha256"] = large["sha256"].as_str().unwrap().to_uppercase().into();
    let again = send(&target, json!({"files": [large]}).to_string()).await.ok();
    assert_eq!(again["job_id"], session["job_id"]);
    target.assert_running().await;
}

#[tokio::test]
async fn oversized_lists_and_bodies_open_no_session() {
    let target = Target::start().await;
    let file = |at: i64| json!({"name": name(T0 + at), "size": 1000, "sha256": "ab".repeat(32)});
    let files = |many: i64| json!({"files": (0..many).map(file).collect::<Vec<_>>()}).to_string();
    send(&target, files(21)).await.problem(413, "too_many_files");
    send(&target, files(400)).await.problem(413, "too_many_files");
    send(&target, files(10_000)).await.problem(413, "request_too_large");
    send(&target, json!({"files": [file(0), file(0)]}).to_string()).await.problem(400, "duplicate_filename");
    send(&target, json!({"files": vec![file(0); 20]}).to_string()).await.problem(400, "duplicate_filename");
    let padded = |length: usize| format!("{{\"files\":[]{}}}", " ".repeat(length - "{\"files\":[]}".len()));
    send(&target, padded(64 << 10)).await.problem(400, "empty_batch");
    send(&target, padded((64 << 10) + 1)).await.problem(413, "request_too_large");
    let deep = 20_000;
    for body in [
        "[".repeat(deep),
        "{\"files\":".repeat(6000),
        format!("{{\"files\":{}", "[".repeat(deep)),
        format!("{{\"files\":{}{}}}", "[".repeat(deep), "]".repeat(deep)),
        "{\"files\":[{}]}".to_owned(),
        "{\"files\":{}}".to_owned(),
        "{\"files\":[null]}".to_owned(),
        "{\"files\":[],\"files\":[]}".to_owned(),
        String::new(),
    ] {
        send(&target, body).await.problem(400, "invalid_json");
    }
    let head = format!(
        "POST {OPEN} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
        target.server.token
    );
    let chunk = format!("ffff\r\n{}\r\n", " ".repeat(0xFFFF));
    let endless = format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(8));
    target.raw(endless).await.problem(413, "request_too_large");
    target.assert_unchanged().await;
}

/// The limit is a hundred sessions; the oldest ones are cancelled, and leave nothing.
#[tokio::test]
async fn user_keeps_at_most_a_hundred_open_sessions() {
    let target = Target::start().await;
    let (client, many) = (target.server.client(), 150);
    let mut sessions = Vec::new();
    for at in 0..many {
        let file = Recording::short(T0 + at * 10);
        let session = open(&client, &[&file]).await;
        put(&target.server, &url(&session, 0), "bytes 0-99/*", file.bytes.slice(..100)).await;
        sessions.push(session);
    }
    let open_ones = || async { client.jobs().await.iter().filter(|job| job["status"] == "uploading").count() };
    assert_eq!(open_ones().await, 100);
    put(&target.server, &url(&sessions[49], 0), "bytes */*", "").await.problem(410, "upload_expired");
    assert_eq!(asked(&target.server, &url(&sessions[50], 0)).await, 100);
    let parts = || target.server.folder().blobs().iter().filter(|file| file.ends_with(".part")).count();
    tests::eventually("only the open ones have bytes", PATIENCE, async || (parts() == 100).then_some(())).await;
    // Other users are not affected.
    let other = target.server.client_of("other").await;
    let theirs = open(&other, &[&Recording::short(T0)]).await;
    assert_eq!(asked(&target.server, &url(&theirs, 0)).await, 0);
    assert_eq!(open_ones().await, 100);
    target.assert_running().await;
}
