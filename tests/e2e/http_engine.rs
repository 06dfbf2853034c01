//! The program with an OpenAI-compatible server as its engine: a local one that behaves as documented.

use serde_json::{Value, json};
use testkit::Provider;
use testkit::provider::{ReceivedRequest, Reply};
use tests::recordings::T0;
use tests::{Recording, Setup};

fn setup(url: &str) -> Setup {
    let setup = Setup::new().with("engine.name", "http").with("engine.http.url", url);
    setup.with("jobs.backoff_min_seconds", 1).with("jobs.backoff_max_seconds", 1)
}

fn heard(_: &ReceivedRequest) -> Reply {
    Reply::json(
        200,
        &json!({
            "task": "transcribe", "language": "english", "duration": 3.0, "text": "He was not ill. Yes.",
            "words": [
                {"word": "He", "start": 0.2, "end": 0.4}, {"word": "was", "start": 0.4, "end": 0.6},
                {"word": "not", "start": 0.6, "end": 0.8}, {"word": "ill", "start": 0.8, "end": 1.0},
                {"word": "Yes", "start": 1.4, "end": 1.6},
            ],
            "segments": [
                {"id": 0, "start": 0.2, "end": 1.0, "text": " He was not ill."},
                {"id": 1, "start": 1.4, "end": 1.6, "text": " Yes."},
            ],
        }),
    )
}

