use std::time::Duration;

use serde_json::{Value, json};

use super::*;

/// As in the documentation, with words: their text has no punctuation.
pub(in super::super) fn documented() -> Value {
    json!({
        "task": "transcribe", "language": "english", "duration": 1.5, "text": "The beach. It was hot.",
        "words": [
            {"word": "The", "start": 0.0, "end": 0.2}, {"word": "beach", "start": 0.2, "end": 0.5},
            {"word": "It", "start": 0.7, "end": 0.8}, {"word": "was", "start": 0.8, "end": 1.0},
            {"word": "hot", "start": 1.0, "end": 1.3},
        ],
        "segments": [
            {"id": 0, "seek": 0, "start": 0.0, "end": 0.6, "text": " The beach.", "tokens": [1], "temperature": 0.0,
             "avg_logprob": -0.2, "compression_ratio": 1.2, "no_speech_prob": 0.01},
            {"id": 1, "seek": 0, "start": 0.6, "end": 1.4, "text": " It was hot.", "tokens": [1], "temperature": 0.0,
             "avg_logprob": -0.2, "compression_ratio": 1.2, "no_speech_prob": 0.01},
        ],
        "usage": {"type": "duration", "seconds": 2},
    })
}

fn read(answer: &Value) -> Result<Transcript, serde_json::Error> {
    let transcribed: Transcribed = serde_json::from_value(answer.clone())?;
    Ok(transcribed.transcript(Times::new(0, Duration::from_millis(1_500))))
}

fn spoken(line: &Utterance) -> Vec<(u32, u32, &str)> {
    line.words.iter().flatten().map(|word| (word.start_ms, word.end_ms, word.text.as_str())).collect()
}

#[test]
fn segments_are_lines_and_words_find_theirs() {
    let transcript = read(&documented()).unwrap();
    assert_eq!(transcript.language.as_deref(), Some("en"));
    let [first, second] = &transcript.lines[..] else { panic!("{transcript:?}") };
    assert_eq!((first.start_ms, first.end_ms, first.text.as_str()), (0, 600, "The beach."));
    assert_eq!((second.start_ms, second.end_ms, second.text.as_str()), (600, 1_400, "It was hot."));
    assert_eq!(spoken(first), [(0, 200, "The"), (200, 500, "beach")]);
    assert_eq!(spoken(second), [(700, 800, "It"), (800, 1_000, "was"), (1_000, 1_300, "hot")]);
}

#[test]
fn a_bare_text_is_one_line_without_words() {
    let transcript = read(&json!({"text": " The beach. "})).unwrap();
    let [line] = &transcript.lines[..] else { panic!("{transcript:?}") };
    assert_eq!((line.start_ms, line.end_ms, line.text.as_str(), &line.words), (0, 1_500, "The beach.", &None));
    assert_eq!(transcript.language, None);
}

#[test]
fn words_without_segments_say_when_the_text_was_spoken() {
    let mut answer = documented();
    answer["segments"] = json!(null);
    let transcript = read(&answer).unwrap();
    let [line] = &transcript.lines[..] else { panic!("{transcript:?}") };
    assert_eq!((line.start_ms, line.end_ms, line.text.as_str()), (0, 1_300, "The beach. It was hot."));
    assert_eq!(spoken(line).len(), 5);
}

#[test]
fn segments_may_have_speakers_and_words_of_their_own() {
    let mut answer = documented();
    answer["words"] = json!(null);
    answer["segments"][0]["speaker"] = json!("A");
    answer["segments"][1]["speaker"] = json!(1);
    answer["segments"][0]["words"] = json!([{"text": " The", "start": 0.0, "end": 0.2}, {"word": "beach"}]);
    let lines = read(&answer).unwrap().lines;
    assert_eq!(lines.iter().map(|line| line.speaker.as_deref()).collect::<Vec<_>>(), [Some("A"), Some("1")]);
    // A word without a time comes right behind the one before it.
    assert_eq!(spoken(&lines[0]), [(0, 200, "The"), (200, 200, "beach")]);
    assert_eq!(lines[1].words, None);
}

#[test]
fn an_empty_text_is_empty_and_what_has_no_text_is_no_answer() {
    for empty in [json!({"text": ""}), json!({"text": " ", "segments": [], "words": []})] {
        assert!(read(&empty).unwrap().is_empty());
    }
    for wrong in [
        json!({}),
        json!({"error": {"message": "no"}}),
        json!({"text": null}),
        json!({"text": ["yes"]}),
        json!({"text": "yes", "segments": [{"text": "yes"}]}),
        json!("yes"),
        json!([]),
    ] {
        assert!(read(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_word_behind_the_last_segment_belongs_to_it() {
    let mut answer = documented();
    answer["words"][4] = json!({"word": "hot", "start": 9.0, "end": 9.5});
    assert_eq!(spoken(&read(&answer).unwrap().lines[1])[2], (1_500, 1_500, "hot"));
}
