//! Tests every row of the table in `audio/src/frames.rs`, and bytes without meaning.

use proptest::prelude::*;

use super::*;

/// Gives bytes in pieces of the sizes in `steps`, and fails once after `fails_at` bytes.
struct Slow<'a> {
    bytes: &'a [u8],
    steps: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    read: usize,
    fails_at: Option<usize>,
}

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.fails_at.is_some_and(|at| self.read >= at) {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "unexpected network reset"));
        }
        let size = self.steps.next().copied().unwrap_or(1).max(1).min(into.len()).min(self.bytes.len());
        into[..size].copy_from_slice(&self.bytes[..size]);
        self.bytes = &self.bytes[size..];
        self.read += size;
        Ok(size)
    }
}

fn read_all(mut bytes: &[u8]) -> (Vec<Vec<u8>>, Damage) {
    collect(Frames::new(&mut bytes)).unwrap()
}

fn collect(mut frames: Frames) -> io::Result<(Vec<Vec<u8>>, Damage)> {
    let mut found = Vec::new();
    while let Some(frame) = frames.next_frame()? {
        found.push(frame.to_vec());
    }
    assert!(frames.next_frame()?.is_none(), "the end stays the end");
    Ok((found, frames.damage()))
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

fn tag(tag: u32, bytes_after: usize) -> Vec<u8> {
    [&tag.to_le_bytes()[..], &vec![0xFF; bytes_after]].concat()
}

fn two() -> Vec<Vec<u8>> {
    vec![b"one".to_vec(), b"two".to_vec()]
}

#[test]
fn whole_frames_are_read_without_drops() {
    assert_eq!(read_all(&[frame(b"one"), frame(b"two")].concat()), (two(), Damage::default()));
    assert_eq!(read_all(b""), (vec![], Damage::default()));
    let longest = vec![7; MAX_FRAME_BYTES];
    let file = [frame(&longest), frame(&longest), frame(b"x")].concat();
    assert_eq!(read_all(&file), (vec![longest.clone(), longest, b"x".to_vec()], Damage::default()));
}

#[test]
fn empty_lengths_and_erased_words_are_skipped() {
    for word in [0, 0xFFFF_FFFF] {
        let file = [tag(word, 0), frame(b"one"), tag(word, 0), tag(word, 0), frame(b"two"), tag(word, 0)].concat();
        assert_eq!(read_all(&file), (two(), Damage::default()));
    }
}

#[test]
fn markers_are_skipped_by_the_size_of_the_whole_record() {
    for (word, size) in [(0xFFFF_FFFB, 36), (0xFFFF_FFFE, 20), (0xFFFF_FFFD, 16)] {
        let marker = tag(word, size - 4);
        let file = [&marker[..], &frame(b"one"), &marker, &frame(b"two"), &marker].concat();
        assert_eq!(read_all(&file), (two(), Damage::default()), "{word:#x}");
    }
}

#[test]
fn long_row_without_frames_counts_as_hole() {
    let lost = |between: Vec<u8>| {
        let (found, damage) = read_all(&[frame(b"one"), between, frame(b"two")].concat());
        assert_eq!(found, two());
        (damage.dropped_bytes, damage.beyond_packet)
    };
    let zeros = |words: usize| vec![0; 4 * words];
    let erased = |words: usize| vec![0xFF; 4 * words];
    assert_eq!(lost(zeros(64)), (0, false));
    assert_eq!(lost(zeros(65)), (260, true));
    assert_eq!(lost(erased(1_024)), (0, false), "the rest of a page of flash");
    assert_eq!(lost(erased(1_025)), (4_100, true));
    assert_eq!(lost([zeros(33), erased(33)].concat()), (264, true), "both are no page of flash");
    assert_eq!(lost([zeros(60), frame(b""), frame(b"")].concat()), (0, false));
    let rows = [zeros(60), frame(b"x"), zeros(60)].concat();
    assert_eq!(
        read_all(&[rows, zeros(65)].concat()).1,
        Damage { dropped_bytes: 500, beyond_packet: true },
        "at the end"
    );
}

#[test]
fn many_short_rows_count_as_holes() {
    let frame = frame(&[7; 40]);
    for word in [0x00, 0xFF] {
        let file = |words: usize, frames: usize| [vec![word; 4 * words], frame.repeat(frames)].concat().repeat(500);
        assert_eq!(read_all(&file(1, 3)).1, Damage::default(), "a word now and then");
        assert_eq!(read_all(&file(60, 6)).1, Damage { dropped_bytes: 120_000, beyond_packet: true }, "{word:#x}");
    }
}

#[test]
fn file_with_more_markers_than_frames_counts_as_misread() {
    let (marker, frame) = (tag(0xFFFF_FFFB, 32), frame(&[7; 32]));
    let file = |markers: usize| [frame.repeat(10), [&marker[..], &frame].concat().repeat(markers)].concat();
    assert_eq!(read_all(&file(1_000)).1, Damage::default());
    let mostly = [frame.clone(), [&marker[..], &marker, &frame].concat().repeat(100)].concat();
    assert_eq!(read_all(&mostly).1, Damage { dropped_bytes: 7_200, beyond_packet: true });
}

#[test]
fn file_that_ends_within_record_keeps_everything_before_it() {
    let whole = [frame(b"one"), frame(b"two")].concat();
    for cut in [tag(5, 4), tag(5, 0), vec![5, 0, 0], vec![5], tag(0xFFFF_FFFB, 31)] {
        let file = [&whole[..], &cut].concat();
        let damage = Damage { dropped_bytes: cut.len() as u64, beyond_packet: false };
        assert_eq!(read_all(&file), (two(), damage), "{cut:?}");
    }
}

#[test]
fn impossible_length_drops_the_rest_and_reports_damage_beyond_a_packet() {
    let whole = [frame(b"one"), frame(b"two")].concat();
    for length in [65_537, 0x7FFF_FFFF, 0xFFFF_FFF9, 0xFFFF_FFFC] {
        let rest = [tag(length, 0), frame(&vec![1; 60_000]), frame(&vec![2; 60_000]), frame(&vec![3; 60_000])].concat();
        let damage = Damage { dropped_bytes: rest.len() as u64, beyond_packet: true };
        assert_eq!(read_all(&[&whole[..], &rest].concat()), (two(), damage), "{length:#x}");
    }
}

#[test]
fn network_reset_is_an_error_and_not_damage() {
    let file = [frame(b"one"), frame(b"two"), tag(70_000, 100)].concat();
    for fails_at in [0, 2, 5, 14, 18, 50] {
        let mut slow = Slow { bytes: &file, steps: [3].iter().cycle(), read: 0, fails_at: Some(fails_at) };
        let error = collect(Frames::new(&mut slow)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "at {fails_at}");
    }
}

proptest! {
    #[test]
    fn chunk_size_of_input_makes_no_difference(
        bytes in proptest::collection::vec(prop_oneof![4 => 0..6u8, 1 => any::<u8>()], 0..400),
        steps in proptest::collection::vec(1..9usize, 1..5),
    ) {
        let at_once = read_all(&bytes);
        let mut slow = Slow { bytes: &bytes, steps: steps.iter().cycle(), read: 0, fails_at: None };
        prop_assert_eq!(&collect(Frames::new(&mut slow)).unwrap(), &at_once);
        let kept: usize = at_once.0.iter().map(|frame| 4 + frame.len()).sum();
        prop_assert!(kept as u64 + at_once.1.dropped_bytes <= bytes.len() as u64);
    }
}
