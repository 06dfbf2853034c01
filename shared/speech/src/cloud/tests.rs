use super::testing::{self, settings};
use super::*;

fn said(change: impl Fn(&mut CloudSettings), name: &str) -> String {
    let mut settings = settings();
    change(&mut settings);
    settings.engine(name).err().unwrap_or_else(|| panic!("a mistake went through: {settings:?}")).to_string()
}

#[test]
fn deepgram_comes_before_a_server_and_a_server_before_nothing() {
    assert_eq!(settings().configured(), Some("deepgram"));
    let http = CloudSettings { http: testing::http("http://localhost:1"), ..CloudSettings::default() };
    assert_eq!(http.configured(), Some("http"));
    assert_eq!(CloudSettings::default().configured(), None);
}

#[test]
fn mistakes_are_named_whether_the_engine_is_used_or_not() {
    for name in ["deepgram", "http", "null"] {
        assert!(
            said(|s| s.deepgram.api_key = Some("".into()), name).starts_with("engine.deepgram.api_key: is set, but")
        );
        assert!(said(|s| s.deepgram.url = "deepgram.com".into(), name).starts_with("engine.deepgram.url: must"));
        assert!(said(|s| s.deepgram.url = "http://api.deepgram.com".into(), name).contains("https://"));
        assert!(said(|s| s.deepgram.model = " ".into(), name).starts_with("engine.deepgram.model: is empty"));
        assert!(said(|s| s.http.url = "localhost:8000".into(), name).starts_with("engine.http.url: must"));
        assert!(said(|s| s.http.api_key = Some("a b".into()), name).starts_with("engine.http.api_key: holds"));
        assert!(said(|s| s.http.model = "".into(), name).starts_with("engine.http.model: is empty"));
        assert!(said(|s| s.http.format = "mp3".into(), name).contains("auto or wav"));
    }
    assert!(settings().engine("null").unwrap().is_none());
}

#[test]
fn an_engine_that_is_chosen_has_to_be_set_up() {
    assert!(said(|s| s.deepgram.api_key = None, "deepgram").starts_with("engine.deepgram.api_key: has to be set"));
    assert!(said(|s| s.http.url = "".into(), "http").starts_with("engine.http.url: has to be set"));
}

#[test]
fn a_key_is_in_no_settings_that_are_printed() {
    assert!(!format!("{:?}", settings()).contains(testing::KEY));
}

#[test]
fn a_piece_is_as_long_as_the_settings_say() {
    let engine = settings().engine("http").unwrap().unwrap();
    assert_eq!(engine.capabilities().max_span, Duration::from_secs(300));
    assert!(engine.capabilities().opus);
    let mut wav = settings();
    wav.http.format = "wav".into();
    assert!(!wav.engine("http").unwrap().unwrap().capabilities().opus);
}
