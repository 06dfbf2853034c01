//! A run that continues at a restart point gets the same samples, to the last bit, as a run that came from the start.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::testing::{file, format, noise, recording, s16, sound, sound_format};

/// The first restart point is at 2 s, the others follow every second; every other one is for listeners.
fn grid() -> Grid {
    Grid::of(32_000, 16_000, 2)
}

/// The result of reading through a recording: its samples, and the restart points with the state at each.
struct ReadResult {
    samples: Vec<f32>,
    begun: Vec<(u32, usize, Vec<f32>)>,
    points: RestartPoints,
    stats: Vec<ReadStats>,
    source: Vec<Vec<u8>>,
    end: (ReadStats, Damage),
}

fn flat(piece: Piece<'_>) -> Vec<f32> {
    piece.left.iter().zip(piece.right.unwrap_or(piece.left)).flat_map(|(left, right)| [*left, *right]).collect()
}

fn run(mut samples: Samples<'_>) -> ReadResult {
    let (mut all, mut begun, mut stats, mut source) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    loop {
        let (so_far, mut packed) = (samples.stats(), Packer::default());
        samples.pack(&mut packed);
        match samples.next().unwrap() {
            None => break,
            Some(Next::Samples(piece)) => all.append(&mut flat(piece)),
            Some(Next::RestartPoint(point)) => {
                begun.push((point.number, all.len(), flat(point.warm)));
                stats.push(so_far);
                source.push(packed.bytes);
            }
        }
    }
    let end = (samples.stats(), samples.damage());
    ReadResult { samples: all, begun, points: samples.restart_points().clone(), stats, source, end }
}

fn read_through(format: &Format, bytes: &[u8]) -> ReadResult {
    let mut bytes = Cursor::new(bytes);
    run(Samples::new(format, Input::ranges(&mut bytes)).unwrap().on(grid()).conditioned())
}

fn named(name: &str) -> Format {
    format(name)
}

/// Continues at each restart point, with the bytes that begin there, and compares the rest.
fn assert_resumes_identically(format: &Format, bytes: &[u8]) {
    let whole = read_through(format, bytes);
    assert!(whole.begun.len() > 2, "{format:?}: {} points", whole.begun.len());
    for (index, point) in whole.points.all().iter().enumerate() {
        let mut rest = Cursor::new(&bytes[usize::try_from(point.source.byte).unwrap()..]);
        let input = Input::ranges(&mut rest);
        let mut samples = Samples::opened_at(Some(point), format, input).unwrap().on(grid()).conditioned();
        samples.resume_at(point, whole.stats[index]).unwrap();
        samples.unpack(&mut Unpacker::of(&whole.source[index])).unwrap();
        let on = run(samples.with_restart_points(whole.points.clone()));
        let (number, from, warm) = &whole.begun[index];
        assert!(on.begun[0].0 == *number && on.begun[0].2 == *warm, "{format:?}: other samples before point {number}");
        assert!(on.samples == whole.samples[*from..], "{format:?}: other samples behind point {number}");
        assert!(on.begun[1..].iter().zip(&whole.begun[index + 1..]).all(|(a, b)| (a.0, &a.2) == (b.0, &b.2)));
        assert_eq!((on.end, on.points), (whole.end, whole.points.clone()), "{format:?} from {number}");
    }
}

fn repeated(clip: &str, seconds: usize) -> Vec<u8> {
    let bytes = recording(clip);
    bytes.repeat(seconds.div_ceil(3) + 1)
}

#[test]
fn run_continuing_at_restart_point_gets_same_samples_as_run_from_start() {
    assert_resumes_identically(&named("pcm16_16000_1"), &file(&s16(&noise(120_000, 0.5)), 320));
    assert_resumes_identically(&named("pcm16_44100_2"), &file(&s16(&noise(600_000, 0.5)), 1_764));
    assert_resumes_identically(&named("mulaw8_8000_1"), &file(&vec![0x35; 60_000], 160));
    assert_resumes_identically(&named("opus_fs320_16000_1"), &repeated("ss0880_opus_fs320_16000_1_fs320", 8));
    assert_resumes_identically(&named("aac_16000_1"), &repeated("ss0880_aac_16000_1_fs1024", 8));
    assert_resumes_identically(&named("lc3_fs1030_16000_1"), &repeated("ss0880_lc3_fs1030_16000_1_fs160", 8));
}

