//! Packets that were cut out of a file are detected by its numbers, times or indexes. What is missing in the middle is
//! damage; what a recorder left out is not.

mod files;

use self::files::{PACKET_MS, Unit, fragments, indexes, mp4, ogg, packets, units, units_of, webm, webm_lasting};
use super::found;
use crate::testing::fixture_samples;
use crate::{Analysis, Verdict};

type Muxer = fn(&[Unit]) -> Vec<u8>;
const MUXERS: [(&str, Muxer); 3] = [("opus", ogg), ("webm", webm), ("mp4", mp4)];

/// Nine seconds of speech, and nine seconds of silence.
fn recordings() -> [Vec<f32>; 2] {
    [fixture_samples("ss0880_pcm16").repeat(3), vec![0.0; 9 * 16_000]]
}

fn analysed(name: &str, bytes: &[u8]) -> Analysis {
    found(name, bytes).unwrap()
}

fn is_whole(name: &str, bytes: &[u8]) -> bool {
    let found = analysed(name, bytes);
    assert_eq!(found.survey.is_damaged(), found.survey.dropped_beyond_packet, "{name}");
    assert!(!found.survey.is_damaged() || found.verdict() != Verdict::Silent, "{name}");
    !found.survey.is_damaged()
}

/// Numbers the units anew and keeps their times.
fn renumbered(units: &[Unit]) -> Vec<Unit> {
    let first = units[0].number;
    (first..).zip(units).map(|(number, unit)| Unit { number, ..unit.clone() }).collect()
}

/// Closes the gaps in the times of the units and keeps their numbers.
fn without_gaps(units: &[Unit]) -> Vec<Unit> {
    (0..).zip(units).map(|(n, unit)| Unit { at_ms: n * 1_000, ..unit.clone() }).collect()
}

fn without(units: &[Unit], gone: std::ops::Range<usize>) -> Vec<Unit> {
    [&units[..gone.start], &units[gone.end..]].concat()
}

#[test]
fn complete_file_is_whole_and_silence_in_it_is_silent() {
    for (name, muxed) in MUXERS {
        let [speech, silence] = recordings().map(|samples| analysed(name, &muxed(&units(&samples, 2))));
        assert_eq!((speech.verdict(), speech.survey.is_damaged()), (Verdict::Speech, false), "{name}");
        assert_eq!((silence.verdict(), silence.survey.is_damaged()), (Verdict::Silent, false), "{name}");
    }
}

#[test]
fn packets_cut_out_of_the_middle_are_damage() {
    for samples in recordings() {
        let whole = units(&samples, 2);
        for (name, muxed) in MUXERS {
            for gone in [1..2, 4..6, 6..7] {
                let cut = without(&whole, gone.clone());
                assert!(!is_whole(name, &muxed(&cut)), "{name} without {gone:?}");
                // Two seconds are cut from every file, because a gap of one second is tolerated between fragments.
                let cut = renumbered(&without(&whole, gone.start..gone.start + 2));
                assert!(!is_whole(name, &muxed(&cut)), "{name} without {gone:?}, numbered anew");
            }
        }
    }
}

/// Each gap alone is short enough to be tolerated.
#[test]
fn short_gaps_that_add_up_are_damage() {
    for samples in recordings() {
        let whole = units_of(&packets(&samples, false), 5, 2);
        for (name, muxed) in MUXERS {
            assert!(is_whole(name, &muxed(&whole)), "{name}");
            let kept: Vec<Unit> = whole.iter().step_by(2).cloned().collect();
            assert!(!is_whole(name, &muxed(&renumbered(&kept))), "{name}");
        }
    }
}

#[test]
fn empty_packets_left_out_by_encoder_are_not_missing() {
    let [speech, silence] = recordings();
    let samples = [&speech[..48_000], &silence, &silence, &speech[..48_000]].concat();
    let packets = packets(&samples, true);
    assert!(packets.iter().filter(|packet| packet.len() <= 2).count() > 500);
    let whole = units_of(&packets, 1, 2);
    // The first empty packet of a row stands for all of them.
    let is_empty = |n: usize| packets[n].len() <= 2;
    let kept: Vec<Unit> =
        (0..whole.len()).filter(|n| *n == 0 || !is_empty(*n) || !is_empty(n - 1)).map(|n| whole[n].clone()).collect();
    for (name, muxed) in MUXERS {
        assert!(is_whole(name, &muxed(&renumbered(&kept))), "{name}");
    }
}

/// A stall, and a clock with irregular times.
#[test]
fn times_of_live_recording_may_be_irregular_and_stall_once() {
    let wavering: Vec<Unit> = (0..)
        .zip(units_of(&packets(&recordings()[0].repeat(7), false), 5, 2))
        .map(|(n, unit)| Unit { at_ms: unit.at_ms + [0, 90, 30, 60][n % 4], ..unit })
        .collect();
    let stalled = units(&recordings()[0], 2)
        .into_iter()
        .map(|unit| Unit { at_ms: unit.at_ms + if unit.number > 5 { 650 } else { 0 }, ..unit });
    for units in [wavering, stalled.collect()] {
        for (name, muxed) in &MUXERS[1..] {
            assert!(is_whole(name, &muxed(&units)), "{name}");
        }
    }
}

#[test]
fn packets_in_wrong_order_are_damage() {
    for samples in recordings() {
        for many in [5, 50] {
            let whole = units_of(&packets(&samples, false), many, 2);
            let turned: Vec<Unit> =
                (2..).zip(whole.into_iter().rev()).map(|(number, unit)| Unit { number, ..unit }).collect();
            for (name, muxed) in MUXERS {
                assert!(!is_whole(name, &muxed(&turned)), "{name} {many}");
            }
        }
    }
}