fn field(request: &ReceivedRequest, name: &str) -> String {
    let form = request.form();
    form.iter().find(|field| field.name == name).map(|field| field.text().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn conversation_has_language_and_words_with_times() {
    let provider = Provider::start(heard).await;
    let server = setup(&provider.url).with("engine.http.model", "tiny").start().await;
    let client = server.client();
    let job = client.done(&[Recording::speech(T0)]).await;
    assert_eq!(job["status"], "completed", "{job}");
    let conversations = client.conversations().await;
    assert_eq!(conversations[0]["language"], "en", "{conversations:?}");
    let segments = client.segments().await;
    let texts: Vec<_> =
        segments.iter().map(|s| (s["text"].as_str().unwrap(), s["words"].as_array().unwrap().len())).collect();
    assert_eq!(texts, [("He was not ill.", 4), ("Yes.", 1)]);
    assert_eq!((&segments[1]["start_ms"], &segments[1]["words"][0]["end_ms"]), (&json!(1_400), &json!(1_600)));
    assert!(segments.iter().all(|segment| segment.get("speaker").is_none()));
    let request = provider.requests().remove(0);
    assert_eq!((request.path.as_str(), field(&request, "model").as_str()), ("/v1/audio/transcriptions", "tiny"));
    assert!(!request.headers.contains_key("authorization"));
}

/// A key that is set for other programs on the machine causes nothing to be sent to others.
#[tokio::test]
async fn url_is_enough_to_select_the_http_engine() {
    let provider = Provider::start(heard).await;
    let setup = setup(&provider.url).with("engine.name", "auto");
    let server = setup.env("DEEPGRAM_API_KEY", "of-another-program").start().await;
    assert_eq!(server.client().done(&[Recording::speech(T0)]).await["status"], "completed");
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn server_that_returns_only_text_is_sufficient() {
    let provider = Provider::start(|request: &ReceivedRequest| match field(request, "response_format").as_str() {
        "json" => Reply::json(200, &json!({"text": "He was not ill."})),
        _ => Reply::json(400, &json!({"error": {"message": "unknown response_format", "param": "response_format"}})),
    })
    .await;
    let server = setup(&format!("{}/v1", provider.url)).with("engine.http.api_key", "key-of-nobody").start().await;
    let client = server.client();
    let job = client.done(&[Recording::speech(T0), Recording::speech(T0 + 3_600)]).await;
    assert_eq!(job["status"], "completed", "{job}");
    let segments = client.segments().await;
    assert!(segments.iter().all(|segment| segment["text"] == "He was not ill." && segment.get("words").is_none()));
    assert_eq!(client.usage().await.1, 8);
    assert_eq!(provider.requests()[0].header("authorization"), "Bearer key-of-nobody");
}

#[tokio::test]
async fn job_waits_while_the_engine_server_is_down_and_then_completes() {
    let provider =
        Provider::start(|_: &ReceivedRequest| Reply::text(502, "text/html", "<html>Bad Gateway</html>")).await;
    let server = setup(&provider.url).start().await;
    let client = server.client();
    assert_eq!(server.client_without_token().get("/readyz").await.status, 200, "uploads need no engine");
    let job_id = client.accepted(&[Recording::speech(T0)]).await;
    let job = client.until(&job_id, "waits for the engine", |job: &Value| job["waiting_for"] == "engine").await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("queued"), &json!(0)), "{job}");
    assert_eq!(server.client_without_token().get("/readyz").await.status, 200, "uploads need no engine");
    provider.set_answers(heard);
    assert_eq!(client.terminal(&job_id).await["status"], "completed");
}

#[tokio::test]
async fn undocumented_answer_is_never_taken_for_silence() {
    for reply in [
        || Reply::text(200, "text/html", "<html>Welcome</html>"),
        || Reply::json(200, &json!({"error": "out of memory"})),
        || Reply::cut("{\"text\": \""),
    ] {
        let provider = Provider::start(move |_: &ReceivedRequest| reply()).await;
        let server = setup(&provider.url).start().await;
        let client = server.client();
        let job_id = client.accepted(&[Recording::speech(T0)]).await;
        let job = client.until(&job_id, "waits for the engine", |job: &Value| job["waiting_for"] == "engine").await;
        assert_eq!(job["error"], Value::Null, "{job}");
        assert_eq!((client.usage().await, client.conversations().await.len()), ((0, 0, 0), 0));
    }
}

/// A server with a certificate of a private authority; it is not a speech server, and answers so.
#[tokio::test]
async fn system_certificates_are_trusted() {
    let file = |name: &str| format!("{}/certificates/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let tls = Setup::new().with("server.tls_cert", file("server")).with("server.tls_key", file("server-key"));
    let other = tls.start().await;
    assert!(other.url.starts_with("https://"), "{}", other.url);
    for (trusted, error) in [(file("ca"), "answered 404"), (file("selfsigned"), "UnknownIssuer")] {
        let server = setup(&other.url).env("SSL_CERT_FILE", &trusted).start().await;
        let job_id = server.client().accepted(&[Recording::speech(T0)]).await;
        server.client().until(&job_id, "waits for the engine", |job: &Value| job["waiting_for"] == "engine").await;
        let failed = |line: &tests::log::Line| line.field("error").contains(error);
        server.log.wait(error, tests::wait::PATIENCE, failed).await;
    }
    let none = tempfile::NamedTempFile::new().unwrap();
    let empty = none.path().parent().unwrap().join("afterword-no-certificates");
    let without = setup(&other.url).env("SSL_CERT_FILE", &none.path().display().to_string());
    let line = without.env("SSL_CERT_DIR", &empty.display().to_string()).refused().await;
    assert!(line.contains("engine.http.url: TLS cannot be set up"), "{line}");
}

#[tokio::test]
async fn invalid_settings_prevent_the_start() {
    let line = Setup::new().with("engine.name", "http").refused().await;
    assert!(line.contains("engine.http.url: has to be set"), "{line}");
    for (key, value, wanted) in [
        ("engine.http.url", "localhost:8000", "engine.http.url: must begin with https:// or http://"),
        ("engine.http.url", "http://user:hidden@localhost", "engine.http.url: must not hold a user"),
        ("engine.http.format", "mp3", "engine.http.format must be `auto` or `wav`"),
        ("engine.http.max_span_seconds", "0", "engine.http.max_span_seconds must lie between"),
    ] {
        let line = setup("http://localhost:1").with(key, value).refused().await;
        assert!(line.contains(wanted) && !line.contains("hidden"), "{key}={value}: {line}");
    }
}
