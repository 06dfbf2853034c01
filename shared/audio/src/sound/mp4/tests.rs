//! Indexes that no recorder writes.

use std::io::{self, Cursor, Seek};

use super::*;
use crate::testing::{format_file, sound};

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A file whose index has these packet sizes, runs and chunk positions, behind this audio. The audio begins at byte 8.
fn file(audio: &[u8], sizes: &[u8], runs: &[u8], chunks: &[u8]) -> Vec<u8> {
    let clip = sound("16000_1.m4a");
    let from = clip.windows(4).position(|four| four == b"stsd").unwrap() - 4;
    let size = u32::from_be_bytes(clip[from..from + 4].try_into().unwrap()) as usize;
    let stbl = [clip[from..from + size].to_vec(), boxed(b"stsz", sizes), boxed(b"stsc", runs), boxed(b"stco", chunks)];
    let header = boxed(b"mdhd", &numbers([0, 0, 0, 16_000, 0]));
    let tables = boxed(b"minf", &boxed(b"stbl", &stbl.concat()));
    let index = boxed(b"moov", &boxed(b"trak", &boxed(b"mdia", &[header, tables].concat())));
    [boxed(b"mdat", audio), index].concat()
}

/// Counts how often reading jumps to another position.
struct Jumping {
    bytes: Cursor<Vec<u8>>,
    jumps: u32,
}

impl Read for Jumping {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(into)
    }
}

impl Seek for Jumping {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let before = self.bytes.position();
        let now = self.bytes.seek(to)?;
        self.jumps += u32::from(now != before);
        Ok(now)
    }
}

fn packets_of(file: Vec<u8>) -> (u32, Damage, u32) {
    let mut jumping = Jumping { bytes: Cursor::new(file), jumps: 0 };
    let (packets, damage) = {
        let mut mp4 = Mp4::open(&mut jumping, 0).unwrap();
        let (mut packets, mut packet) = (0, Vec::new());
        while let Some(part) = mp4.next(&mut packet).unwrap() {
            packets += u32::from(matches!(part, Part::Packet { .. }));
        }
        assert!(mp4.next(&mut packet).unwrap().is_none(), "the end stays the end");
        (packets, mp4.damage())
    };
    (packets, damage, jumping.jumps)
}

/// Each jump would reopen a file in the cloud.
#[test]
fn file_with_packets_scattered_everywhere_is_given_up() {
    let (count, audio) = (20_000, vec![0; 2 << 20]);
    let sizes = [numbers([0, 0, count]), numbers((0..count).map(|_| 9))].concat();
    let chunks = [numbers([0, count]), numbers((0..count).map(|n| if n % 2 == 0 { 8 + n } else { 2_000_000 - n }))];
    let (packets, damage, jumps) = packets_of(file(&audio, &sizes, &numbers([0, 1, 1, 1, 1]), &chunks.concat()));
    assert!(packets < 200 && damage.beyond_packet && damage.dropped_bytes > 2_000_000, "{packets}: {damage:?}");
    assert!(jumps < 400, "{jumps}");
}

#[test]
fn packets_that_are_apart_are_read_in_one_pass() {
    let (count, audio) = (2_000, vec![0; 2 << 20]);
    let sizes = [numbers([0, 0, count]), numbers((0..count).map(|_| 9))].concat();
    let chunks = [numbers([0, count]), numbers((0..count).map(|n| 8 + n * 1_000))].concat();
    let (packets, damage, jumps) = packets_of(file(&audio, &sizes, &numbers([0, 1, 1, 1, 1]), &chunks));
    // The bytes between them belong to nothing.
    let between = (2 << 20) - u64::from(count) * 9;
    assert_eq!((packets, damage.dropped_bytes, damage.beyond_packet), (count, between, true));
    assert!(jumps < 40, "{jumps}");
}

#[test]
fn tables_claiming_four_thousand_million_entries_are_limited_by_available_room() {
    let most = u32::MAX;
    let sizes = [numbers([0, 0, most]), numbers([9, 9, 9])].concat();
    let lying = file(&[0; 4_000], &sizes, &numbers([0, most, 1, most, 1]), &numbers([0, most, 8]));
    assert_eq!(packets_of(lying).0, 3);
    // All packets have one size, and one chunk has all of them.
    let even = file(&[0; 4_000], &numbers([0, 100, most]), &numbers([0, 1, 1, most, 1]), &numbers([0, 1, 8]));
    let (packets, damage, _) = packets_of(even);
    assert!(packets < 50 && damage.beyond_packet && damage.dropped_bytes < 10_000, "{packets}: {damage:?}");
    // Chunks without packets.
    let chunks = [numbers([0, 100_000]), numbers((0..100_000).map(|_| 8))].concat();
    let empty = file(&[0; 4_000], &sizes, &numbers([0, 1, 1, 0, 1]), &chunks);
    assert_eq!(packets_of(empty).0, 0);
}

