use testkit::provider::Reply;

use super::testing::{self, settings, transcribe};
use super::*;
use crate::engine::{Audio, RetryClass};

fn error_for(change: impl Fn(&mut CloudSettings), name: &str) -> String {
    let mut settings = settings();
    change(&mut settings);
    settings.engine(name).err().unwrap_or_else(|| panic!("invalid settings were accepted: {settings:?}")).to_string()
}

#[test]
fn deepgram_is_preferred_to_a_server_if_both_are_configured() {
    assert_eq!(settings().configured(), Some("deepgram"));
    let http = CloudSettings { http: testing::http("http://localhost:1"), ..CloudSettings::default() };
    assert_eq!(http.configured(), Some("http"));
    assert_eq!(CloudSettings::default().configured(), None);
}

#[test]
fn wrong_settings_are_errors_whether_the_engine_is_used_or_not() {
    for name in ["deepgram", "http", "null"] {
        assert!(
            error_for(|s| s.deepgram.api_key = Some("".into()), name)
                .starts_with("engine.deepgram.api_key: is set, but")
        );
        assert!(error_for(|s| s.deepgram.url = "deepgram.com".into(), name).starts_with("engine.deepgram.url: must"));
        assert!(error_for(|s| s.deepgram.url = "http://api.deepgram.com".into(), name).contains("https://"));
        assert!(error_for(|s| s.deepgram.model = " ".into(), name).starts_with("engine.deepgram.model: is empty"));
        assert!(error_for(|s| s.http.url = "localhost:8000".into(), name).starts_with("engine.http.url: must"));
        assert!(error_for(|s| s.http.api_key = Some("a b".into()), name).starts_with("engine.http.api_key: holds"));
        assert!(error_for(|s| s.http.model = "".into(), name).starts_with("engine.http.model: is empty"));
        assert!(error_for(|s| s.http.format = "mp3".into(), name).contains("auto or wav"));
    }
    assert!(settings().engine("null").unwrap().is_none());
}

#[test]
fn selected_engine_must_be_configured() {
    assert!(error_for(|s| s.deepgram.api_key = None, "deepgram").starts_with("engine.deepgram.api_key: has to be set"));
    assert!(error_for(|s| s.http.url = "".into(), "http").starts_with("engine.http.url: has to be set"));
}

#[test]
fn api_key_is_not_in_debug_output_of_settings() {
    assert!(!format!("{:?}", settings()).contains(testing::KEY));
}

#[test]
fn capabilities_follow_the_settings() {
    let engine = settings().engine("http").unwrap().unwrap();
    assert_eq!(engine.capabilities().max_span, Duration::from_secs(300));
    assert!(engine.capabilities().opus);
    let mut wav = settings();
    wav.http.format = "wav".into();
    assert!(!wav.engine("http").unwrap().unwrap().capabilities().opus);
}

#[tokio::test]
async fn neither_readiness_nor_a_segment_without_audio_makes_a_call() {
    let provider = testing::provider(|| Reply::text(500, "text/plain", "")).await;
    let settings = CloudSettings { deepgram: testing::deepgram(&provider.url), http: testing::http(&provider.url) };
    for name in ["deepgram", "http"] {
        let engine = settings.engine(name).unwrap().unwrap();
        engine.ready().await.unwrap();
        let refused = transcribe(&*engine, Audio::new(&[]), None).await.unwrap_err();
        assert_eq!((refused.retry, provider.requests().len()), (RetryClass::Refused, 0), "{name}");
    }
}
