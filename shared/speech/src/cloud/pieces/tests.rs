use super::*;
use crate::cloud::testing::{opus, packets};
use crate::engine::{Utterance, Word};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn audio_within_the_limit_is_one_piece() {
    let samples = [0.5; 16_000];
    for most in [1_000, 5_000] {
        let pieces = pieces(Audio::new(&samples), ms(most));
        assert_eq!(pieces.len(), 1);
        assert_eq!((pieces[0].0, pieces[0].1.samples.len()), (Duration::ZERO, 16_000));
    }
}

#[test]
fn samples_are_cut_at_the_quietest_stretch_and_none_is_lost() {
    let mut samples = vec![0.5; 16_000 * 5];
    samples[16_000 * 17 / 10..16_000 * 18 / 10].fill(0.01);
    let pieces = pieces(Audio::new(&samples), ms(2_000));
    assert!(pieces[1].0.abs_diff(ms(1_750)) < ms(15), "{:?}", pieces[1].0);
    let mut at = Duration::ZERO;
    for (start, piece) in &pieces {
        assert!(*start == at && piece.duration <= ms(2_000), "{start:?}");
        at += piece.duration;
    }
    let together: usize = pieces.iter().map(|(_, piece)| piece.samples.len()).sum();
    assert_eq!((together, at), (samples.len(), ms(5_000)));
}

#[test]
fn pieces_share_packets_that_the_decoder_needs_and_times_stay_correct() {
    let cut = packets(100, 2_900);
    let whole = opus(&cut);
    let pieces = pieces(whole, ms(1_000));
    assert!(pieces.len() >= 3);
    let mut at = Duration::ZERO;
    let all = whole.frames.unwrap();
    for (start, piece) in pieces {
        assert!(start == at && piece.duration <= ms(1_000), "{start:?}");
        at += piece.duration;
        let frames = piece.frames.unwrap();
        // The position of the piece's first packet in the recording, found by its address in memory.
        let first = all.packets.iter().position(|packet| packet.as_ptr() == frames.packets[0].as_ptr()).unwrap();
        assert_eq!(ms(10) * first as u32 + frames.lead, start + all.lead);
        assert!(frames.lead >= LOOK_AHEAD && frames.lead < ms(27), "{:?}", frames.lead);
        let last = ms(10) * (first + frames.packets.len()) as u32;
        assert!(last >= start + all.lead + piece.duration, "the end is not covered");
    }
    assert_eq!(at, whole.duration);
}

#[test]
fn cutting_ends_if_packets_are_shorter_than_the_duration() {
    let none = Frames { packets: &[], lead: Duration::ZERO };
    assert_eq!(pieces(Audio::opus(none, ms(9_000)), ms(1_000)).len(), 1);
    let one = [vec![0x08, 1, 2]];
    let few = Frames { packets: &one, lead: ms(10) };
    assert!(pieces(Audio::opus(few, ms(9_000)), ms(1_000)).len() <= 2);
}

#[test]
fn times_of_later_pieces_count_from_the_start_of_the_audio() {
    let line = |at| Utterance {
        start_ms: at,
        end_ms: at + 10,
        text: "yes".into(),
        speaker: None,
        words: Some(vec![Word { start_ms: at, end_ms: at + 10, text: "yes".into() }]),
    };
    let piece = |language: &str| Transcript { language: Some(language.into()), lines: vec![line(5)] };
    let mut whole = Transcript::default();
    join(&mut whole, Duration::ZERO, piece("en"));
    join(&mut whole, ms(1_500), piece("de"));
    assert_eq!(whole, Transcript { language: Some("en".into()), lines: vec![line(5), line(1_505)] });
}
