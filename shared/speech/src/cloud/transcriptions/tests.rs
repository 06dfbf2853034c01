//! Requests and answers against a local server that behaves as documented.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use testkit::Provider;
use testkit::provider::{ReceivedRequest, Reply};

use super::answer::tests::documented;
use super::*;
use crate::SplittingEngine;
use crate::cloud::testing::{self, KEY, Replies, SILENCE, opus, packets, provider, read, samples, transcribe};
use crate::engine::Audio;

fn engine_at(url: &str) -> CloudEngine {
    super::engine(&testing::http(url)).unwrap()
}

async fn engine(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Provider, CloudEngine) {
    let provider = provider(reply).await;
    let engine = engine_at(&provider.url);
    (provider, engine)
}

async fn failed(reply: impl Fn() -> Reply + Send + Sync + 'static) -> EngineError {
    let (_provider, engine) = engine(reply).await;
    transcribe(&engine, Audio::new(&SILENCE), None).await.unwrap_err()
}

/// The fields of the form without the file.
fn fields(request: &ReceivedRequest) -> Vec<String> {
    let fields = request.form().into_iter().filter(|field| field.file_name.is_none());
    fields.map(|field| format!("{}={}", field.name, field.text())).collect()
}

const VERBOSE: [&str; 4] = [
    "model=whisper-1",
    "response_format=verbose_json",
    "timestamp_granularities[]=word",
    "timestamp_granularities[]=segment",
];

#[tokio::test]
async fn request_is_as_documented() {
    let (provider, engine) = engine(|| Reply::json(200, &documented())).await;
    let cut = packets(503, 2_003);
    let transcript = transcribe(&engine, opus(&cut), None).await.unwrap();
    let request = provider.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/audio/transcriptions"));
    assert_eq!((request.header("authorization"), request.query.len()), (format!("Bearer {KEY}").as_str(), 0));
    assert_eq!(request.header("content-length"), request.body.len().to_string());
    assert_eq!(fields(&request), VERBOSE);
    let file = request.form().into_iter().find(|field| field.name == "file").unwrap();
    assert_eq!((file.file_name.as_deref(), file.kind.as_deref()), (Some("audio.ogg"), Some("audio/ogg")));
    assert!(read("x.opus", &file.content, 0, 10_000).len().abs_diff(24_000) < 400);
    // Of the lead of 13 ms, the decoder drops 6.5 ms, so times of the answer shift by the other 6.5 ms.
    assert_eq!((transcript.lines[1].start_ms, transcript.language.as_deref()), (594, Some("en")));
}

#[tokio::test]
async fn hint_is_sent_without_its_region() {
    let (provider, engine) = engine(|| Reply::json(200, &json!({"text": "ja"}))).await;
    let transcript = transcribe(&engine, Audio::new(&SILENCE), Some("de-AT")).await.unwrap();
    assert_eq!(fields(&provider.requests()[0]), [&VERBOSE[..], &["language=de"]].concat());
    assert_eq!(transcript.language.as_deref(), Some("de-AT"));
}

#[tokio::test]
async fn samples_are_sent_as_flac_or_as_wav_if_configured() {
    let provider = provider(|| Reply::json(200, &documented())).await;
    let mut settings = testing::http(&provider.url);
    settings.api_key = None;
    let samples = samples(500, 2_000);
    for (format, name) in [("auto", "audio.flac"), ("wav", "audio.wav")] {
        settings.format = format.into();
        let engine = super::engine(&settings).unwrap();
        transcribe(&engine, Audio::new(&samples), None).await.unwrap();
        let request = provider.requests().pop().unwrap();
        let file = request.form().into_iter().find(|field| field.name == "file").unwrap();
        assert_eq!((file.file_name.as_deref(), file.kind), (Some(name), Some(name.replace("audio.", "audio/"))));
        let decoded = read(&name.replace("audio", "x"), &file.content, 0, 10_000);
        assert_eq!(decoded.len(), samples.len());
        assert!(testing::sound_alike(&decoded, &samples));
        assert!(!request.headers.contains_key("authorization"), "there is no key");
    }
}

