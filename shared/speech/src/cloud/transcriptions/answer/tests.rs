use std::time::Duration;

use serde_json::{Value, json};

use super::*;

/// An answer as in the documentation, with words, whose text has no punctuation.
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
    let response: TranscriptionResponse = serde_json::from_value(answer.clone())?;
    Ok(response.transcript(Times::new(0, Duration::from_millis(1_500))))
}

fn timed_words(line: &Utterance) -> Vec<(u32, u32, &str)> {
    line.words.iter().flatten().map(|word| (word.start_ms, word.end_ms, word.text.as_str())).collect()
}

#[test]
fn segments_become_lines_and_words_are_assigned_to_them() {
    let transcript = read(&documented()).unwrap();
    assert_eq!(transcript.language.as_deref(), Some("en"));
    let [first, second] = &transcript.lines[..] else { panic!("{transcript:?}") };
    assert_eq!((first.start_ms, first.end_ms, first.text.as_str()), (0, 600, "The beach."));
    assert_eq!((second.start_ms, second.end_ms, second.text.as_str()), (600, 1_400, "It was hot."));
    assert_eq!(timed_words(first), [(0, 200, "The"), (200, 500, "beach")]);
    assert_eq!(timed_words(second), [(700, 800, "It"), (800, 1_000, "was"), (1_000, 1_300, "hot")]);
}

#[test]
fn text_without_segments_is_one_line_without_words() {
    let transcript = read(&json!({"text": " The beach. "})).unwrap();
    let [line] = &transcript.lines[..] else { panic!("{transcript:?}") };
    assert_eq!((line.start_ms, line.end_ms, line.text.as_str(), &line.words), (0, 1_500, "The beach.", &None));
    assert_eq!(transcript.language, None);
}

#[test]
fn words_without_segments_give_the_times_of_the_line() {
    let mut answer = documented();
    answer["segments"] = json!(null);
    let transcript = read(&answer).unwrap();
    let [line] = &transcript.lines[..] else { panic!("{transcript:?}") };
    assert_eq!((line.start_ms, line.end_ms, line.text.as_str()), (0, 1_300, "The beach. It was hot."));
    assert_eq!(timed_words(line).len(), 5);
}

#[test]
fn segments_may_have_speakers_and_their_own_words() {
    let mut answer = documented();
    answer["words"] = json!(null);
    answer["segments"][0]["speaker"] = json!("A");
    answer["segments"][1]["speaker"] = json!(1);
    answer["segments"][0]["words"] = json!([{"text": " The", "start": 0.0, "end": 0.2}, {"word": "beach"}]);
    let lines = read(&answer).unwrap().lines;
    assert_eq!(lines.iter().map(|line| line.speaker.as_deref()).collect::<Vec<_>>(), [Some("A"), Some("1")]);
    // A word without a time gets the end of the previous word.
    assert_eq!(timed_words(&lines[0]), [(0, 200, "The"), (200, 200, "beach")]);
    assert_eq!(lines[1].words, None);
}

#[test]
fn empty_text_is_an_empty_transcript_and_missing_text_is_an_error() {
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
fn word_after_the_last_segment_belongs_to_it() {
    let mut answer = documented();
    answer["words"][4] = json!({"word": "hot", "start": 9.0, "end": 9.5});
    assert_eq!(timed_words(&read(&answer).unwrap().lines[1])[2], (1_500, 1_500, "hot"));
}
