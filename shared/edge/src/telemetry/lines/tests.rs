//! What readers of a log may rely on: one line for each event, without control characters, and never a long one.

use serde_json::Value as Json;

use super::super::{LogFilter, subscriber};
use crate::testing::Lines;

/// The longest line that is promised.
const MAX_LINE: usize = 8 * 1024;
const HOSTILE: &str = "one\ntwo\r\u{1b}[31mred\u{1b}[0m \u{9b}2J \"quoted\\\" \0 \u{7f} {\"level\":\"EVIL\"}";

fn logged(json: bool, log: impl FnOnce()) -> String {
    let lines = Lines::default();
    let (subscriber, _) = subscriber(&LogFilter::default(), json, false, lines.clone());
    tracing::subscriber::with_default(subscriber, log);
    lines.text()
}

fn hostile_line() {
    let long = HOSTILE.repeat(2_000);
    let _outer = tracing::info_span!("outer", outer = long, same = "outer").entered();
    let _inner = tracing::info_span!("inner", same = "inner", inner = %long).entered();
    tracing::info!(job_id = "j", cause = long, shown = %long, debugged = ?long, last = 7, "{long}");
}

fn check(text: &str) {
    assert_eq!(text.matches('\n').count(), 1, "one line");
    let line = text.strip_suffix('\n').unwrap();
    assert!(line.len() < MAX_LINE, "{} bytes", line.len());
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.contains('…'), "a cut value says so: {line}");
}

#[test]
fn hostile_values_stay_one_bounded_line_of_json() {
    let text = logged(true, hostile_line);
    check(&text);
    let line: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["level"], &line["job_id"], &line["last"]), (&"INFO".into(), &"j".into(), &7.into()));
    let message = line["message"].as_str().unwrap();
    assert!(message.starts_with(HOSTILE) && message.ends_with('…'), "the value itself is complete up to the cut");
    assert!(line["cause"].as_str().unwrap().ends_with('…') && line["shown"].as_str().unwrap().ends_with('…'));
    assert_eq!((&line["span"]["name"], &line["span"]["same"]), (&"inner".into(), &"inner".into()));
}

#[test]
fn hostile_values_stay_one_bounded_line_of_text() {
    let text = logged(false, hostile_line);
    check(&text);
    assert!(text.contains(" inner:") && text.contains("job_id=\"j\"") && text.contains("last=7"), "{text}");
}

#[test]
fn cause_of_100_kilobytes_of_any_characters_is_cut_before_the_line_is_formatted() {
    for piece in ["x", "\u{1b}", "\"", "ä", "語", "🎙"] {
        let cause = piece.repeat(100_000 / piece.len());
        for json in [true, false] {
            let text = logged(json, || tracing::error!(cause, "{cause}"));
            check(&text);
            if json {
                serde_json::from_str::<Json>(&text).unwrap();
            }
        }
    }
}

#[test]
fn field_without_room_is_left_out_and_a_number_always_has_room() {
    let long = "x".repeat(10_000);
    let text = logged(true, || tracing::info!(a = long, b = long, c = long, d = long, e = long, n = 1, "m"));
    check(&text);
    let line: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["message"], line["a"].as_str().unwrap().len() <= 1536), (&"m".into(), true));
}

#[test]
fn credentials_in_addresses_are_masked() {
    let url = "https://ann:hidden@speech.example/v1?api_key=hidden";
    for json in [true, false] {
        let text = logged(json, || tracing::warn!(url, cause = %url, debugged = ?Some(url), "no answer from {url}"));
        assert!(!text.contains("hidden") && text.contains("https://********@speech.example/v1"), "{text}");
    }
}

#[test]
fn values_recorded_later_are_in_the_lines_of_a_span() {
    let text = logged(true, || {
        let span = tracing::info_span!("request", job_id = tracing::field::Empty, user = "before");
        span.record("job_id", "j").record("user", "after");
        span.in_scope(|| tracing::info!(ratio = f64::NAN, yes = true, less = -1, "made"));
    });
    let line: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["span"]["job_id"], &line["span"]["user"]), (&"j".into(), &"after".into()));
    assert_eq!((&line["ratio"], &line["yes"], &line["less"]), (&"NaN".into(), &true.into(), &(-1).into()));
}

#[test]
fn field_with_a_name_of_the_line_itself_does_not_stand_there_twice() {
    let text = logged(true, || {
        let _span = tracing::info_span!("request", name = "n", level = "in the span").entered();
        tracing::info!(level = "l", timestamp = 1, target = "t", span = "s", name = "free", "made");
    });
    let names =
        ["timestamp", "message", "target", "span", "field.level", "field.timestamp", "field.target", "field.name"];
    for name in names {
        assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1, "{name}: {text}");
    }
    let line: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["level"], &line["field.level"], &line["name"]), (&"INFO".into(), &"l".into(), &"free".into()));
    assert_eq!((&line["span"]["name"], &line["span"]["field.name"]), (&"request".into(), &"n".into()));
    assert_eq!(line["span"]["level"], "in the span");
}