#[tokio::test]
async fn address_is_completed_or_used_as_it_is() {
    let provider = provider(|| Reply::json(200, &documented())).await;
    for (given, path) in [
        ("", "/v1/audio/transcriptions"),
        ("/", "/v1/audio/transcriptions"),
        ("/v1", "/v1/audio/transcriptions"),
        ("/openai/v1/", "/openai/v1/audio/transcriptions"),
        ("/inference", "/inference"),
        ("/v1/audio/transcriptions?version=2", "/v1/audio/transcriptions"),
    ] {
        let engine = engine_at(&format!("{}{given}", provider.url));
        transcribe(&engine, Audio::new(&SILENCE), None).await.unwrap();
        assert_eq!(provider.requests().pop().unwrap().path, path, "{given}");
    }
    assert_eq!(provider.requests().pop().unwrap().query, [("version".to_owned(), "2".to_owned())]);
}

#[tokio::test]
async fn server_without_times_is_asked_for_text_only_from_then_on() {
    for (status, refusal) in [
        (
            400,
            json!({"error": {"message": "response_format 'verbose_json' is not compatible with model 'gpt-4o-transcribe'. Use 'json' or 'text' instead.", "type": "invalid_request_error", "param": "response_format", "code": "unsupported_value"}}),
        ),
        (
            422,
            json!({"detail": [{"type": "enum", "loc": ["body", "response_format"], "msg": "Input should be 'json' or 'text'"}]}),
        ),
    ] {
        let provider = Provider::start(move |request: &ReceivedRequest| {
            let verbose = fields(request).iter().any(|field| field.contains("verbose") || field.contains("granularit"));
            if verbose { Reply::json(status, &refusal) } else { Reply::json(200, &json!({"text": "The beach."})) }
        })
        .await;
        let engine = engine_at(&provider.url);
        for calls in [2, 3] {
            let transcript = transcribe(&engine, Audio::new(&SILENCE), None).await.unwrap();
            assert_eq!((transcript.lines[0].text.as_str(), &transcript.lines[0].words), ("The beach.", &None));
            assert_eq!(provider.requests().len(), calls);
        }
        assert_eq!(fields(&provider.requests()[1]), ["model=whisper-1", "response_format=json"]);
    }
}

#[tokio::test]
async fn every_documented_error_has_its_retry_class() {
    let error_body =
        |code: &str, message: &str| json!({"error": {"message": message, "type": "x", "param": null, "code": code}});
    for (status, body, retry) in [
        (400, error_body("", "Audio file is too short. Minimum audio length is 0.1 seconds."), RetryClass::Refused),
        (401, error_body("invalid_api_key", "Incorrect API key provided."), RetryClass::Misconfigured),
        (404, error_body("model_not_found", "The model does not exist"), RetryClass::Misconfigured),
        (413, error_body("", "Maximum content size limit exceeded"), RetryClass::Misconfigured),
        (415, error_body("", "the audio format is not supported"), RetryClass::Refused),
        (422, json!({"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}), RetryClass::Misconfigured),
        (429, error_body("insufficient_quota", "You exceeded your current quota"), RetryClass::Later { after: None }),
        (500, json!("Internal Server Error"), RetryClass::Transient),
    ] {
        let error = failed(move || Reply::json(status, &body)).await;
        assert_eq!(error.retry, retry, "{status}: {error}");
        assert!(!error.detail.contains(KEY), "{error}");
    }
}

#[tokio::test]
async fn malformed_answer_is_transient_and_never_an_empty_transcript() {
    let broken: [(&str, Replies); 6] = [
        ("cut", || Reply::cut(r#"{"text": "The"#)),
        ("endless", Reply::endless),
        ("empty", || Reply::text(200, "application/json", "")),
        ("page", || Reply::text(200, "text/html", "<html>Welcome</html>")),
        ("bare words", || Reply::text(200, "text/plain", "The beach.")),
        ("error with a good status", || Reply::json(200, &json!({"error": "out of memory"}))),
    ];
    for (what, reply) in broken {
        let error = failed(reply).await;
        assert_eq!(error.retry, RetryClass::Transient, "{what}: {error}");
        assert!(!error.detail.contains("beach") && !error.detail.contains("html>"), "{what}: {error}");
    }
}

#[tokio::test]
async fn audio_above_the_configured_limit_is_sent_in_pieces() {
    let (provider, mut engine) = engine(|| Reply::json(200, &documented())).await;
    engine.capabilities.max_span = Duration::from_secs(1);
    let engine = SplittingEngine::around(Arc::new(engine), Arc::default());
    let cut = packets(0, 2_500);
    let transcript = transcribe(&engine, opus(&cut), None).await.unwrap();
    assert!(provider.requests().len() >= 3, "{}", provider.requests().len());
    assert_eq!(transcript.lines.len(), 2 * provider.requests().len());
    assert!(transcript.lines.windows(2).all(|pair| pair[0].start_ms <= pair[1].start_ms), "{transcript:?}");
}
