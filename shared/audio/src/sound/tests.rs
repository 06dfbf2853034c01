//! Every kind of sound file compared with the original recording; also cut off, damaged, and under a wrong name.

mod formats;
mod missing_packets;
mod wrong_lengths;

use std::io::Cursor;
use std::time::Duration;

use domain::Format;

use super::*;
use crate::testing::{all_samples, fixture_samples, likeness, noise, s16, sound, sound_format};
use crate::{Analysis, Energy, SegmentRules, Survey, Verdict, analyse, survey};

/// Every file of the clip, how similar it has to be, and its length in samples.
const CLIPS: [(&str, f32, usize); 8] = [
    ("16000_1.flac", 0.9999, 47_840),
    ("44100_2.flac", 0.999, 47_840),
    ("44100_2.mp3", 0.98, 47_840),
    ("16000_1.mp3", 0.95, 49_536),
    ("48000_2.ogg", 0.95, 47_840),
    ("48000_1.opus", 0.9, 47_840),
    ("48000_2.m4a", 0.95, 47_840),
    ("16000_1.m4a", 0.95, 47_840),
];

pub(super) fn clip(name: &str) -> (Format, Vec<u8>) {
    (sound_format(name.split('.').nth(1).unwrap()), sound(name))
}

pub(super) fn found(extension: &str, bytes: &[u8]) -> Result<Analysis, AudioError> {
    let rules = SegmentRules::new(Duration::from_secs(15));
    let (format, again) = (sound_format(extension), || Cursor::new(bytes));
    let (survey, _) = survey(&format, Input::ranges(&mut again()))?;
    analyse(survey, &format, Input::ranges(&mut again()), &rules, &mut Energy::new())
}

#[test]
fn every_sound_file_matches_original_in_sound_and_length() {
    let original = fixture_samples("ss0880_pcm16");
    for (name, least, samples) in CLIPS {
        let (format, bytes) = clip(name);
        let decoded = all_samples(&format, &bytes);
        assert!(decoded.len().abs_diff(samples) <= 1, "{name}: {} samples", decoded.len());
        let (likeness, delay) = likeness(&original, &decoded, 1_200);
        assert!(likeness > least, "{name}: {likeness} at {delay}");
        assert!(delay <= 8 || name == "16000_1.mp3", "{name}: {delay} samples late");
        let found = found(name.split('.').nth(1).unwrap(), &bytes).unwrap();
        assert_eq!(
            (found.verdict(), found.survey.dropped_bytes, found.survey.concealed_ms),
            (Verdict::Speech, 0, 0),
            "{name}"
        );
    }
}

/// A WAV file with this format tag, bits per sample, channels, rate and audio.
pub(super) fn wav(tag: u16, bits: u16, channels: u16, rate: u32, audio: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
    for word in [tag, channels] {
        file.extend(word.to_le_bytes());
    }
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(block)).to_le_bytes());
    file.extend([block, bits].map(u16::to_le_bytes).concat());
    file.extend(b"data");
    file.extend(u32::try_from(audio.len()).unwrap().to_le_bytes());
    [&file, audio].concat()
}

pub(super) fn decoded(file: &[u8]) -> Vec<f32> {
    all_samples(&sound_format("wav"), file)
}

#[test]
fn every_coding_of_wav_file_gives_same_samples() {
    let samples = noise(3_200, 0.9);
    let coded = |code: &dyn Fn(f32) -> Vec<u8>| samples.iter().flat_map(|sample| code(*sample)).collect::<Vec<u8>>();
    let long = |sample: f32| (f64::from(sample) * 2_147_483_648.0) as i32;
    let codings: [(u16, u16, f32, Vec<u8>); 6] = [
        (1, 8, 0.01, coded(&|s| vec![(s * 128.0 + 128.0) as u8])),
        (1, 16, 1e-4, s16(&samples)),
        (1, 24, 1e-6, coded(&|s| long(s).to_le_bytes()[1..].to_vec())),
        (1, 32, 1e-6, coded(&|s| long(s).to_le_bytes().to_vec())),
        (3, 32, 0.0, coded(&|s| s.to_le_bytes().to_vec())),
        (3, 64, 0.0, coded(&|s| f64::from(s).to_le_bytes().to_vec())),
    ];
    for (tag, bits, worst, audio) in codings {
        let got = decoded(&wav(tag, bits, 1, 16_000, &audio));
        assert_eq!(got.len(), samples.len(), "{tag}/{bits}");
        let off = samples.iter().zip(&got).fold(0.0f32, |max, (a, b)| max.max((a - b).abs()));
        assert!(off <= worst, "{tag}/{bits}: {off}");
    }
}