#[test]
fn duration_of_webm_file_counts_from_zero_and_for_all_tracks() {
    let whole = units(&recordings()[0], 2);
    let ms = whole.len() as f32 * 1_000.0;
    let late: Vec<Unit> = whole.iter().map(|unit| Unit { at_ms: unit.at_ms + 2_000, ..unit.clone() }).collect();
    assert!(is_whole("webm", &webm_lasting(Some(ms), false, &whole)));
    assert!(is_whole("webm", &webm_lasting(Some(ms + 2_000.0), false, &late)), "it begins late");
    assert!(is_whole("webm", &webm_lasting(Some(ms + 5_000.0), true, &whole)), "pictures last longer");
    assert!(!is_whole("webm", &webm_lasting(Some(ms), false, &whole[..6])), "the end is missing");
    assert!(!is_whole("webm", &webm_lasting(Some(ms + 2_000.0), false, &late[..6])), "the end is missing");
}

#[test]
fn numbers_alone_reveal_missing_pages_and_fragments_without_times() {
    for samples in recordings() {
        let cut = without_gaps(&without(&units(&samples, 2), 4..5));
        assert!(!is_whole("opus", &ogg(&cut)));
        let (head, cut) = fragments(&cut, false);
        assert!(!is_whole("mp4", &[head, cut.concat()].concat()));
    }
}

/// Numbers are missing where another track was removed from a file, but the times continue.
#[test]
fn fragments_with_continuous_times_are_whole_whatever_their_numbers() {
    let whole = units(&recordings()[0], 2);
    for number in [|n: u32| 3 * n, |_| 0, |n: u32| 100 - n, |n: u32| n % 3] {
        let numbered: Vec<Unit> =
            (0..).zip(&whole).map(|(n, unit)| Unit { number: number(n), ..unit.clone() }).collect();
        assert!(is_whole("mp4", &mp4(&numbered)));
    }
}

#[test]
fn file_that_begins_in_the_middle_or_lacks_its_end_is_whole() {
    let whole = units(&recordings()[0], 2);
    for (name, muxed) in MUXERS {
        let later: Vec<Unit> = (2..).zip(&whole[3..]).map(|(number, unit)| Unit { number, ..unit.clone() }).collect();
        assert!(is_whole(name, &muxed(&later)), "{name}");
        assert!(is_whole(name, &muxed(&whole[..5])), "{name}");
    }
    assert!(is_whole("mp4", &mp4(&whole[3..])), "the first number may be any");
}

/// With DTX an encoder sends a packet of silence every 400 ms.
#[test]
fn packets_left_out_by_dtx_are_not_missing() {
    let [mut speech, silence] = recordings();
    speech.extend(silence);
    for (name, muxed) in MUXERS {
        let mut sent: Vec<Unit> = Vec::new();
        for unit in units(&speech, 2) {
            if unit.number < 12 {
                sent.push(unit);
            } else {
                let number = sent.len() as u32 + 2;
                // The 400 ms count from the start of the silence.
                let times = (unit.at_ms..unit.at_ms + 1_000).filter(|ms| ms % 400 == 0);
                sent.extend((number..).zip(times).map(|(number, at_ms)| {
                    let packet = unit.packets[((at_ms - unit.at_ms) / PACKET_MS) as usize].clone();
                    Unit { number, at_ms, packets: vec![packet] }
                }));
            }
        }
        assert!(is_whole(name, &muxed(&sent)), "{name}");
    }
}

/// A microphone that stalls within a cluster.
#[test]
fn webm_block_may_be_a_little_late_but_not_much() {
    let late = |ms: u32| {
        let mut units = units(&recordings()[0], 2);
        let rest = units[4].packets.split_off(25);
        let at_ms = units[4].at_ms + 500 + ms;
        let mut file = webm(&units[..5]);
        // The same cluster continues.
        for (n, packet) in (0..).zip(&rest) {
            let behind = i16::try_from(at_ms - units[4].at_ms + n * PACKET_MS).unwrap();
            let block = [&[0x81][..], &behind.to_be_bytes(), &[0x80], packet].concat();
            file.extend([&[0xA3][..], &(0x1000_0000 | block.len() as u32).to_be_bytes(), &block].concat());
        }
        file
    };
    for ms in [0, 500, 1_500] {
        assert!(is_whole("webm", &late(ms)), "{ms}");
    }
    assert!(!is_whole("webm", &late(2_500)));
}

#[test]
fn fragments_promised_by_index_are_present_or_count_as_damage() {
    for samples in recordings() {
        let whole = units(&samples, 2);
        let (head, promised) = fragments(&whole, true);
        let (sidx, mfra) = indexes(&promised, head.len());
        let kept = |gone: std::ops::Range<usize>| fragments(&without_gaps(&renumbered(&without(&whole, gone))), true).1;
        let nothing = Vec::new();
        let first = indexes(&promised, head.len() - sidx.len()).1;
        for (before, behind) in [(&sidx, &nothing), (&nothing, &first), (&sidx, &mfra)] {
            let file = |fragments: &[Vec<u8>]| [&head[..], before, &fragments.concat(), behind].concat();
            assert!(is_whole("mp4", &file(&promised)));
            for gone in [0..1, 4..5, 8..9] {
                assert!(!is_whole("mp4", &file(&kept(gone.clone()))), "{gone:?}");
            }
        }
    }
}
