use proptest::prelude::*;

use super::*;
use crate::cloud::testing::{opus, packets};
use crate::engine::Frames;
use crate::opus::{self, LOOK_AHEAD};

const SECOND: usize = SAMPLE_RATE as usize;
/// The first byte of a packet of 10, 20 and 60 ms.
const TOC: [u8; 3] = [0x00, 0x08, 0x18];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// When each piece but the first begins.
fn cut_at(audio: Audio<'_>, longest: Duration) -> Vec<u32> {
    pieces(audio, longest)[1..].iter().map(|piece| piece.start_ms).collect()
}

/// A packet of 20 ms for each size.
fn packets_of_20_ms(sizes: &[usize]) -> Vec<Vec<u8>> {
    sizes.iter().map(|size| [vec![TOC[1]], vec![0; size - 1]].concat()).collect()
}

#[test]
fn audio_within_the_limit_is_one_piece() {
    let (samples, recorded) = ([0.5; SECOND], packets(0, 1_000));
    for audio in [Audio::new(&samples), opus(&recorded)] {
        for longest in [1_000, 5_000] {
            let pieces = pieces(audio, ms(longest));
            assert_eq!((pieces.len(), pieces[0].start_ms), (1, 0));
            assert_eq!((pieces[0].audio.samples, pieces[0].audio.duration), (audio.samples, audio.duration));
        }
    }
}

#[test]
fn samples_are_cut_at_the_quietest_stretch() {
    let mut samples = vec![0.5; 5 * SECOND];
    samples[SECOND * 17 / 10..SECOND * 18 / 10].fill(0.01);
    assert_eq!(cut_at(Audio::new(&samples), ms(2_000)), [1_750, 3_700]);
}

#[test]
fn packets_are_cut_where_they_have_the_fewest_bytes() {
    let mut sizes = [60; 250];
    sizes[85..90].fill(3);
    let loud_and_quiet = packets_of_20_ms(&sizes);
    // The first 13 ms are not part of the audio.
    let frames = Frames { packets: &loud_and_quiet, lead: ms(13) };
    assert_eq!(cut_at(Audio::opus(frames, ms(4_987)), ms(2_000)), [1_740, 3_690]);
}

#[test]
fn equally_quiet_audio_is_cut_as_late_as_possible() {
    let constant = packets_of_20_ms(&[60; 250]);
    let frames = Frames { packets: &constant, lead: Duration::ZERO };
    assert_eq!(cut_at(Audio::opus(frames, ms(5_000)), ms(2_000)), [1_950, 3_900]);
    assert_eq!(cut_at(Audio::new(&vec![0.0; 5 * SECOND]), ms(2_000)), [1_950, 3_900]);
}

#[test]
fn samples_that_are_not_finite_are_cut_as_well() {
    for odd in [f32::NAN, f32::INFINITY, 0.0] {
        let samples = [odd; 2 * SECOND + 1];
        let pieces = pieces(Audio::new(&samples), SHORTEST);
        let together: usize = pieces.iter().map(|piece| piece.audio.samples.len()).sum();
        assert!(pieces.len() > 1 && together == samples.len(), "{odd}");
    }
}

#[test]
fn piece_begins_with_the_packets_that_its_decoder_needs() {
    let recorded = packets(100, 2_900);
    let audio = opus(&recorded);
    let pieces = pieces(audio, ms(1_000));
    assert!(pieces.len() >= 3);
    for piece in pieces {
        let frames = piece.audio.frames.unwrap();
        assert!(frames.lead >= LOOK_AHEAD && frames.lead < ms(27), "{:?}", frames.lead);
    }
}

#[test]
fn audio_is_taken_to_end_with_its_packets() {
    let one = [vec![TOC[1], 1, 2]];
    for (packets, lead, left) in [(&[][..], 0, 0), (&one, 5, 15), (&one, 30, 0)] {
        let pieces = pieces(Audio::opus(Frames { packets, lead: ms(lead) }, ms(9_000)), ms(1_000));
        assert_eq!((pieces.len(), pieces[0].audio.duration), (1, ms(left)));
    }
}

/// The position of a piece's first packet in the recording, found by its address in memory.
fn position(all: &[Vec<u8>], piece: &[Vec<u8>]) -> usize {
    all.iter().position(|packet| std::ptr::eq(packet, &piece[0])).unwrap()
}

fn end_of(packets: &[Vec<u8>]) -> Duration {
    packets.iter().map(|packet| opus::duration(packet)).sum()
}

/// Checks what holds for the pieces of any audio, and returns when the last one ends.
fn end_of_pieces(pieces: &[Piece<'_>], longest: Duration) -> Result<Duration, TestCaseError> {
    let longest = longest.max(SHORTEST);
    let mut at = Duration::ZERO;
    for piece in pieces {
        prop_assert_eq!(ms(piece.start_ms.into()), at);
        at += piece.audio.duration;
        prop_assert!(piece.audio.duration <= longest);
        let shortest = (longest / 10).saturating_sub(STEP);
        prop_assert!(pieces.len() == 1 || piece.audio.duration >= shortest, "{:?}", piece.audio);
    }
    Ok(at)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_sample_is_in_one_piece_and_pieces_are_neither_too_long_nor_too_short(
        count in 0..100_000_usize,
        longest in 0..3_000_u64,
        loudness in proptest::collection::vec(0.0..1.0_f32, 1..50),
    ) {
        let samples: Vec<f32> = (0..count).map(|index| loudness[index / 500 % loudness.len()]).collect();
        let audio = Audio::new(&samples);
        let pieces = pieces(audio, ms(longest));
        prop_assert_eq!(end_of_pieces(&pieces, ms(longest))?, audio.duration);
        let together: Vec<&[f32]> = pieces.iter().map(|piece| piece.audio.samples).collect();
        prop_assert!(together.concat() == samples);
    }

    #[test]
    fn every_moment_of_packets_is_in_one_piece_and_its_packets_cover_it(
        kinds in proptest::collection::vec((0..TOC.len(), 1..200_usize), 1..300),
        lead in 0..20_u64,
        trimmed in 0..9_u64,
        longest in 0..3_000_u64,
    ) {
        let all: Vec<Vec<u8>> = kinds.iter().map(|&(kind, size)| [vec![TOC[kind]], vec![0; size]].concat()).collect();
        let (lead, longest) = (ms(lead), ms(longest));
        let duration = end_of(&all).saturating_sub(lead + ms(trimmed));
        let pieces = pieces(Audio::opus(Frames { packets: &all, lead }, duration), longest);
        prop_assert_eq!(end_of_pieces(&pieces, longest)?, duration);
        for piece in pieces.iter().filter(|_| pieces.len() > 1) {
            let frames = piece.audio.frames.unwrap();
            let (first, start) = (position(&all, frames.packets), lead + ms(piece.start_ms.into()));
            prop_assert_eq!(end_of(&all[..first]) + frames.lead, start);
            prop_assert!(frames.lead >= LOOK_AHEAD.min(start) && frames.lead < LOOK_AHEAD + ms(60));
            let end = frames.lead + piece.audio.duration;
            // The last packet is needed, and no packet after it.
            prop_assert!(end_of(frames.packets) >= end && end_of(&frames.packets[..frames.packets.len() - 1]) < end);
        }
    }
}
