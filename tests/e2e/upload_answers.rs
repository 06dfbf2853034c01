//! Every refusal of `POST /v2/sync/upload`, as listed in `docs/openapi.json`; nothing is stored after any of them. Refusals by
//! policy are tested in the suite `flow`.

use reqwest::Method;
use tests::recordings::{T0, name};
use tests::wait::{PATIENCE, now_secs};
use tests::{Answer, Client, Recording, Server, Setup, eventually};

pub const UPLOAD: &str = "/v2/sync/upload";

/// Limits that a test can reach.
fn small() -> Setup {
    let setup = Setup::new().with("limits.max_file_bytes", 100_000).with("limits.max_batch_bytes", 150_000);
    setup.with("limits.max_files", 3).with("limits.recovery_window_seconds", 86_400)
}

pub async fn assert_nothing_stored(server: &Server) {
    server.client().assert_empty().await;
    server.folder().until_no_blobs(PATIENCE).await;
}

/// A time within the recovery window.
fn recent() -> i64 {
    now_secs() - 3600
}

fn digest(of: &str) -> String {
    format!("sha-256=:{of}:")
}

const ZERO_DIGEST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[tokio::test]
async fn every_invalid_file_is_named_and_nothing_of_the_batch_is_stored() {
    let server = Setup::new().start().await;
    let good = Recording::short(T0);
    let named = |name: &str| Recording::new(name, good.bytes.clone());
    let empty = Recording::new(name(T0 + 1), &b""[..]);
    let batch = [good.clone(), named("notes.txt"), good.clone(), empty.clone()];
    let answer = server.client().upload(&batch).await;
    answer.problem(400, "invalid_filename");
    let wanted = [
        ("notes.txt", "invalid_filename"),
        (good.name.as_str(), "duplicate_filename"),
        (empty.name.as_str(), "empty_file"),
    ];
    assert_eq!(answer.bad_files(), wanted);
    for (file, code) in [(&good, "duplicate_filename"), (&empty, "empty_file")] {
        let answer = server.client().upload(&[file.clone(), file.clone()][..1 + usize::from(file == &good)]).await;
        answer.problem(400, code);
        assert_eq!(answer.bad_files(), [(file.name.as_str(), code)]);
    }
    assert_nothing_stored(&server).await;
}

#[tokio::test]
async fn malicious_names_and_names_without_a_valid_time_are_refused() {
    let server = Setup::new().start().await;
    let long = format!("{}_{T0}.bin", "x".repeat(200));
    let tricks = [
        "../up_1748300000.bin",
        "a\\b_1748300000.bin",
        ".hidden_1748300000.bin",
        "a..b_1748300000.bin",
        "audio_x_pcm16_16000_1_fs160_soon.bin",
        "audio_x_pcm16_16000_1_fs160_1.bin",
        "audio_x_pcm24_16000_1_fs160_1748300000.bin",
        "audio_x_pcm16_96000_1_fs160_1748300000.bin",
        "audio_x_pcm16_16000_9_fs160_1748300000.bin",
        "nothing.bin",
        &long,
    ];
    for name in tricks {
        let answer = server.client().upload(&[Recording::new(name, &b"abc"[..])]).await;
        answer.problem(400, "invalid_filename");
    }
    assert_nothing_stored(&server).await;
}

#[tokio::test]
async fn malformed_batch_is_refused() {
    let server = Setup::new().start().await;
    let client = server.client();
    let form = reqwest::multipart::Form::new().text("note", "no recording here");
    client.send(client.request(Method::POST, UPLOAD).multipart(form)).await.problem(400, "empty_batch");

    let cut = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"x_1748300000.bin\"\r\n\r\nabc";
    for (kind, body, status, code) in [
        ("multipart/form-data; boundary=b", "--b--\r\n", 400, "empty_batch"),
        ("multipart/form-data; boundary=b", cut, 400, "malformed_multipart"),
        ("multipart/form-data; boundary=b", "hello", 400, "malformed_multipart"),
        ("multipart/form-data; boundary=b", "", 400, "malformed_multipart"),
        ("multipart/mixed; boundary=b", cut, 415, "unsupported_media_type"),
        ("application/json", "{}", 415, "unsupported_media_type"),
        ("", cut, 415, "unsupported_media_type"),
    ] {
        let request = client.request(Method::POST, UPLOAD).body(body);
        let request = if kind.is_empty() { request } else { request.header("content-type", kind) };
        client.send(request).await.problem(status, code);
    }
    assert_nothing_stored(&server).await;
}

#[tokio::test]
async fn invalid_parameters_are_refused() {
    let server = Setup::new().start().await;
    let client = server.client();
    let good = [Recording::short(T0)];
    for query in ["?conversation_id=mine", "?conversation_id=", "?language=en_US", "?language=", "?language=englisch!"]
    {
        client.upload_to(query, &good).await.problem(400, "invalid_parameter");
    }
    for (header, value) in
        [("content-digest", "sha-256=abc"), ("content-digest", "sha-256=:abc:"), ("x-captured-at", "yesterday")]
    {
        client.upload(&[Recording::short(T0).header(header, value)]).await.problem(400, "invalid_parameter");
    }
    assert_nothing_stored(&server).await;
}

