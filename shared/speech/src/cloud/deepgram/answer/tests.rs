use serde_json::{Value, json};

use super::*;
use crate::engine::Word;

/// An answer as in the documentation: one channel, one alternative, utterances of two speakers.
pub(in super::super) fn documented() -> Value {
    let words = json!([
        {"word": "yeah", "start": 0.08, "end": 0.32, "confidence": 0.9, "speaker": 0, "speaker_confidence": 0.6, "punctuated_word": "Yeah."},
        {"word": "as", "start": 0.32, "end": 0.56, "confidence": 0.9, "speaker": 0, "speaker_confidence": 0.6, "punctuated_word": "As"},
        {"word": "much", "start": 0.56, "end": 0.8, "confidence": 0.9, "speaker": 1, "speaker_confidence": 0.6, "punctuated_word": "much."},
    ]);
    json!({
        "metadata": {
            "transaction_key": "deprecated", "request_id": "a847f427-4ad5-4d67-9b95-db801e58251c",
            "sha256": "154e291ecfa8be6ab8343560bcc109008fa7853eb5372533e8efdefc9b504c33",
            "created": "2024-05-12T18:57:13.426Z", "duration": 1.5, "channels": 1,
            "models": ["30089e05-99d1-4376-b32e-c263170674af"],
            "model_info": {"30089e05-99d1-4376-b32e-c263170674af": {"name": "2-general-nova", "version": "2024-01-09.29447", "arch": "nova-3"}},
        },
        "results": {
            "channels": [{
                "detected_language": "en", "language_confidence": 0.98,
                "alternatives": [{"transcript": "Yeah. As much.", "confidence": 0.9, "words": words}],
            }],
            "utterances": [
                {"start": 0.08, "end": 0.56, "confidence": 0.9, "channel": 0, "transcript": "Yeah. As", "words": [words[0], words[1]], "speaker": 0, "id": "1"},
                {"start": 0.56, "end": 0.8, "confidence": 0.9, "channel": 0, "transcript": "much.", "words": [words[2]], "speaker": 1, "id": "2"},
            ],
        },
    })
}

fn read(answer: &Value) -> Result<Transcript, String> {
    let length = Duration::from_millis(1_500);
    let response: ListenResponse = serde_json::from_value(answer.clone()).map_err(|why| format!("shape: {why}"))?;
    response.transcript(Times::new(0, length), length)
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut answer = documented();
    *answer.pointer_mut(pointer).unwrap() = value;
    answer
}

fn without(pointer: &str, field: &str) -> Value {
    let mut answer = documented();
    answer.pointer_mut(pointer).unwrap().as_object_mut().unwrap().shift_remove(field).unwrap();
    answer
}

fn word(start_ms: u32, end_ms: u32, text: &str) -> Word {
    Word { start_ms, end_ms, text: text.into() }
}

fn utterance(start_ms: u32, end_ms: u32, text: &str, speaker: Option<&str>, words: Option<Vec<Word>>) -> Utterance {
    Utterance { start_ms, end_ms, text: text.into(), speaker: speaker.map(str::to_owned), words }
}

#[test]
fn utterances_become_lines_with_speaker_and_times_of_words() {
    let expected = vec![
        utterance(80, 560, "Yeah. As", Some("0"), Some(vec![word(80, 320, "Yeah."), word(320, 560, "As")])),
        utterance(560, 800, "much.", Some("1"), Some(vec![word(560, 800, "much.")])),
    ];
    assert_eq!(read(&documented()).unwrap(), Transcript { language: Some("en".into()), lines: expected.clone() });
    // Without utterances, the words give the same lines.
    for answer in [
        without("/results", "utterances"),
        changed("/results/utterances", json!([])),
        changed("/results/utterances", Value::Null),
    ] {
        assert_eq!(read(&answer).unwrap().lines, expected);
    }
}

#[test]
fn optional_fields_may_be_missing() {
    let plain = without("/results/utterances/0/words/0", "punctuated_word");
    assert_eq!(read(&plain).unwrap().lines[0].words.as_ref().unwrap()[0].text, "yeah");
    let speaker = &read(&without("/results/utterances/0", "speaker")).unwrap().lines[0].speaker;
    assert_eq!(speaker.as_deref(), Some("0"), "its words have the speaker");
    let wordless = read(&without("/results/utterances/0", "words")).unwrap();
    assert_eq!(wordless.lines[0], utterance(80, 560, "Yeah. As", Some("0"), None));
    assert_eq!(read(&without("/results/channels/0", "detected_language")).unwrap().language, None);
    assert!(read(&without("/metadata", "request_id")).is_ok());
}

#[test]
fn answer_without_utterances_and_with_one_speaker_is_one_line() {
    let mut answer = without("/results", "utterances");
    for word in answer.pointer_mut("/results/channels/0/alternatives/0/words").unwrap().as_array_mut().unwrap() {
        word.as_object_mut().unwrap().shift_remove("speaker");
    }
    let lines = read(&answer).unwrap().lines;
    let words = vec![word(80, 320, "Yeah."), word(320, 560, "As"), word(560, 800, "much.")];
    assert_eq!(lines, [utterance(80, 800, "Yeah. As much.", None, Some(words))]);
    answer.pointer_mut("/results/channels/0/alternatives/0").unwrap().as_object_mut().unwrap().shift_remove("words");
    assert_eq!(read(&answer).unwrap().lines, [utterance(0, 1_500, "Yeah. As much.", None, None)]);
}

#[test]
fn transcript_is_empty_only_if_the_answer_says_so() {
    let mut silent =
        changed("/results/channels/0/alternatives/0", json!({"transcript": "", "confidence": 0, "words": []}));
    silent["results"]["utterances"] = json!([]);
    assert!(read(&silent).unwrap().is_empty());
    // Text in one field only is still text.
    let mut odd = silent.clone();
    odd["results"]["channels"][0]["alternatives"][0]["transcript"] = json!("yes");
    assert_eq!(read(&odd).unwrap().lines[0].text, "yes");
    for wrong in [
        changed("/results/channels", json!([])),
        changed("/results/channels/0/alternatives", json!([])),
        changed("/results", json!({})),
        changed("/metadata", json!({})),
        without("/results/channels/0/alternatives/0", "transcript"),
        without("/results/channels/0", "alternatives"),
        without("", "metadata"),
        without("", "results"),
        json!({"request_id": "a847f427"}),
        json!([]),
    ] {
        assert!(read(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn answer_for_the_start_of_the_audio_only_is_an_error() {
    let error = read(&changed("/metadata/duration", json!(0.0))).unwrap_err();
    assert_eq!(error, "says it heard 0.0 s of 1.5 s (request a847f427-4ad5-4d67-9b95-db801e58251c)");
    assert!(read(&changed("/metadata/duration", json!(0.7))).is_err());
    assert!(read(&changed("/metadata/duration", json!(1.4))).is_ok());
}

#[test]
fn field_of_wrong_type_is_an_error() {
    for (pointer, value) in [
        ("/metadata/duration", json!("1.5")),
        ("/results/utterances/0/start", json!("0.08")),
        ("/results/utterances/0/transcript", json!(null)),
        ("/results/utterances/0/words/0/end", json!(null)),
        ("/results/channels/0/alternatives/0/transcript", json!(["Yeah."])),
    ] {
        assert!(read(&changed(pointer, value)).unwrap_err().starts_with("shape: "), "{pointer}");
    }
}

#[test]
fn times_beyond_the_audio_are_cut_to_its_end() {
    let answer = changed("/results/utterances/1/end", json!(99.0));
    assert_eq!(read(&answer).unwrap().lines[1].end_ms, 1_500);
}