/// A WAV file of these samples, with one channel.
fn wav(samples: &[f32], rate: u32) -> Vec<u8> {
    let data = s16(samples);
    let size = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    let format = [&[1, 0, 1, 0][..], &rate.to_le_bytes(), &(rate * 2).to_le_bytes(), &[2, 0, 16, 0]].concat();
    let head = [&b"WAVEfmt "[..], &size(format.len()), &format, b"data", &size(data.len())].concat();
    [&b"RIFF"[..], &size(head.len() + data.len()), &head, &data].concat()
}

/// A FLAC file in which the first frames are repeated.
fn flac(times: usize) -> Vec<u8> {
    let clip = sound("16000_1.flac");
    let first = clip.windows(2).position(|two| two == [0xFF, 0xF8]).unwrap();
    [&clip[..first], &clip[first..].repeat(times)].concat()
}

#[test]
fn run_continuing_in_sound_file_gets_same_samples() {
    assert_resumes_identically(&sound_format("wav"), &wav(&noise(150_000, 0.5), 16_000));
    assert_resumes_identically(&sound_format("wav"), &wav(&noise(400_000, 0.5), 44_100));
    assert_resumes_identically(&sound_format("flac"), &flac(4));
    // Several streams in a row, each with the padding that its encoder put before and behind it.
    for (ending, clip) in [("ogg", "48000_2.ogg"), ("opus", "48000_1.opus"), ("mp3", "16000_1.mp3")] {
        assert_resumes_identically(&sound_format(ending), &sound(clip).repeat(4));
    }
}

#[test]
fn damage_before_restart_point_is_remembered_by_continuing_run() {
    let mut bytes = repeated("ss0880_opus_fs320_16000_1_fs320", 8);
    // Invalid frames before the first restart point, and one that is cut off.
    let junk = file(&[0xFF; 60], 20);
    let mut at = 0;
    while at < 4_000 {
        at += 4 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    bytes.splice(at..at, junk);
    bytes.truncate(bytes.len() - 5);
    let whole = read_through(&named("opus_fs320_16000_1"), &bytes);
    assert!(whole.end.0.refused > 0 && whole.end.1.dropped_bytes > 0);
    assert_resumes_identically(&named("opus_fs320_16000_1"), &bytes);
}

#[test]
fn no_sample_is_lost_at_a_restart_point() {
    let samples = noise(100_000, 0.5);
    let bytes = file(&s16(&samples), 320);
    let plain = Samples::new(&named("pcm16_16000_1"), &mut &bytes[..]).map(|samples| run(samples.on(grid())));
    let plain = plain.unwrap();
    let left: Vec<f32> = plain.samples.iter().step_by(2).copied().collect();
    let exact: Vec<f32> = samples.iter().map(|sample| (sample * 32_768.0).trunc() / 32_768.0).collect();
    assert!(left == exact, "uncompressed audio has no seams");
    assert_eq!(
        plain.begun.iter().map(|(_, at, _)| at / 2).collect::<Vec<_>>(),
        [32_000, 48_000, 64_000, 80_000, 96_000]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn continuing_run_gets_same_samples_for_arbitrary_frames(
        rate in prop_oneof![Just(8_000u32), Just(11_025), Just(16_000), Just(44_100), Just(48_000)],
        channels in 1..=2u32,
        size in 1..3_000usize,
        seconds in 5..8usize,
        cut in 0..4usize,
    ) {
        let audio = s16(&noise(seconds * (rate * channels) as usize, 0.5));
        let mut bytes = file(&audio, size * 2 * channels as usize);
        bytes.truncate(bytes.len() - cut);
        assert_resumes_identically(&named(&format!("pcm16_{rate}_{channels}")), &bytes);
    }
}
