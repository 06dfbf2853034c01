//! Requests and answers against a local provider that behaves as documented.

use std::sync::Arc;

use serde_json::json;
use testkit::Provider;
use testkit::provider::{ReceivedRequest, Reply};

use super::answer::tests::documented;
use super::*;
use crate::SplittingEngine;
use crate::cloud::testing::{self, KEY, Replies, SILENCE, opus, packets, provider, read, samples, transcribe};
use crate::engine::{Audio, Engine, RetryClass};

async fn engine(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Provider, CloudEngine) {
    let provider = provider(reply).await;
    let engine = super::engine(&testing::deepgram(&provider.url)).unwrap();
    (provider, engine)
}

async fn failed(reply: impl Fn() -> Reply + Send + Sync + 'static) -> EngineError {
    let (_provider, engine) = engine(reply).await;
    transcribe(&engine, Audio::new(&SILENCE), None).await.unwrap_err()
}

fn query(request: &ReceivedRequest) -> Vec<String> {
    request.query.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

const OPTIONS: [&str; 5] = ["model=nova-3", "smart_format=true", "punctuate=true", "diarize=true", "utterances=true"];

#[tokio::test]
async fn request_is_as_documented() {
    let (provider, engine) = engine(|| Reply::json(200, &documented())).await;
    let cut = packets(503, 2_003);
    transcribe(&engine, opus(&cut), None).await.unwrap();
    let request = provider.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/listen"));
    assert_eq!(query(&request), [&OPTIONS[..], &["detect_language=true"]].concat());
    assert_eq!(request.header("authorization"), format!("Token {KEY}"));
    assert_eq!(request.header("content-type"), "audio/ogg");
    assert_eq!(request.header("user-agent"), concat!("afterword/", env!("CARGO_PKG_VERSION")));
    assert_eq!(request.header("content-length"), request.body.len().to_string());
    // The body contains the packets of the recording.
    let decoded = read("x.opus", &request.body, 0, 10_000);
    assert!(decoded.len().abs_diff(24_000) < 400, "{}", decoded.len());
    assert!(cut.packets.iter().all(|packet| request.body.windows(packet.len()).any(|at| at == packet)));
    assert!(request.body.len() < 1_500 * 32 / 5, "not a fifth of WAV: {}", request.body.len());
}

#[tokio::test]
async fn samples_are_sent_as_flac() {
    let (provider, engine) = engine(|| Reply::json(200, &documented())).await;
    let samples = samples(500, 2_000);
    transcribe(&engine, Audio::new(&samples), None).await.unwrap();
    let request = provider.requests().remove(0);
    assert_eq!(request.header("content-type"), "audio/flac");
    let decoded = read("x.flac", &request.body, 0, 10_000);
    assert_eq!(decoded.len(), samples.len());
    assert!(testing::sound_alike(&decoded, &samples));
}

#[tokio::test]
async fn hint_replaces_detection_and_a_missing_language_in_the_answer() {
    let mut answer = documented();
    answer["results"]["channels"][0].as_object_mut().unwrap().shift_remove("detected_language");
    let (provider, engine) = engine(move || Reply::json(200, &answer)).await;
    let transcript = transcribe(&engine, Audio::new(&SILENCE), Some("de-AT")).await.unwrap();
    assert_eq!(query(&provider.requests()[0]), [&OPTIONS[..], &["language=de"]].concat());
    assert_eq!(transcript.language.as_deref(), Some("de-AT"));
}

#[tokio::test]
async fn configured_address_may_have_a_path_and_options() {
    let provider = provider(|| Reply::json(200, &documented())).await;
    let mut settings = testing::deepgram(&format!("{}/proxy/listen?mip_opt_out=true", provider.url));
    settings.model = "nova-2".into();
    let engine = super::engine(&settings).unwrap();
    transcribe(&engine, Audio::new(&SILENCE), Some("en_GB")).await.unwrap();
    let request = provider.requests().remove(0);
    assert_eq!(request.path, "/proxy/listen");
    let expected =
        ["mip_opt_out=true", "model=nova-2", OPTIONS[1], OPTIONS[2], OPTIONS[3], OPTIONS[4], "language=en_GB"];
    assert_eq!(query(&request), expected);
    assert_eq!(engine.capabilities().languages, Languages::Any);
}

#[tokio::test]
async fn times_count_from_the_start_of_the_audio_and_not_of_the_first_packet() {
    let (_provider, engine) = engine(|| Reply::json(200, &documented())).await;
    let cut = packets(503, 2_003);
    let transcript = transcribe(&engine, opus(&cut), None).await.unwrap();
    // The first packet begins at 490 ms. After the decoder's look-ahead, the decoded audio begins at 496.5 ms.
    assert_eq!(cut.lead, Duration::from_millis(13));
    assert_eq!(transcript.lines[0].start_ms, 74);
    assert_eq!(transcript.lines[0].words.as_ref().unwrap()[1].start_ms, 314);
}

#[tokio::test]
async fn audio_above_the_limit_is_sent_in_pieces() {
    let (provider, mut engine) = engine(|| Reply::json(200, &documented())).await;
    engine.capabilities.max_span = Duration::from_secs(1);
    let engine = SplittingEngine::around(Arc::new(engine), Arc::default());
    let transcript = transcribe(&engine, Audio::new(&SILENCE), None).await.unwrap();
    assert_eq!((provider.requests().len(), transcript.lines.len()), (2, 4));
    assert!(transcript.lines[2].start_ms > 900);
}

#[tokio::test]
async fn every_documented_error_has_its_retry_class() {
    let error_body = |code: &str, message: &str| json!({"err_code": code, "err_msg": message, "request_id": "uuid"});
    for (status, body, retry) in [
        (
            400,
            error_body("Bad Request", "Bad Request: failed to process audio: corrupt or unsupported data"),
            RetryClass::Refused,
        ),
        (
            400,
            error_body("Bad Request", "Bad Request: No such model/version combination found."),
            RetryClass::Misconfigured,
        ),
        (401, error_body("INVALID_AUTH", "Invalid credentials."), RetryClass::Misconfigured),
        (402, error_body("ASR_PAYMENT_REQUIRED", "Project does not have enough credits."), RetryClass::Misconfigured),
        (403, error_body("INSUFFICIENT_PERMISSIONS", "No access to the requested model."), RetryClass::Misconfigured),
        (404, json!({"err_code": "NOT_FOUND"}), RetryClass::Misconfigured),
        (429, error_body("TOO_MANY_REQUESTS", "Please try again later"), RetryClass::Later { after: None }),
        (500, json!({}), RetryClass::Transient),
        (503, json!({"error_code": "Service Unavailable", "err_msg": "Please try again later"}), RetryClass::Transient),
        (504, json!({}), RetryClass::Transient),
    ] {
        let error = failed(move || Reply::json(status, &body)).await;
        assert_eq!(error.retry, retry, "{status}: {error}");
        assert!(error.detail.contains(&format!("answered {status}")), "{error}");
    }
}

#[tokio::test]
async fn retry_after_is_passed_on_from_seconds_and_dates() {
    let after = |seconds| RetryClass::Later { after: Some(Duration::from_secs(seconds)) };
    let busy = |status| Reply::json(status, &json!({}));
    assert_eq!(failed(move || busy(429).with("retry-after", "30")).await.retry, after(30));
    let dated = || {
        let reply = Reply::json(429, &json!({})).with("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        reply.with("retry-after", "Wed, 21 Oct 2026 07:29:30 GMT")
    };
    assert_eq!(failed(dated).await.retry, after(90));
    assert_eq!(failed(move || busy(503).with("retry-after", "7")).await.retry, after(7));
}

#[tokio::test]
async fn malformed_answer_is_transient_and_never_an_empty_transcript() {
    let broken: [(&str, Replies); 8] = [
        ("cut", || Reply::cut(r#"{"metadata": {"duration"#)),
        ("endless", Reply::endless),
        ("empty", || Reply::text(200, "application/json", "")),
        ("page", || Reply::text(200, "text/html", "<html>Welcome</html>")),
        ("page of an error", || Reply::text(502, "text/html", "<html>Bad Gateway</html>")),
        ("no results", || Reply::json(200, &json!({"metadata": {"duration": 1.5}, "results": {}}))),
        ("no channel", || Reply::json(200, &json!({"metadata": {"duration": 1.5}, "results": {"channels": []}}))),
        ("nothing decoded", || {
            Reply::json(200, &json!({"metadata": {"duration": 0.0}, "results": documented()["results"]}))
        }),
    ];
    for (what, reply) in broken {
        let error = failed(reply).await;
        assert_eq!(error.retry, RetryClass::Transient, "{what}: {error}");
        assert!(!error.detail.contains("html>"), "{what}: {error}");
    }
}

#[tokio::test]
async fn spoken_text_is_not_in_errors() {
    let mut answer = documented();
    answer["results"]["utterances"][0]["start"] = json!("a secret that was said");
    let error = failed(move || Reply::json(200, &answer)).await;
    assert!(error.detail.contains("does not have the documented shape (application/json"), "{error}");
    assert!(!error.detail.contains("secret"), "{error}");
}

#[tokio::test]
async fn slow_or_unreachable_provider_is_a_transient_error() {
    let (_provider, mut engine) = engine(Reply::never).await;
    engine.client.base_timeout = Duration::from_millis(100);
    let error = transcribe(&engine, Audio::new(&[0.0; 1_600]), None).await.unwrap_err();
    assert!(error.retry == RetryClass::Transient && error.detail.contains("timed out"), "{error}");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let engine = super::engine(&testing::deepgram(&format!("http://{closed}"))).unwrap();
    let error = transcribe(&engine, Audio::new(&SILENCE), None).await.unwrap_err();
    assert_eq!(error.retry, RetryClass::Transient, "{error}");
}

#[tokio::test]
async fn key_is_not_sent_elsewhere_and_not_in_errors() {
    let elsewhere = provider(|| Reply::json(200, &documented())).await;
    let url = elsewhere.url.clone();
    let error = failed(move || Reply::json(307, &json!({})).with("location", format!("{url}/v1/listen"))).await;
    assert_eq!(error.retry, RetryClass::Misconfigured);
    assert!(error.detail.contains("points to 127.0.0.1:"), "{error}");
    assert!(error.detail.contains(", which is not followed"), "{error}");
    assert_eq!(elsewhere.requests().len(), 0);
    let echo = || Reply::json(401, &json!({"err_code": "INVALID_AUTH", "err_msg": format!("{KEY} is no key")}));
    let error = failed(echo).await;
    assert!(error.detail.contains("**** is no key") && !error.detail.contains(KEY), "{error}");
}

#[tokio::test]
async fn error_without_reason_refuses_audio_only_after_a_success() {
    let (provider, engine) = engine(|| Reply::json(400, &json!({}))).await;
    let ask = || transcribe(&engine, Audio::new(&SILENCE), None);
    assert_eq!(ask().await.unwrap_err().retry, RetryClass::Misconfigured);
    provider.set_answers(|_| Reply::json(200, &documented()));
    ask().await.unwrap();
    provider.set_answers(|_| Reply::json(400, &json!({})));
    assert_eq!(ask().await.unwrap_err().retry, RetryClass::Refused);
}
