//! Requests and answers, against a provider on this machine that plays what is documented.

use serde_json::json;
use testkit::Provider;
use testkit::provider::{Asked, Reply};

use super::answer::tests::documented;
use super::*;
use crate::cloud::testing::{self, KEY, Replies, SILENCE, opus, packets, provider, read, samples, transcribe};

async fn engine(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Provider, Deepgram) {
    let provider = provider(reply).await;
    let engine = Deepgram::new(&testing::deepgram(&provider.url)).unwrap();
    (provider, engine)
}

async fn failed(reply: impl Fn() -> Reply + Send + Sync + 'static) -> EngineError {
    let (_provider, engine) = engine(reply).await;
    transcribe(&engine, Audio::new(&SILENCE), None).await.unwrap_err()
}

fn query(asked: &Asked) -> Vec<String> {
    asked.query.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

const OPTIONS: [&str; 5] = ["model=nova-3", "smart_format=true", "punctuate=true", "diarize=true", "utterances=true"];

#[tokio::test]
async fn a_request_is_the_documented_one() {
    let (provider, engine) = engine(|| Reply::json(200, &documented())).await;
    let cut = packets(503, 2_003);
    transcribe(&engine, opus(&cut), None).await.unwrap();
    let asked = provider.asked().remove(0);
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/listen"));
    assert_eq!(query(&asked), [&OPTIONS[..], &["detect_language=true"]].concat());
    assert_eq!(asked.header("authorization"), format!("Token {KEY}"));
    assert_eq!(asked.header("content-type"), "audio/ogg");
    assert_eq!(asked.header("user-agent"), concat!("afterword/", env!("CARGO_PKG_VERSION")));
    assert_eq!(asked.header("content-length"), asked.body.len().to_string());
    // The recording's own packets, one after the other.
    let heard = read("x.opus", &asked.body, 0, 10_000);
    assert!(heard.len().abs_diff(24_000) < 400, "{}", heard.len());
    assert!(cut.packets.iter().all(|packet| asked.body.windows(packet.len()).any(|at| at == packet)));
    assert!(asked.body.len() < 1_500 * 32 / 5, "not a fifth of WAV: {}", asked.body.len());
}

#[tokio::test]
async fn what_is_not_opus_is_sent_as_flac() {
    let (provider, engine) = engine(|| Reply::json(200, &documented())).await;
    let samples = samples(500, 2_000);
    transcribe(&engine, Audio::new(&samples), None).await.unwrap();
    let asked = provider.asked().remove(0);
    assert_eq!(asked.header("content-type"), "audio/flac");
    let heard = read("x.flac", &asked.body, 0, 10_000);
    assert_eq!(heard.len(), samples.len());
    assert!(heard.iter().zip(&samples).all(|(one, other)| (one - other).abs() < 1.0 / 32_000.0));
}

#[tokio::test]
async fn a_hint_takes_the_place_of_detection_and_of_a_language_that_is_not_told() {
    let mut answer = documented();
    answer["results"]["channels"][0].as_object_mut().unwrap().shift_remove("detected_language");
    let (provider, engine) = engine(move || Reply::json(200, &answer)).await;
    let transcript = transcribe(&engine, Audio::new(&SILENCE), Some("de-AT")).await.unwrap();
    assert_eq!(query(&provider.asked()[0]), [&OPTIONS[..], &["language=de"]].concat());
    assert_eq!(transcript.language.as_deref(), Some("de-AT"));
}

#[tokio::test]
async fn an_address_may_have_a_path_and_options_of_its_own() {
    let provider = provider(|| Reply::json(200, &documented())).await;
    let mut settings = testing::deepgram(&format!("{}/proxy/listen?mip_opt_out=true", provider.url));
    settings.model = "nova-2".into();
    let engine = Deepgram::new(&settings).unwrap();
    transcribe(&engine, Audio::new(&SILENCE), Some("en_GB")).await.unwrap();
    let asked = provider.asked().remove(0);
    assert_eq!(asked.path, "/proxy/listen");
    let expected =
        ["mip_opt_out=true", "model=nova-2", OPTIONS[1], OPTIONS[2], OPTIONS[3], OPTIONS[4], "language=en_GB"];
    assert_eq!(query(&asked), expected);
    assert_eq!(engine.capabilities().languages, Languages::Any);
}

#[tokio::test]
async fn times_are_those_of_the_audio_whatever_packet_was_sent_first() {
    let (_provider, engine) = engine(|| Reply::json(200, &documented())).await;
    let cut = packets(503, 2_003);
    let transcript = transcribe(&engine, opus(&cut), None).await.unwrap();
    // The first packet begins at 490: what is heard, behind the look-ahead, at 496.5.
    assert_eq!(cut.lead, Duration::from_millis(13));
    assert_eq!(transcript.lines[0].start_ms, 74);
    assert_eq!(transcript.lines[0].words.as_ref().unwrap()[1].start_ms, 314);
}

#[tokio::test]
async fn longer_audio_than_it_takes_is_sent_in_pieces() {
    let (provider, mut engine) = engine(|| Reply::json(200, &documented())).await;
    engine.capabilities.max_span = Duration::from_secs(1);
    let transcript = transcribe(&engine, Audio::new(&SILENCE), None).await.unwrap();
    assert_eq!((provider.asked().len(), transcript.lines.len()), (2, 4));
    assert!(transcript.lines[2].start_ms > 900);
}

#[tokio::test]
async fn every_status_ends_as_it_is_documented_to_mean() {
    let said = |code: &str, message: &str| json!({"err_code": code, "err_msg": message, "request_id": "uuid"});
    for (status, body, retry) in [
        (400, said("Bad Request", "Bad Request: failed to process audio: corrupt or unsupported data"), Retry::Refused),
        (400, said("Bad Request", "Bad Request: No such model/version combination found."), Retry::Misconfigured),
        (401, said("INVALID_AUTH", "Invalid credentials."), Retry::Misconfigured),
        (402, said("ASR_PAYMENT_REQUIRED", "Project does not have enough credits."), Retry::Misconfigured),
        (403, said("INSUFFICIENT_PERMISSIONS", "No access to the requested model."), Retry::Misconfigured),
        (404, json!({"err_code": "NOT_FOUND"}), Retry::Misconfigured),
        (429, said("TOO_MANY_REQUESTS", "Please try again later"), Retry::Later { after: None }),
        (500, json!({}), Retry::Transient),
        (503, json!({"error_code": "Service Unavailable", "err_msg": "Please try again later"}), Retry::Transient),
        (504, json!({}), Retry::Transient),
    ] {
        let error = failed(move || Reply::json(status, &body)).await;
        assert_eq!(error.retry, retry, "{status}: {error}");
        assert!(error.detail.contains(&format!("127.0.0.1 answered {status}")), "{error}");
    }
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_passed_on_in_seconds_and_as_a_date() {
    let after = |seconds| Retry::Later { after: Some(Duration::from_secs(seconds)) };
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
async fn broken_answers_are_faults_and_never_silence() {
    let broken: [(&str, Replies); 8] = [
        ("cut", || Reply::cut(r#"{"metadata": {"duration"#)),
        ("endless", Reply::endless),
        ("empty", || Reply::text(200, "application/json", "")),
        ("page", || Reply::text(200, "text/html", "<html>Welcome</html>")),
        ("page of an error", || Reply::text(502, "text/html", "<html>Bad Gateway</html>")),
        ("no results", || Reply::json(200, &json!({"metadata": {"duration": 1.5}, "results": {}}))),
        ("no channel", || Reply::json(200, &json!({"metadata": {"duration": 1.5}, "results": {"channels": []}}))),
        ("not heard", || Reply::json(200, &json!({"metadata": {"duration": 0.0}, "results": documented()["results"]}))),
    ];
    for (what, reply) in broken {
        let error = failed(reply).await;
        assert_eq!(error.retry, Retry::Transient, "{what}: {error}");
        assert!(!error.detail.contains("html>"), "{what}: {error}");
    }
}

#[tokio::test]
async fn what_was_said_is_in_no_error() {
    let mut answer = documented();
    answer["results"]["utterances"][0]["start"] = json!("a secret that was said");
    let error = failed(move || Reply::json(200, &answer)).await;
    assert!(error.detail.contains("has not the shape that is documented (application/json"), "{error}");
    assert!(!error.detail.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_provider_that_is_slow_or_not_there_is_given_up() {
    let (_provider, mut engine) = engine(Reply::never).await;
    engine.client.patience = Duration::from_millis(100);
    let error = transcribe(&engine, Audio::new(&[0.0; 1_600]), None).await.unwrap_err();
    assert!(error.retry == Retry::Transient && error.detail.contains("timed out"), "{error}");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let engine = Deepgram::new(&testing::deepgram(&format!("http://{closed}"))).unwrap();
    let error = transcribe(&engine, Audio::new(&SILENCE), None).await.unwrap_err();
    assert_eq!(error.retry, Retry::Transient, "{error}");
}

#[tokio::test]
async fn the_key_goes_nowhere_else_and_into_no_error() {
    let elsewhere = provider(|| Reply::json(200, &documented())).await;
    let url = elsewhere.url.clone();
    let error = failed(move || Reply::json(307, &json!({})).with("location", format!("{url}/v1/listen"))).await;
    assert_eq!(error.retry, Retry::Misconfigured);
    assert!(error.detail.contains("points to 127.0.0.1, which is not followed"), "{error}");
    assert_eq!(elsewhere.asked().len(), 0);
    let echo = || Reply::json(401, &json!({"err_code": "INVALID_AUTH", "err_msg": format!("{KEY} is no key")}));
    let error = failed(echo).await;
    assert!(error.detail.contains("**** is no key") && !error.detail.contains(KEY), "{error}");
}

#[tokio::test]
async fn a_complaint_without_words_blames_the_audio_only_after_an_answer() {
    let (provider, engine) = engine(|| Reply::json(400, &json!({}))).await;
    let ask = || transcribe(&engine, Audio::new(&SILENCE), None);
    assert_eq!(ask().await.unwrap_err().retry, Retry::Misconfigured);
    provider.now_answers(|_| Reply::json(200, &documented()));
    ask().await.unwrap();
    provider.now_answers(|_| Reply::json(400, &json!({})));
    assert_eq!(ask().await.unwrap_err().retry, Retry::Refused);
}

#[tokio::test]
async fn being_ready_costs_no_call() {
    let (provider, engine) = engine(|| Reply::json(500, &json!({}))).await;
    engine.ready().await.unwrap();
    assert_eq!(provider.asked().len(), 0);
}

#[tokio::test]
async fn a_segment_without_audio_is_not_sent() {
    let (provider, engine) = engine(|| Reply::json(200, &documented())).await;
    assert_eq!(transcribe(&engine, Audio::new(&[]), None).await.unwrap_err().retry, Retry::Refused);
    assert_eq!(provider.asked().len(), 0);
}