/// Clients delete recordings that are called silent.
#[test]
fn samples_that_cannot_be_heard_by_anyone_are_not_silence() {
    let of = |sample: f32| sample.to_le_bytes().repeat(32_000);
    for (sample, verdict) in [
        (0.0, Verdict::Silent),
        (1.5, Verdict::Silent),
        (f32::NAN, Verdict::Invalid),
        (f32::INFINITY, Verdict::Invalid),
        (30_000.0, Verdict::Invalid),
    ] {
        assert_eq!(found("wav", &wav(3, 32, 1, 16_000, &of(sample))).unwrap().verdict(), verdict, "{sample}");
    }
}

#[test]
fn both_laws_of_g711_are_decoded() {
    // The loudest, the quietest, and one between them, of each sign.
    let alaw = decoded(&wav(6, 8, 1, 16_000, &[0xAA, 0x2A, 0xD5, 0x55, 0x80]));
    assert_eq!(alaw, [32_256.0, -32_256.0, 8.0, -8.0, 5_504.0].map(|s| s / 32_768.0));
    let mulaw = decoded(&wav(7, 8, 1, 16_000, &[0x80, 0x00, 0xFF]));
    assert_eq!(mulaw, [32_124.0, -32_124.0, 0.0].map(|s| s / 32_768.0));
}

#[test]
fn nan_samples_become_zero_and_far_too_loud_samples_are_clipped() {
    let floats = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 7.0, -7.0, 0.5, 1e-40];
    let audio: Vec<u8> = floats.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(decoded(&wav(3, 32, 1, 16_000, &audio)), [0.0, 0.0, 0.0, 2.0, -2.0, 0.5, 1e-40]);
    let stereo: Vec<u8> = [f32::NAN, 0.5].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(decoded(&wav(3, 32, 2, 16_000, &stereo)), [0.25], "the other channel is heard");
}

#[test]
fn file_with_any_rate_and_channel_count_keeps_its_length() {
    for (rate, channels) in [(8_000, 1), (11_025, 2), (24_000, 1), (44_100, 2), (48_000, 6), (192_000, 2)] {
        let frames = rate as usize / 2;
        let audio = s16(&noise(frames * usize::from(channels), 0.5));
        assert_eq!(decoded(&wav(1, 16, channels, rate, &audio)).len(), 8_000, "{rate} {channels}");
    }
}

#[test]
fn unknown_or_wrong_size_is_replaced_by_actual_size() {
    let audio = s16(&noise(1_600, 0.5));
    let file = wav(1, 16, 1, 16_000, &audio);
    let at = file.len() - audio.len() - 4;
    for claimed in [0, 0xFFFF_FFFF, 0x7FFF_FFFF] {
        let mut lying = file.clone();
        lying[at..at + 4].copy_from_slice(&u32::to_le_bytes(claimed));
        assert_eq!(decoded(&lying).len(), 1_600, "{claimed}");
    }
}

#[test]
fn silence_and_an_offset_are_silent() {
    for level in [0i16, 3_000, -3_000] {
        let audio = level.to_le_bytes().repeat(32_000);
        assert_eq!(found("wav", &wav(1, 16, 1, 16_000, &audio)).unwrap().verdict(), Verdict::Silent, "{level}");
    }
    // A signal that is clipped all the time, as from a broken microphone.
    let clipped: Vec<f32> = noise(32_000, 40.0).iter().map(|sample| sample.clamp(-1.0, 0.999)).collect();
    assert!(found("wav", &wav(1, 16, 1, 16_000, &s16(&clipped))).is_ok());
}

