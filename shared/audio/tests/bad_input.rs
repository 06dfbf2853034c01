//! Unusual recordings through the whole first pass: every row of the table in `audio/src/frames.rs`, names with a wrong codec, and
//! strange but valid sound.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use audio::{Analysis, AudioError, Energy, SegmentRules, Verdict};
use domain::Format;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");

/// The end of a correct name, the clip that it describes, and the length of a frame.
const TRUE_NAMES: [(&str, &str, u64); 8] = [
    ("pcm16_16000_1_fs160", "pcm16_16000_1_fs160", 10),
    ("pcm8_16000_1_fs160", "pcm8_16000_1_fs160", 10),
    ("mulaw16_16000_1_fs160", "", 10),
    ("opus_16000_1_fs160", "opus_16000_1_fs160", 10),
    ("opus_fs320_16000_1_fs320", "opus_fs320_16000_1_fs320", 20),
    ("aac_16000_1_fs1024", "aac_16000_1_fs1024", 64),
    ("lc3_fs1030_16000_1_fs160", "lc3_fs1030_16000_1_fs160", 10),
    ("lc3_fs1030_8000_1_fs80", "lc3_fs1030_8000_1_fs80", 10),
];

fn format(described: &str) -> Format {
    domain::name::parse(&format!("audio_x_{described}_1748300000.bin")).unwrap().format
}

fn tried(described: &str, bytes: &[u8]) -> Result<Analysis, AudioError> {
    let rules = SegmentRules::new(Duration::from_secs(15));
    let format = format(described);
    let (survey, _) = audio::survey(&format, &mut &bytes[..])?;
    audio::analyse(survey, &format, &mut &bytes[..], &rules, &mut Energy::new())
}

fn analysed(described: &str, bytes: &[u8]) -> Analysis {
    tried(described, bytes).unwrap()
}

/// The frames of the clip in the coding of this fixture. There is no µ-law fixture, so without a name the clip is
/// encoded here.
fn clip(fixture: &str) -> Vec<Vec<u8>> {
    if fixture.is_empty() {
        return clip("pcm16_16000_1_fs160").iter().map(|frame| samples(frame).map(mulaw).collect()).collect();
    }
    let bytes = std::fs::read(format!("{FIXTURES}/speech/audio_ss0880_{fixture}_1748300000.bin")).unwrap();
    let mut frames = audio::Frames::new(&bytes[..]);
    let mut all = Vec::new();
    while let Some(frame) = frames.next_frame().unwrap() {
        all.push(frame.to_vec());
    }
    all
}

fn samples(frame: &[u8]) -> impl Iterator<Item = i16> + '_ {
    frame.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]]))
}

fn mulaw(sample: i16) -> u8 {
    let size = (u32::from(sample.unsigned_abs()) + 132).min(32_635);
    let exponent = (24 - size.leading_zeros()).min(7);
    let bits = (exponent << 4 | (size >> (exponent + 3)) & 15) as u8;
    !(bits | if sample < 0 { 0x80 } else { 0 })
}

fn file<F: AsRef<[u8]>>(frames: &[F]) -> Vec<u8> {
    let record = |frame: &F| [&u32::try_from(frame.as_ref().len()).unwrap().to_le_bytes(), frame.as_ref()].concat();
    frames.iter().flat_map(record).collect()
}

fn pcm(samples: impl Iterator<Item = i16>) -> Vec<u8> {
    file(&samples.flat_map(i16::to_le_bytes).collect::<Vec<u8>>().chunks(320).collect::<Vec<_>>())
}

fn speech() -> Vec<i16> {
    clip("pcm16_16000_1_fs160").iter().flat_map(|frame| samples(frame).collect::<Vec<_>>()).collect()
}

#[test]
fn file_cut_off_within_frame_keeps_everything_before_it() {
    for (name, fixture, frame_ms) in TRUE_NAMES {
        let frames = clip(fixture);
        let (whole, bytes) = (analysed(name, &file(&frames)), file(&frames));
        for lost in [1, frames[frames.len() - 1].len() + 2] {
            let cut = analysed(name, &bytes[..bytes.len() - lost]);
            assert_eq!(cut.survey.duration_ms, whole.survey.duration_ms - frame_ms, "{name}");
            let left = 4 + frames[frames.len() - 1].len() - lost;
            assert_eq!((cut.survey.dropped_bytes, cut.survey.dropped_beyond_packet), (left as u64, false), "{name}");
            assert_eq!(cut.verdict(), Verdict::Speech, "{name}");
        }
    }
}

