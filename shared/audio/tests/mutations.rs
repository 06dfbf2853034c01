//! Thousands of damaged files of every kind, from a fixed seed: none panics, none takes memory, none lasts for ever. In a
//! process of its own, so that its memory can be measured.

#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::time::Duration;

use audio::{Analysis, AudioError, Energy, Input, SegmentRules};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
/// Over all kinds of files.
const INPUTS: u64 = 20_000;
/// The bound for a file is 64 MiB; the rest is this program and its fixtures.
const MOST_MIB: u64 = 64 + 24;

/// A name for each kind of file, the file, and how much of it is taken: about half a second.
const KINDS: [(&str, &str, usize); 14] = [
    ("a_x_opus_16000_1_fs160_1748300000.bin", "speech/audio_ss0880_opus_16000_1_fs160_1748300000.bin", 3_000),
    (
        "a_x_opus_fs320_16000_1_fs320_1748300000.bin",
        "speech/audio_ss0880_opus_fs320_16000_1_fs320_1748300000.bin",
        3_000,
    ),
    ("a_x_aac_16000_1_fs1024_1748300000.bin", "speech/audio_ss0880_aac_16000_1_fs1024_1748300000.bin", 2_500),
    ("a_x_pcm16_44100_2_fs160_1748300000.bin", "speech/audio_ss0880_pcm16_16000_1_fs160_1748300000.bin", 9_000),
    ("a_x_mulaw8_8000_1_fs160_1748300000.bin", "speech/audio_ss0880_pcm8_16000_1_fs160_1748300000.bin", 5_000),
    ("x.wav", "", 6_000),
    ("x.flac", "sounds/clip_16000_1.flac", 20_000),
    ("x.flac", "sounds/clip_44100_2.flac", 24_000),
    ("x.mp3", "sounds/clip_44100_2.mp3", 5_000),
    ("x.mp3", "sounds/clip_16000_1.mp3", 2_500),
    ("x.ogg", "sounds/clip_48000_2.ogg", 9_000),
    ("x.opus", "sounds/clip_48000_1.opus", 9_000),
    ("x.m4a", "sounds/clip_48000_2.m4a", 26_000),
    ("x.m4a", "sounds/clip_16000_1.m4a", 4_500),
];

struct Random(u64);

impl Random {
    /// xorshift64*
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn file(path: &str, length: usize) -> Vec<u8> {
    if path.is_empty() {
        let speech =
            std::fs::read(format!("{FIXTURES}/speech/audio_ss0880_pcm16_16000_1_fs160_1748300000.bin")).unwrap();
        let head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x40\x1f\0\0\0\x7d\0\0\x04\0\x10\0data\0\0\0\0";
        return [head, &speech[..length]].concat();
    }
    let mut bytes = std::fs::read(format!("{FIXTURES}/{path}")).unwrap();
    bytes.truncate(length);
    bytes
}

/// Most often in its first bytes, where a file says what it is.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(6) {
        let reach = if random.below(2) == 0 { bytes.len().min(200) } else { bytes.len() };
        let at = random.below(reach);
        match random.below(7) {
            0 => bytes.truncate(at.max(1)),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
            3 => {
                let value = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)];
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes[at..end].fill(value);
            }
            4 => {
                let end = (at + 1 + random.below(300)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + 1 + random.below(300)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let noise: Vec<u8> = (0..random.below(60)).map(|_| random.next() as u8).collect();
                bytes.splice(at..at, noise);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// Makes the checksums of an Ogg file right again: otherwise none of its damage would reach a decoder.
fn seal(bytes: &mut [u8]) {
    let mut at = 0;
    while at + 27 <= bytes.len() {
        let segments = usize::from(bytes[at + 26]);
        let lacing = bytes.get(at + 27..at + 27 + segments).unwrap_or_default();
        let size = 27 + segments + lacing.iter().map(|&size| usize::from(size)).sum::<usize>();
        match bytes.get_mut(at..at + size) {
            Some(page) if page.starts_with(b"OggS") => {
                page[22..26].fill(0);
                let sum = page.iter().fold(0u32, |sum, byte| {
                    (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| {
                        sum << 1 ^ if sum >> 31 == 1 { 0x04C1_1DB7 } else { 0 }
                    })
                });
                page[22..26].copy_from_slice(&sum.to_le_bytes());
                at += size;
            }
            _ => at += 1,
        }
    }
}

/// Both passes: the second over what was kept, or over the bytes again.
fn analyse(name: &str, bytes: &[u8], as_stream: bool) -> Result<Analysis, AudioError> {
    let format = domain::name::parse(name).unwrap().format;
    let rules = SegmentRules::new(Duration::from_secs(15));
    let (mut energy, within) = (Energy::new(), Duration::from_secs(60));
    if as_stream {
        let (survey, kept) = audio::survey_within(&format, &mut &bytes[..], within)?;
        return match kept {
            Some(kept) => audio::analyse(survey, &format, &kept, &rules, &mut energy),
            None => audio::analyse(survey, &format, &mut &bytes[..], &rules, &mut energy),
        };
    }
    let again = || Cursor::new(bytes);
    let (survey, _) = audio::survey_within(&format, Input::ranges(&mut again()), within)?;
    audio::analyse(survey, &format, Input::ranges(&mut again()), &rules, &mut energy)
}

/// The most memory that this process ever had, in MiB.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[test]
fn a_damaged_file_of_any_kind_neither_panics_nor_takes_memory() {
    let whole: Vec<(&str, Vec<u8>)> = KINDS.iter().map(|(name, path, length)| (*name, file(path, *length))).collect();
    let mut decoded = 0;
    for seed in 1..=INPUTS {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let kind = (seed % whole.len() as u64) as usize;
        let mut bytes = whole[kind].1.clone();
        mutate(&mut random, &mut bytes);
        if bytes.starts_with(b"OggS") && seed % 3 > 0 {
            seal(&mut bytes);
        }
        // One in eight comes under another kind's name.
        let name = if seed % 8 == 0 { whole[random.below(whole.len())].0 } else { whole[kind].0 };
        match analyse(name, &bytes, seed % 3 == 0) {
            Ok(found) => {
                let survey = &found.survey;
                assert!(
                    survey.dropped_bytes <= bytes.len() as u64 && survey.concealed_ms <= survey.duration_ms,
                    "seed {seed}: {found:?}"
                );
                decoded += u64::from(survey.frames > 0);
            }
            Err(AudioError::Read(error)) => panic!("seed {seed}: damage is no trouble of the store: {error}"),
            Err(_) => {}
        }
    }
    assert!(decoded > INPUTS / 3, "only {decoded} had anything left: the mutations are too coarse to find anything");
    if let Some(peak) = peak_mib() {
        assert!(peak < MOST_MIB, "{peak} MiB");
    }
}

#[test]
fn a_file_cut_off_anywhere_keeps_what_is_before() {
    for (name, path, length) in KINDS {
        let whole = file(path, length);
        let mut last = 0;
        for length in (1..whole.len()).step_by(whole.len() / 60) {
            let found = analyse(name, &whole[..length], false).unwrap_or_default().survey;
            assert!(found.duration_ms >= last, "{name} {path} at {length}: {} after {last}", found.duration_ms);
            assert!(!found.dropped_in_middle, "{name} {path} at {length}");
            last = found.duration_ms;
        }
    }
}