#[test]
fn file_without_audio_is_invalid() {
    let empty =
        [wav(1, 16, 1, 16_000, &[]), wav(1, 16, 1, 16_000, &[1]), b"RIFF\0\0\0\0WAVE".to_vec(), vec![], vec![0]];
    for file in empty {
        let invalid = found("wav", &file)
            .map_or_else(|why| matches!(why, AudioError::Unreadable(_)), |found| found.verdict() == Verdict::Invalid);
        assert!(invalid, "{file:?}");
    }
}

#[test]
fn impossible_rates_and_codings_are_reported() {
    for (tag, bits, rate) in
        [(1, 16, 0), (1, 16, 999), (1, 16, 400_000), (1, 16, u32::MAX / 2), (85, 0, 16_000), (1, 12, 16_000)]
    {
        assert!(
            matches!(found("wav", &wav(tag, bits, 1, rate, &[0; 400])), Err(AudioError::Unreadable(_))),
            "{tag} {bits} {rate}"
        );
    }
}

#[test]
fn wrong_extension_makes_no_difference() {
    for (name, _, samples) in CLIPS {
        for extension in ["wav", "mp3", "flac", "m4a"] {
            let got = all_samples(&sound_format(extension), &sound(name)).len();
            assert!(got.abs_diff(samples) <= 1, "{name} as {extension}");
        }
    }
}

#[test]
fn file_that_is_no_sound_file_is_reported_or_invalid_and_never_silent() {
    let zip = [&b"PK\x03\x04\x14\0\0\0\x08\0"[..], &s16(&noise(60_000, 1.0))].concat();
    let text = b"Dear diary, today I recorded nothing at all.\n".repeat(900);
    let frames = crate::testing::recording("ss0880_opus_16000_1_fs160");
    let pictures = [&[0xFF, 0xD8, 0xFF, 0xE0][..], &s16(&noise(60_000, 1.0))].concat();
    for bytes in [zip, text, frames, pictures, vec![0; 50_000], vec![0xFF; 50_000]] {
        for extension in ["wav", "flac", "mp3", "ogg", "opus", "m4a"] {
            match found(extension, &bytes) {
                Err(why) => assert!(matches!(why, AudioError::Unreadable(_)), "{why}"),
                Ok(found) => assert_ne!(found.verdict(), Verdict::Silent, "{extension}: {found:?}"),
            }
        }
    }
}

#[test]
fn file_that_needs_random_access_is_reported_if_given_as_stream() {
    for extension in ["wav", "m4a"] {
        let error = survey_of_stream(extension, &sound("16000_1.m4a")).unwrap_err();
        assert!(matches!(error, AudioError::NeedsRanges), "{error}");
    }
}

/// The first bytes of none of them can be the length of a frame.
#[test]
fn sound_file_named_as_device_frames_is_reported() {
    let wav = wav(1, 16, 1, 16_000, &s16(&noise(16_000, 0.3)));
    let files = [
        (wav, "a WAV file"),
        (sound("16000_1.flac"), "a FLAC file"),
        (sound("48000_1.opus"), "an Ogg file"),
        (sound("16000_1.mp3"), "an MP3 file"),
        (sound("44100_2.mp3"), "an MP3 file"),
        (sound("16000_1.m4a"), "an MP4 or M4A file"),
    ];
    for (bytes, kind) in files {
        for codec in domain::Codec::ALL {
            let format = crate::testing::format(&format!("{codec}_16000_1"));
            let error = survey(&format, &mut &bytes[..]).unwrap_err().to_string();
            assert_eq!(error, format!("the file is {kind}; its name has to say so"), "{codec}");
        }
    }
}