#[test]
fn impossible_length_in_the_middle_keeps_everything_before_it_and_is_reported() {
    for (name, fixture, frame_ms) in TRUE_NAMES {
        let frames = clip(fixture);
        let (first, second) = frames.split_at(frames.len() * 2 / 3);
        let rest = [&70_000u32.to_le_bytes()[..], &file(second)].concat();
        let found = analysed(name, &[file(first), rest.clone()].concat());
        assert_eq!(
            (found.survey.dropped_bytes, found.survey.dropped_beyond_packet),
            (rest.len() as u64, true),
            "{name}"
        );
        assert_eq!(
            (found.survey.duration_ms, found.verdict()),
            (first.len() as u64 * frame_ms, Verdict::Speech),
            "{name}"
        );
    }
}

#[test]
fn markers_and_empty_words_between_frames_change_nothing() {
    for (name, fixture, _) in TRUE_NAMES {
        let frames = clip(fixture);
        let mut marked = Vec::new();
        for (frame, (tag, size)) in frames
            .iter()
            .zip([(0xFFFF_FFFBu32, 32), (0xFFFF_FFFE, 16), (0xFFFF_FFFD, 12), (0, 0), (u32::MAX, 0)].iter().cycle())
        {
            marked.extend([&tag.to_le_bytes()[..], &vec![0xAB; *size], &file(&[frame])].concat());
        }
        assert_eq!(analysed(name, &marked), analysed(name, &file(&frames)), "{name}");
    }
}

/// A refused frame lasts as long as a good one.
#[test]
fn refused_frame_is_concealed_and_following_audio_keeps_its_time() {
    for (name, fixture, frame_ms) in TRUE_NAMES {
        let refused: &[u8] = match name.split('_').next().unwrap() {
            "opus" => &[0xFF, 0xFF],
            "aac" => &[0; 40],
            "lc3" => &[7; 29],
            // Any bytes are valid samples.
            _ => continue,
        };
        let mut frames = clip(fixture);
        let whole = analysed(name, &file(&frames));
        for at in [10, 20, 21, 22] {
            frames[at] = refused.to_vec();
        }
        let found = analysed(name, &file(&frames));
        assert_eq!((found.survey.duration_ms, found.survey.dropped_bytes), (whole.survey.duration_ms, 0), "{name}");
        assert_eq!((found.survey.concealed_ms, found.survey.frames), (4 * frame_ms, whole.survey.frames - 4), "{name}");
        assert_eq!(found.verdict(), Verdict::Speech, "{name}");
    }
}

#[test]
fn file_with_only_refused_frames_is_invalid() {
    for (name, refused) in [
        ("opus_16000_1_fs160", &[0xFF, 0xFF][..]),
        ("aac_16000_1_fs1024", &[0; 40]),
        ("lc3_fs1030_16000_1_fs160", &[0; 31]),
    ] {
        let found = analysed(name, &file(&vec![refused; 500]));
        assert_eq!((found.verdict(), found.survey.frames, found.speech_ms), (Verdict::Invalid, 0, 0), "{name}");
        assert_eq!(found.survey.concealed_ms, found.survey.duration_ms, "{name}");
    }
}

#[test]
fn file_with_only_markers_or_nothing_is_invalid() {
    let marks =
        [0xFFFF_FFFBu32.to_le_bytes().to_vec(), vec![1; 32], u32::MAX.to_le_bytes().to_vec()].concat().repeat(50);
    let zip = [&b"PK\x03\x04\x14\0\0\0\x08\0"[..], &[0x5A; 4_000]].concat();
    for (name, _, _) in TRUE_NAMES {
        for bytes in [&[][..], &marks, &[0; 4_000], &[0xFF; 4_000], &zip] {
            let found = analysed(name, bytes);
            assert_eq!((found.verdict(), found.survey.duration_ms), (Verdict::Invalid, 0), "{name}: {found:?}");
        }
    }
}

