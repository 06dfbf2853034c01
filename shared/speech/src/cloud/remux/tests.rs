//! Decodes the written files again with the decoder for uploads.

use super::*;
use crate::cloud::testing::{opus, packets, read, samples, sound_alike};
use crate::pieces::pieces;

fn ogg(packets: &audio::Packets) -> Vec<u8> {
    remux(Frames { packets: &packets.packets, lead: packets.lead }, packets.duration).unwrap()
}

/// Flags, granule position and sequence number of each page.
fn pages(ogg: &[u8]) -> Vec<(u8, u64, u32)> {
    let starts = (0..ogg.len()).filter(|&at| ogg[at..].starts_with(b"OggS"));
    starts
        .map(|at| {
            let granule = u64::from_le_bytes(ogg[at + 6..at + 14].try_into().unwrap());
            (ogg[at + 5], granule, u32::from_le_bytes(ogg[at + 18..at + 22].try_into().unwrap()))
        })
        .collect()
}

#[test]
fn decoded_file_is_the_span_and_nothing_after_it() {
    for (start, end) in [(0, 1_500), (503, 2_111), (1_000, 2_985)] {
        let cut = packets(start, end);
        let decoded = read("x.opus", &ogg(&cut), 0, 100_000);
        let micros = i64::try_from(cut.lead.as_micros()).unwrap() - 6_500;
        let length = i64::from(end - start) * 1_000 + micros;
        assert_eq!(decoded.len() as i64, length * 16 / 1_000, "{start}");
        // Apart from the shift in time, the samples are the same once the decoder has converged.
        let expected = samples(start, end);
        let (decoded, expected) = match usize::try_from(micros) {
            Ok(before) => (&decoded[before * 16 / 1_000..], &expected[..]),
            Err(_) => (&decoded[..], &expected[(-micros) as usize * 16 / 1_000..]),
        };
        assert_eq!(decoded.len(), expected.len());
        let converged = 3_200..;
        let difference: f32 =
            decoded[converged.clone()].iter().zip(&expected[converged.clone()]).map(|(a, b)| (a - b).powi(2)).sum();
        let energy: f32 = expected[converged].iter().map(|sample| sample * sample).sum();
        assert!(difference < 0.01 * energy, "{start}: {difference} of {energy}");
    }
}

#[test]
fn each_second_has_a_page_and_the_last_one_is_trimmed() {
    let cut = packets(15, 2_977);
    let pages = pages(&ogg(&cut));
    assert_eq!(
        pages.iter().map(|(_, _, number)| *number).collect::<Vec<_>>(),
        (0..pages.len() as u32).collect::<Vec<_>>()
    );
    assert_eq!(pages[..2].iter().map(|(flags, granule, _)| (*flags, *granule)).collect::<Vec<_>>(), [(2, 0), (0, 0)]);
    let audio: Vec<(u8, u64)> = pages[2..].iter().map(|(flags, granule, _)| (*flags, *granule)).collect();
    let end = (cut.lead.as_micros() as u64 + 2_962_000) * 48 / 1_000;
    assert_eq!(audio, [(0, 48_000), (0, 96_000), (4, end)]);
    let total: u64 = cut.packets.iter().map(|packet| granules(opus::duration(packet))).sum();
    assert!(total > end && total - end < 480, "{total} {end}");
}

#[test]
fn file_is_hardly_larger_than_its_packets() {
    let cut = packets(0, 2_990);
    let bytes: usize = cut.packets.iter().map(Vec::len).sum();
    assert!(ogg(&cut).len() < bytes + cut.packets.len() + 300);
}

#[test]
fn pieces_decode_to_all_of_the_audio() {
    let cut = packets(103, 2_903);
    let pieces = pieces(opus(&cut), Duration::from_secs(1));
    assert!(pieces.len() >= 3);
    let mut decoded = Vec::new();
    for piece in pieces {
        let frames = piece.audio.frames.unwrap();
        let file = read("x.opus", &remux(frames, piece.audio.duration).unwrap(), 0, 100_000);
        let before = (frames.lead - LOOK_AHEAD).as_micros() as usize * 16 / 1_000;
        decoded.extend_from_slice(&file[before..]);
    }
    // The decoder of each piece needs a moment to converge, so that the samples differ a little after each cut.
    assert!(sound_alike(&decoded, &samples(103, 2_903)));
}
