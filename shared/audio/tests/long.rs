//! Hours of every kind of recording, generated while they are read: memory stays below its limit. The test has a
//! process of its own, so that its memory can be measured.

#![allow(clippy::unwrap_used)]

use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use audio::{Energy, Input, SegmentRules, Verdict};
use peak_alloc::PeakAlloc;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
const HOUR_MS: u64 = 3600 * 1000;
/// The memory limit for one file, whatever its codec and length.
const MOST_BYTES: usize = 64 << 20;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A head, the same bytes many times over, and a tail.
struct Repeated {
    head: Vec<u8>,
    body: Vec<u8>,
    times: u64,
    tail: Vec<u8>,
    at: u64,
}

impl Repeated {
    fn new(head: &[u8], body: &[u8], times: u64, tail: Vec<u8>) -> Self {
        Self { head: head.to_vec(), body: body.to_vec(), times, tail, at: 0 }
    }

    fn bodies(&self) -> u64 {
        self.body.len() as u64 * self.times
    }
}

impl Read for Repeated {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (head, bodies) = (self.head.len() as u64, self.bodies());
        let from = match self.at {
            at if at < head => &self.head[at as usize..],
            at if at < head + bodies => &self.body[((at - head) % self.body.len() as u64) as usize..],
            at => self.tail.get((at - head - bodies) as usize..).unwrap_or_default(),
        };
        let size = from.len().min(into.len());
        into[..size].copy_from_slice(&from[..size]);
        self.at += size as u64;
        Ok(size)
    }
}

impl Seek for Repeated {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.head.len() as u64 + self.bodies() + self.tail.len() as u64;
        self.at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        }
        .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/{path}")).unwrap()
}

fn frames(codec: &str, piece_ms: u64, length_ms: u64) -> Repeated {
    let clip = fixture(&format!("speech/audio_ss0880_{codec}_1748300000.bin"));
    Repeated::new(&[], &clip, length_ms.div_ceil(piece_ms), Vec::new())
}

/// The first frames are repeated, which works because frames do not depend on what is before them.
fn flac(length_ms: u64) -> Repeated {
    let clip = fixture("sounds/clip_16000_1.flac");
    let first = clip.windows(2).position(|two| two == [0xFF, 0xF8]).unwrap();
    Repeated::new(&clip[..first], &clip[first..], length_ms.div_ceil(2_990), Vec::new())
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// Returns the body of the first box of this kind.
fn inside<'a>(file: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let at = file.windows(4).position(|four| four == kind).unwrap();
    let size = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    &file[at + 4..at - 4 + size]
}

/// The index at the end has an entry for each packet, which takes megabytes.
fn m4a(length_ms: u64) -> Repeated {
    let clip = fixture("sounds/clip_16000_1.m4a");
    let audio = inside(&clip, b"mdat");
    let sizes: Vec<u32> =
        inside(&clip, b"stsz")[12..].chunks(4).map(|size| u32::from_be_bytes(size.try_into().unwrap())).collect();
    let used: u32 = sizes.iter().sum();
    let (packets, times) = (sizes.len() as u32, length_ms.div_ceil(sizes.len() as u64 * 64));
    let body = &audio[..used as usize];
    let head = [boxed(b"ftyp", b"M4A \0\0\0\0"), b"\0\0\0\x01mdat".to_vec(), {
        (16 + u64::from(used) * times).to_be_bytes().to_vec()
    }]
    .concat();
    let count = times as u32;
    let places = (0..count).map(|n| head.len() as u32 + n * used);
    let all_sizes = sizes.iter().copied().cycle().take((packets * count) as usize);
    let stbl = [
        boxed(b"stsd", inside(&clip, b"stsd")),
        boxed(b"stsz", &[numbers([0, 0, packets * count]), numbers(all_sizes)].concat()),
        boxed(b"stsc", &numbers([0, 1, 1, packets, 1])),
        boxed(b"stco", &[numbers([0, count]), numbers(places)].concat()),
    ];
    let header = boxed(b"mdhd", &numbers([0, 0, 0, 16_000, 0]));
    let tables = boxed(b"minf", &boxed(b"stbl", &stbl.concat()));
    let index = boxed(b"moov", &boxed(b"trak", &boxed(b"mdia", &[header, tables].concat())));
    Repeated::new(&head, body, times, index)
}

#[test]
fn six_hours_of_any_kind_take_less_than_64_mib() {
    type Make = fn(u64) -> Repeated;
    // An hour is enough to see a leak; the last four are the kinds that are uploaded most.
    let kinds: [(&str, u64, Make); 7] = [
        ("a_x_pcm8_16000_1_fs160_1748300000.bin", 1, |ms| frames("pcm8_16000_1_fs160", 2_990, ms)),
        ("a_x_aac_16000_1_fs1024_1748300000.bin", 1, |ms| frames("aac_16000_1_fs1024", 3_072, ms)),
        ("a_x_lc3_fs1030_16000_1_fs160_1748300000.bin", 1, |ms| frames("lc3_fs1030_16000_1_fs160", 2_990, ms)),
        ("a_x_pcm16_16000_1_fs160_1748300000.bin", 6, |ms| frames("pcm16_16000_1_fs160", 2_990, ms)),
        ("a_x_opus_16000_1_fs320_1748300000.bin", 6, |ms| frames("opus_fs320_16000_1_fs320", 2_980, ms)),
        ("x.flac", 6, flac),
        ("x.m4a", 6, m4a),
    ];
    for (name, hours, make) in kinds {
        let length_ms = hours * HOUR_MS;
        let (format, mut file) = (domain::name::parse(name).unwrap().format, make(length_ms));
        let rules = SegmentRules::new(Duration::from_secs(15));
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let (survey, _) = audio::survey(&format, Input::ranges(&mut file)).unwrap();
        file.at = 0;
        let found = audio::analyse(survey, &format, Input::ranges(&mut file), &rules, &mut Energy::new()).unwrap();
        let (survey, held) = (&found.survey, MEMORY.peak_usage().saturating_sub(before));
        println!("{name}: {} ms, {} segments, {} KiB", survey.duration_ms, found.segments.len(), held >> 10);
        assert!((length_ms..length_ms + 5_000).contains(&survey.duration_ms), "{name}: {} ms", survey.duration_ms);
        assert_eq!((found.verdict(), survey.dropped_bytes, survey.concealed_ms), (Verdict::Speech, 0, 0), "{name}");
        assert!(held < MOST_BYTES, "{name}: {held} bytes");
    }
}