/// Speech under the name of another codec is noise: whatever the verdict, it must not be proven silence.
#[test]
fn speech_with_wrong_codec_in_name_is_never_silent() {
    for (truly, fixture, _) in TRUE_NAMES {
        let bytes = file(&clip(fixture));
        for (name, other, _) in TRUE_NAMES {
            if fixture != other {
                let found = analysed(name, &bytes);
                assert_ne!(found.verdict(), Verdict::Silent, "{truly} as {name}: {found:?}");
            }
        }
    }
}

/// The clip at 8, 24 and 48 kHz, in one channel and in two: every sample is repeated, or every second one left out.
#[test]
fn other_rates_and_two_channels_keep_length_and_speech() {
    let speech = speech();
    for (rate, times, of) in [(8_000, 1, 2), (16_000, 1, 1), (24_000, 3, 2), (48_000, 3, 1)] {
        for channels in [1, 2] {
            let repeated = speech.iter().flat_map(|sample| std::iter::repeat_n(*sample, times));
            let samples = repeated.step_by(of).flat_map(|sample| std::iter::repeat_n(sample, channels));
            let found = analysed(&format!("pcm16_{rate}_{channels}_fs160"), &pcm(samples));
            assert_eq!((found.survey.duration_ms, found.survey.dropped_bytes), (2_990, 0), "{rate} {channels}");
            assert_eq!(found.verdict(), Verdict::Speech, "{rate} {channels}");
        }
    }
}

#[test]
fn offset_and_clipping_do_not_hide_speech() {
    let (name, speech) = ("pcm16_16000_1_fs160", speech());
    let offset = analysed(name, &pcm(speech.iter().map(|sample| sample.saturating_add(9_000))));
    let clipped = analysed(name, &pcm(speech.iter().map(|sample| sample.saturating_mul(30))));
    let whole = analysed(name, &pcm(speech.into_iter()));
    for found in [offset, clipped] {
        assert_eq!((found.survey.duration_ms, found.verdict()), (2_990, Verdict::Speech));
        assert!(found.speech_ms * 2 > whole.speech_ms, "{} of {} ms", found.speech_ms, whole.speech_ms);
    }
}

/// Three packets of 40 ms in one (RFC 6716, code 3).
#[test]
fn opus_packet_of_120_ms_in_file_named_10_ms_lasts_120_ms() {
    let mut encoder = opus::Encoder::new(16_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let floats: Vec<f32> = speech().iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let packets: Vec<Vec<u8>> =
        floats.chunks_exact(1_920).map(|samples| encoder.encode_vec_float(samples, 1_275).unwrap()).collect();
    let found = analysed("opus_16000_1_fs160", &file(&packets));
    assert_eq!((found.survey.duration_ms, found.verdict()), (24 * 120, Verdict::Speech));
    // After the first packet its length is the expected one.
    assert_eq!((found.survey.frames, found.survey.concealed_ms), (24, 120));

    // Three bytes that claim 120 ms, among packets of 10 ms.
    let mut frames = clip("opus_16000_1_fs160");
    frames.insert(100, vec![0x13, 0x03, 0]);
    let found = analysed("opus_16000_1_fs160", &file(&frames));
    assert!(found.survey.duration_ms <= 2_990 + 120 && found.survey.concealed_ms <= 130, "{found:?}");
    // A packet of more than 120 ms is refused.
    frames[100] = vec![0x1B, 0x03, 0];
    let found = analysed("opus_16000_1_fs160", &file(&frames));
    assert_eq!((found.survey.duration_ms, found.survey.concealed_ms), (3_000, 10));
}

#[test]
fn damaged_silence_is_not_proven_silence() {
    let silence = || vec![vec![0; 320]; 500];
    let name = "pcm16_16000_1_fs160";
    assert_eq!(analysed(name, &file(&silence())).verdict(), Verdict::Silent);
    let mut odd = silence();
    odd[250] = vec![0; 319];
    assert_eq!(analysed(name, &file(&odd)).verdict(), Verdict::Invalid, "a broken sample");
    let lost = [file(&silence()), 70_000u32.to_le_bytes().to_vec(), file(&silence())].concat();
    assert_eq!(analysed(name, &lost).verdict(), Verdict::Invalid, "a lost middle");
    let wav = [&b"RIFF\0\0\0\0WAVEfmt "[..], &file(&silence())].concat();
    assert_eq!(tried(name, &wav).unwrap_err().to_string(), "the file is a WAV file; its name has to say so");
}
