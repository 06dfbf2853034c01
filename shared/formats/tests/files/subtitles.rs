//! Subtitles of random conversations keep the rules, and have all of the text.

use formats::{Conversation, Format, Head, Options, Segment, Word, to_string};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use crate::arbitrary::{NAMES, any_conversation, config, orderly, wild};
use crate::srt_parser::{self, SrtCue};
use crate::visible::{sorted, text, visible};
use crate::vtt_parser::{self, VttCue};

fn srt<'a>(conversations: impl IntoIterator<Item = &'a Conversation>) -> Vec<SrtCue> {
    let file = to_string(Format::Srt, Options::default(), conversations);
    srt_parser::parse(&file).unwrap_or_else(|why| panic!("{why} in\n{file}"))
}

fn vtt<'a>(conversations: impl IntoIterator<Item = &'a Conversation>) -> Vec<VttCue> {
    let file = to_string(Format::Vtt, Options::default(), conversations);
    vtt_parser::parse(&file).unwrap_or_else(|why| panic!("{why} in\n{file}"))
}

/// Times and lines of a cue.
type Shape = (u64, u64, Vec<String>);

fn check_rules(cues: impl IntoIterator<Item = Shape>) -> Result<(), TestCaseError> {
    let mut free_from = 0;
    for (start, end, lines) in cues {
        prop_assert!(start >= free_from, "{lines:?} overlaps the cue before: {start} < {free_from}");
        prop_assert!((1000..=7000).contains(&(end - start)), "{lines:?} stays {} ms", end - start);
        prop_assert!((1..=2).contains(&lines.len()), "{lines:?}");
        for line in &lines {
            prop_assert!(line.width() <= 42 && !line.trim().is_empty(), "{} columns: {line:?}", line.width());
        }
        free_from = end;
    }
    Ok(())
}

fn shapes_of_vtt(cues: &[VttCue]) -> Vec<Shape> {
    let lines = |cue: &VttCue| cue.voices.iter().flat_map(|voice| voice.1.split('\n')).map(str::to_owned).collect();
    cues.iter().map(|cue| (cue.start, cue.end, lines(cue))).collect()
}

/// The text of a file without the names before it.
fn without_names(cues: &[SrtCue]) -> String {
    let all: String = cues.iter().flat_map(|cue| &cue.lines).map(|line| visible(line)).collect();
    NAMES.iter().fold(all, |all, name| all.replace(&format!("{}:", visible(name)), ""))
}

fn said_by(cues: &[VttCue], speaker: Option<&str>) -> String {
    let voices = cues.iter().flat_map(|cue| &cue.voices).filter(|voice| voice.0.as_deref() == speaker);
    voices.map(|voice| visible(&voice.1)).collect()
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn cues_have_two_lines_and_one_to_seven_seconds_and_never_overlap(
        conversations in proptest::collection::vec(any_conversation(), 1..4),
    ) {
        check_rules(srt(&conversations).into_iter().map(|cue| (cue.start, cue.end, cue.lines)))?;
        check_rules(shapes_of_vtt(&vtt(&conversations)))?;
    }

    #[test]
    fn all_text_of_an_orderly_conversation_is_there_in_its_order(conversation in orderly()) {
        prop_assert_eq!(without_names(&srt([&conversation])), text(&conversation));
        let cues = vtt([&conversation]);
        let all: String = cues.iter().flat_map(|cue| &cue.voices).map(|voice| visible(&voice.1)).collect();
        prop_assert_eq!(all, text(&conversation));
    }

    #[test]
    fn no_text_of_a_wild_conversation_is_lost_or_doubled_or_said_by_another(conversation in wild()) {
        prop_assert_eq!(sorted(&without_names(&srt([&conversation]))), sorted(&text(&conversation)));
        let cues = vtt([&conversation]);
        for speaker in NAMES.iter().copied().map(Some).chain([None]) {
            let is_of = |segment: &&Segment| segment.speaker.as_deref() == speaker;
            let segments = conversation.segments.iter().filter(is_of).cloned().collect();
            let spoken = text(&Conversation { head: Head::default(), segments });
            prop_assert_eq!(sorted(&said_by(&cues, speaker)), sorted(&spoken));
        }
    }

    /// At the pace of speech nothing needs to move: cues appear with their first word, and stay until their last one.
    #[test]
    fn cue_is_on_time(lengths in proptest::collection::vec((200..600_i64, 0..3000_i64, 1..12_usize), 1..60)) {
        let (mut words, mut at) = (Vec::new(), 0);
        for (number, (length, pause, letters)) in lengths.into_iter().enumerate() {
            let text = format!("{number}{}", "x".repeat(letters));
            words.push(Word { start_ms: at, end_ms: at + length, text });
            at += length + if pause > 2000 { pause } else { 0 };
        }
        let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let segment = Segment { end_ms: at, text, words: Some(words.clone()), ..Segment::default() };
        let cues = srt([&Conversation { head: Head::default(), segments: vec![segment] }]);
        let mut late = 0;
        for cue in cues {
            let spoken: Vec<&str> = cue.lines.iter().flat_map(|line| line.split(' ')).collect();
            let time_of = |text: &str| words.iter().find(|word| word.text == text).unwrap();
            let (first, last) = (time_of(spoken[0]), time_of(spoken[spoken.len() - 1]));
            let appears = cue.start as i64 - first.start_ms;
            prop_assert!(appears >= 0 && appears <= late, "{appears} ms late: {:?}", cue);
            prop_assert!(cue.end as i64 >= last.end_ms.min(cue.start as i64 + 7000), "it ends too early: {:?}", cue);
            // A cue that is too short for a second moves the next one.
            late = (cue.end as i64 - last.end_ms).max(0);
        }
    }
}