fn survey_of_stream(extension: &str, mut bytes: &[u8]) -> Result<Survey, AudioError> {
    Ok(survey(&sound_format(extension), &mut bytes)?.0)
}

#[test]
fn damage_in_the_middle_is_counted_and_audio_around_it_is_kept() {
    for (name, samples) in
        [("16000_1.flac", 47_840), ("44100_2.mp3", 47_840), ("48000_2.ogg", 47_840), ("48000_1.opus", 47_840)]
    {
        let mut bytes = sound(name);
        let middle = bytes.len() / 2;
        bytes.splice(middle..middle, [0x55; 700]);
        let (extension, kept) = (name.split('.').nth(1).unwrap(), all_samples(&sound_format("wav"), &bytes).len());
        let found = found(extension, &bytes).unwrap();
        let harm =
            found.survey.dropped_bytes > 0 && found.survey.dropped_beyond_packet || found.survey.concealed_ms > 0;
        assert!(harm, "{name}: {found:?}");
        assert!(found.survey.is_damaged(), "{name}: {:?}", found.survey);
        assert!(kept > samples / 5 && kept <= samples, "{name}: {kept} of {samples} are left");
    }
}

/// Wrong claims: a gigabyte of tags, of pictures, of boxes.
#[test]
fn sizes_claimed_by_headers_are_not_believed() {
    let clip = sound("16000_1.mp3");
    let tag = [&b"ID3\x04\0\0\x7F\x7F\x7F\x7F"[..], &clip].concat();
    let flac = [&b"fLaC\x06\xFF\xFF\xFF"[..], &clip].concat();
    let ogg = {
        let mut bytes = sound("48000_2.ogg");
        bytes[26] = 255;
        bytes
    };
    let mut boxes = Vec::new();
    for kind in [b"ftyp", b"moov", b"trak", b"mdia"] {
        boxes.extend([&0x7FFF_FFFFu32.to_be_bytes()[..], kind].concat());
    }
    assert_eq!(all_samples(&sound_format("mp3"), &tag).len(), 49_536);
    for bytes in [flac, ogg, boxes] {
        let invalid = found("m4a", &bytes).map_or(true, |found| found.verdict() == Verdict::Invalid);
        assert!(invalid);
    }
    // A real picture before the audio is skipped.
    let size = [0, 0x10, 0, 0];
    let pictured = [&b"ID3\x04\0\0"[..], &size, &vec![7; 1 << 18], &clip].concat();
    assert_eq!(all_samples(&sound_format("mp3"), &pictured).len(), 49_536);
}

#[test]
fn ogg_stream_behind_another_one_is_heard() {
    let (vorbis, opus) = (sound("48000_2.ogg"), sound("48000_1.opus"));
    for file in [vorbis.repeat(2), opus.repeat(2), [&vorbis[..], &opus].concat(), [&opus[..], &vorbis].concat()] {
        let found = found("ogg", &file).unwrap();
        assert_eq!((found.survey.duration_ms, found.survey.dropped_bytes), (5_980, 0));
        assert!(!found.survey.is_damaged());
    }
}

/// Each header claims that a long page follows; checking all of them would take hours in a large file.
#[test]
fn file_with_nothing_but_headers_is_given_up() {
    let page = [&b"OggS\0\0"[..], &[0; 20], &[255]].concat();
    let frame = [0xFF, 0xF8, 0xC9, 0x08, 0];
    let sum = (0..=255).find(|sum| flac::is_header(&[&frame[..], &[*sum]].concat())).unwrap();
    let flac = [&sound("16000_1.flac")[..42], &[&frame[..], &[sum]].concat().repeat(400_000)].concat();
    let mut flac = flac;
    flac[4] |= 0x80;
    for (bytes, extension) in
        [([&sound("48000_1.opus")[..2_000], &page.repeat(800_000)].concat(), "opus"), (flac, "flac")]
    {
        let found = found(extension, &bytes).unwrap();
        assert!(found.survey.dropped_beyond_packet && found.verdict() == Verdict::Invalid, "{extension}: {found:?}");
    }
}