/// The clip with a second track that holds the same audio and is declared as sound or as text.
fn with_second_track(is_sound: bool) -> (Vec<u8>, u64) {
    let clip = format_file("aac.m4a");
    let place = |kind: &[u8; 4]| clip.windows(4).position(|four| four == kind).unwrap() - 4;
    let size = |at: usize| u32::from_be_bytes(clip[at..at + 4].try_into().unwrap()) as usize;
    let (moov, trak, mdat) = (place(b"moov"), place(b"trak"), place(b"mdat"));
    assert!(mdat < moov && moov + size(moov) == clip.len());
    let audio = &clip[mdat..mdat + size(mdat)];
    let mut second = clip[trak..trak + size(trak)].to_vec();
    let within = |kind: &[u8; 4]| second.windows(4).position(|four| four == kind).unwrap() + 4;
    let (tkhd, stco, hdlr) = (within(b"tkhd"), within(b"stco"), within(b"hdlr"));
    second[tkhd + 12..tkhd + 16].copy_from_slice(&2u32.to_be_bytes());
    if !is_sound {
        second[hdlr + 8..hdlr + 12].copy_from_slice(b"text");
    }
    let count = u32::from_be_bytes(second[stco + 4..stco + 8].try_into().unwrap()) as usize;
    for chunk in second[stco + 8..stco + 8 + 4 * count].chunks_exact_mut(4) {
        let at = u32::from_be_bytes(chunk.try_into().unwrap()) + (moov - mdat) as u32;
        chunk.copy_from_slice(&at.to_be_bytes());
    }
    let index = boxed(b"moov", &[&clip[moov + 8..], &second].concat());
    ([&clip[..moov], audio, &index].concat(), audio.len() as u64 - 8)
}

#[test]
fn second_sound_track_counts_as_dropped_and_other_track_does_not() {
    let one = packets_of(format_file("aac.m4a"));
    let (file, audio) = with_second_track(true);
    let (packets, damage, _) = packets_of(file.clone());
    assert_eq!((packets, damage), (one.0, Damage { dropped_bytes: audio, beyond_packet: true }));
    let heard = crate::sound::tests::found("m4a", &file).unwrap();
    assert!(heard.verdict() == crate::Verdict::Speech && heard.survey.is_damaged());
    let (file, _) = with_second_track(false);
    assert_eq!((packets_of(file).1, one.1), (Damage::default(), Damage::default()));
}

/// An index that was inserted before a fragment moved it: then only the audio of its first track is where nothing else
/// is.
#[test]
fn all_tracks_of_moved_fragment_are_found() {
    let clip = format_file("aac.m4a");
    let stsd = clip.windows(4).position(|four| four == b"stsd").unwrap() - 4;
    let size = u32::from_be_bytes(clip[stsd..stsd + 4].try_into().unwrap()) as usize;
    let track = |id: u32, kind: &[u8; 4]| {
        let mut description = clip[stsd..stsd + size].to_vec();
        if kind == b"vide" {
            description[20..24].copy_from_slice(b"mp4v");
        }
        let stbl = [&description[..], &boxed(b"stsz", &numbers([0, 0, 0]))].concat();
        let media = [
            boxed(b"mdhd", &numbers([0, 0, 0, 16_000, 0])),
            boxed(b"hdlr", &[&[0; 8][..], kind, &[0; 13]].concat()),
            boxed(b"minf", &boxed(b"stbl", &stbl)),
        ];
        boxed(b"trak", &[boxed(b"tkhd", &numbers([0, 0, 0, id])), boxed(b"mdia", &media.concat())].concat())
    };
    let index = boxed(b"moov", &[track(1, b"vide"), track(2, b"soun")].concat());
    let (pictures, sounds) = ([7; 5_000], [9; 300]);
    let at = index.len() as u32;
    let fragment = |moved: u32, audio: u32| {
        let traf = |track: u32, size: u32, behind: u32| {
            let head = boxed(b"tfhd", &numbers([0x11, track, 0, at + moved, size]));
            boxed(b"traf", &[head, boxed(b"trun", &numbers([1, 1, behind]))].concat())
        };
        let trafs = [traf(1, 5_000, audio), traf(2, 300, audio + 5_000)].concat();
        boxed(b"moof", &[boxed(b"mfhd", &numbers([0, 1])), trafs].concat())
    };
    let audio = fragment(0, 0).len() as u32 + 8;
    let free = boxed(b"free", &[0; 100]);
    for (before, moved) in [(&free[..], 0), (&free[..], free.len() as u32), (&[][..], 0)] {
        let media = boxed(b"mdat", &[&pictures[..], &sounds].concat());
        let file = [&index[..], before, &fragment(moved, audio), &media].concat();
        let mut cursor = Cursor::new(file);
        let (mut mp4, mut packet) = (Mp4::open(&mut cursor, 0).unwrap(), Vec::new());
        assert!(matches!(mp4.next(&mut packet).unwrap(), Some(Part::Stream(_))));
        assert!(matches!(mp4.next(&mut packet).unwrap(), Some(Part::Packet { .. })));
        assert!(packet == sounds, "{moved}");
        assert!(mp4.next(&mut packet).unwrap().is_none());
        assert_eq!(mp4.damage(), Damage::default(), "{moved}");
    }
}

#[test]
fn file_with_nothing_but_boxes_is_reported() {
    let boxes = boxed(b"free", &[]).repeat(5_000);
    let mut cursor = Cursor::new(boxes);
    let error = Mp4::open(&mut cursor, 0).unwrap().next(&mut Vec::new()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no index"), "{error}");
}