#[tokio::test]
async fn body_is_not_read_without_a_valid_token() {
    let server = Setup::new().start().await;
    let foreign = Setup::new().start().await;
    let (head, rest) = server.token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{claims}.");
    let eves = server.setup().token("eve").await;
    let other_claims = format!("{head}.{}.{signature}", eves.split('.').nth(1).unwrap());
    for token in ["", "nonsense", "a.b.c", &foreign.token, &unsigned, &other_claims, &format!("{head}.{claims}.")] {
        let answer = server.client().with_token(token).upload(&[Recording::short(T0)]).await;
        answer.problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert!(token.is_empty() || !answer.text.contains(token));
    }
    assert_nothing_stored(&server).await;
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let server = Setup::new().start().await;
    let token = server.setup().on_folder(&["token", "--uid", "ann", "--ttl", "1s"]).await.ok();
    let client = server.client().with_token(token.trim());
    eventually("the token has expired", PATIENCE, async || {
        let answer = client.get("/v2/sync/jobs").await;
        (answer.status == 401).then(|| answer.problem(401, "unauthenticated").clone())
    })
    .await;
}

#[tokio::test]
async fn exceeded_limit_is_named() {
    let server = small().start().await;
    let client = server.client();
    let sized = |at: i64, size: usize| Recording::new(name(recent() + at), vec![1; size]);
    let fits = |at| sized(at, 100);

    let large = [fits(0), sized(1, 100_001)];
    let answer = client.upload(&large).await;
    answer.problem(413, "file_too_large");
    assert_eq!(answer.bad_files(), [(large[1].name.as_str(), "file_too_large")]);
    client.upload(&[sized(0, 99_000), sized(1, 99_000)]).await.problem(413, "batch_too_large");
    client.upload(&[fits(0), fits(1), fits(2), fits(3)]).await.problem(413, "too_many_files");
    // An upload that announces too large a body is refused by its headers alone.
    let announced = client.request(Method::POST, UPLOAD).header("content-type", "multipart/form-data; boundary=b");
    let endless = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let announced = announced.header("content-length", "100000000").body(endless);
    client.send(announced).await.problem(413, "batch_too_large");
    assert_nothing_stored(&server).await;
    assert_eq!(
        client.upload(&[sized(0, 100_000), fits(1), fits(2)]).await.status,
        202,
        "values at the limits are accepted"
    );
}

#[tokio::test]
async fn bytes_that_differ_from_their_digest_are_refused() {
    let server = Setup::new().start().await;
    let bad = Recording::short(T0).header("content-digest", &digest(ZERO_DIGEST));
    let answer = server.client().upload(&[bad.clone(), Recording::short(T0 + 1)]).await;
    answer.problem(422, "digest_mismatch");
    assert_eq!(answer.bad_files(), [(bad.name.as_str(), "digest_mismatch")]);
    assert_nothing_stored(&server).await;
    // The SHA-256 of `abc`.
    let right = digest("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    let good = Recording::new(name(T0), &b"abc"[..]).header("content-digest", &right);
    assert_eq!(server.client().upload(&[good]).await.status, 202);
}

#[tokio::test]
async fn recording_from_the_future_gets_a_retry_after() {
    let server = small().start().await;
    let ahead = Recording::short(now_secs() + 1000);
    let answer = server.client().upload(std::slice::from_ref(&ahead)).await;
    let wait = answer.problem(422, "recording_in_future")["retry_after"].as_u64().unwrap();
    assert!((1..=1000).contains(&wait), "{wait}");
    assert_eq!(answer.bad_files(), [(ahead.name.as_str(), "recording_in_future")]);
    // A clock that is wrong by years, the device's or the server's, asks nobody to wait for years.
    let far = server.client().upload(&[Recording::short(now_secs() + 400 * 86_400)]).await;
    assert_eq!(far.problem(422, "recording_in_future")["retry_after"], 86_400);
    assert_nothing_stored(&server).await;
    assert_eq!(server.client().upload(&[Recording::short(now_secs() + 200)]).await.status, 202, "clocks differ a bit");
}

#[tokio::test]
async fn a_recording_older_than_the_recovery_window_is_refused() {
    let server = small().start().await;
    let old = Recording::short(now_secs() - 86_400 - 60);
    let answer = server.client().upload(std::slice::from_ref(&old)).await;
    answer.problem(422, "recording_too_old");
    assert_eq!(answer.bad_files(), [(old.name.as_str(), "recording_too_old")]);
    assert_nothing_stored(&server).await;
    assert_eq!(server.client().upload(&[Recording::short(now_secs() - 86_000)]).await.status, 202);
}

/// Errors are for clients: they contain no path, no SQL and no internal address.
#[tokio::test]
async fn problem_reveals_no_internals() {
    let server = Setup::new().start().await;
    let folder = server.setup().data_dir().display().to_string();
    let asked: [Answer; 3] = [
        server.client().upload(&[Recording::new("x", &b"abc"[..])]).await,
        server.client().get("/v2/sync/jobs?cursor=x").await,
        Client::new(&server.url, "nonsense").get("/v2/usage").await,
    ];
    for answer in asked {
        assert!(answer.status >= 400 && !answer.text.contains(&folder), "{}", answer.text);
        assert_eq!(answer.body["type"], format!("/errors/{}", answer.code()));
        let page = server.client_without_token().get(answer.body["type"].as_str().unwrap()).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/markdown; charset=utf-8"));
        assert!(page.text.starts_with(&format!("# {}\n", answer.code())), "{}", page.text);
    }
}
