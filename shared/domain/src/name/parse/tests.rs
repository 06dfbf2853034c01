//! Names as devices and people write them, and names that are refused.

use proptest::prelude::*;

use super::*;
use crate::Timestamp;

fn frames(name: &str) -> FrameFormat {
    match parse(name).unwrap_or_else(|error| panic!("{name}: {error}")).format {
        Format::Frames(format) => format,
        Format::Sound(kind) => panic!("{name} was read as a {kind} file"),
    }
}

fn stream_of(name: &str) -> String {
    parse(name).unwrap().stream.key()
}

#[test]
fn full_name_contains_format_time_and_stream() {
    let read = parse("audio_phonemic_pcm16_16000_1_fs160_1748300000.bin").unwrap();
    let format = FrameFormat { codec: Codec::Pcm16, rate: 16_000, channels: 1, frame_samples: 160 };
    let stream = Stream { source: Source::Phone, device: "phonemic".into() };
    let captured_at = Some(Timestamp::from_secs(1_748_300_000));
    assert_eq!(read, RecordingName { format: Format::Frames(format), captured_at, stream });
}

#[test]
fn codec_names_with_underscores_are_read_whole() {
    let opus = frames("audio_omi_opus_fs320_16000_1_fs320_1748300000.bin");
    assert_eq!((opus.codec, opus.frame_samples), (Codec::OpusFs320, 320));
    assert_eq!(frames("audio_omi_lc3_fs1030_16000_1_fs30_1748300000.bin").codec, Codec::Lc3Fs1030);
    assert_eq!(frames("audio_omi_opus_16000_1_fs320_1748300000.bin").codec, Codec::Opus);
    assert_eq!(frames("audio_my_opus_pcm8_8000_2_fs80_1748300000.bin").codec, Codec::Pcm8);
}

#[test]
fn names_of_older_recorders_may_leave_parts_out() {
    assert_eq!(frames("audio_omi_opus_fs320_16000_1_1748300000.bin").frame_samples, 320);
    assert_eq!(frames("audio_omi_pcm8_8000_1_1748300000.5.bin").codec, Codec::Pcm8);
    let fs320 = frames("audio_omi_opus_fs320_1748300000.bin");
    assert_eq!(fs320, FrameFormat { codec: Codec::OpusFs320, frame_samples: 320, ..FrameFormat::BARE });
    assert_eq!(frames("mulaw8_1748300000.bin").rate, 8_000);
    for bare in ["x_1748300000.bin", "_1748300000.bin", "audio_2025_05_1748300000.bin", "a_b_c_1748300000123.BIN"] {
        assert_eq!(frames(bare), FrameFormat::BARE, "{bare}");
        assert_eq!(stream_of(bare), "device.unknown", "{bare}");
    }
}

#[test]
fn stream_is_source_and_device() {
    assert_eq!(stream_of("audio_limitlessab12_opus_16000_1_fs160_1748300000.bin"), "limitless.limitlessab12");
    assert_eq!(stream_of("audio_omibatchphone_opus_16000_1_fs160_1748300000.bin"), "phone.omibatchphone");
    assert_eq!(stream_of("audio_c0ffee_opus_16000_1_fs160_1748300000.bin"), "device.c0ffee");
    assert_eq!(stream_of("audio_my_watch_opus_16000_1_fs160_1748300000.bin"), "device.my_watch");
    assert_eq!(stream_of("audio__opus_16000_1_fs160_1748300000.bin"), "device.unknown");
    assert_eq!(stream_of("opus_16000_1_fs160_1748300000.bin"), "device.unknown");
    assert_eq!(stream_of("phonemic_1748300000.bin"), "phone.unknown");
    assert_eq!(stream_of("Limitless Pendant.wav"), "limitless.upload");
    let json = serde_json::to_string(&parse("x_1748300000.bin").unwrap().stream).unwrap();
    assert_eq!(json, r#"{"source":"device","device":"unknown"}"#);
}

#[test]
fn sound_files_may_have_a_time_in_their_name() {
    let at = |name: &str| parse(name).unwrap().captured_at;
    assert_eq!(at("interview_1748300000.wav"), Some(Timestamp::from_secs(1_748_300_000)));
    assert_eq!(at("Interview Nr_7.MP3"), None);
    for (name, kind) in [("a.flac", SoundFile::Flac), ("a.ogg", SoundFile::Ogg), ("a.opus", SoundFile::Opus)] {
        assert_eq!(parse(name).unwrap().format, Format::Sound(kind));
        assert_eq!(at(name), None);
    }
    for kind in SoundFile::ALL {
        assert_eq!(parse(&format!("a.{kind}")).unwrap().format, Format::Sound(*kind));
    }
    assert_eq!(SoundFile::ALL.len(), 22);
    assert_eq!(stream_of("voice memo.m4a"), "device.upload");
}

#[test]
fn impossible_names_are_refused_with_the_part_that_is_wrong() {
    let cases = [
        ("audio_x_flac_16000_1_fs160_1748300000.bin", "no known codec"),
        ("audio_x_xopus_16000_1_fs160_1748300000.bin", "no known codec"),
        ("audio_fs160_1748300000.bin", "no known codec"),
        ("audio_x_pcm16_7999_1_fs160_1748300000.bin", "the rate `7999`"),
        ("audio_x_pcm16_48001_1_fs160_1748300000.bin", "the rate `48001`"),
        ("audio_x_pcm16_16k_1_fs160_1748300000.bin", "the rate `16k`"),
        ("audio_x_pcm16_+16000_1_fs160_1748300000.bin", "the rate `+16000`"),
        ("audio_x_pcm16_99999999999_1_1748300000.bin", "the rate `99999999999`"),
        ("audio_x_lc3_fs1030_44100_1_fs160_1748300000.bin", "the rate `44100` is not possible with lc3_fs1030"),
        ("audio_x_lc3_fs1030_16001_1_1748300000.bin", "the rate `16001` is not possible with lc3_fs1030"),
        ("audio_x_pcm16_16000_0_fs160_1748300000.bin", "the channels `0`"),
        ("audio_x_pcm16_16000_3_fs160_1748300000.bin", "the channels `3`"),
        ("audio_x_opus_16000_1_fs100_1748300000.bin", "`fs100` is not possible with opus"),
        ("audio_x_pcm16_16000_1_fs0_1748300000.bin", "`fs0` is not possible with pcm16"),
        ("audio_x_pcm16_16000_1_fs65537_1748300000.bin", "`fs65537`"),
        ("1748300000.bin", "has no `_`"),
        ("audio_x_.bin", "the timestamp `` is not a number"),
        ("audio_x_soon.bin", "the timestamp `soon`"),
        ("audio_x_inf.bin", "the timestamp `inf`"),
        ("audio_x_1.bin", "outside of 2024"),
        ("audio_x_1748300000.txt", "ends in `.txt`"),
        ("audio_x_1748300000", "ends in `audio_x_1748300000`"),
        ("", "0 bytes"),
    ];
    for (name, part) in cases {
        let message = parse(name).unwrap_err().to_string();
        assert!(message.contains(part), "{name}: {message}");
    }
}

#[test]
fn error_about_an_unknown_codec_lists_all_codecs() {
    let text = NameError::Codec("a_flac".into()).to_string();
    let known = "pcm16, pcm8, mulaw8, mulaw16, opus, opus_fs320, aac or lc3_fs1030";
    assert_eq!(text, format!("no known codec stands before the rate in `a_flac`; expected {known}"));
}

#[test]
fn only_plain_file_names_are_accepted() {
    for name in ["a/b_1748300000.bin", "a\\b_1748300000.bin", "a\0_1748300000.bin", "a\n_1748300000.bin"] {
        assert!(matches!(parse(name), Err(NameError::Character(_))), "{name:?}");
    }
    for mark in ['\u{202E}', '\u{2066}', '\u{200F}', '\u{2028}'] {
        assert!(matches!(parse(&format!("a{mark}b.wav")), Err(NameError::Character(_))), "{mark:?}");
    }
    for name in ["..a_1748300000.bin", "a.._1748300000.bin", ".a_1748300000.bin", "a_1748300000..bin", ".wav"] {
        assert!(matches!(parse(name), Err(NameError::Character(_))), "{name:?}");
    }
    let longest = format!("{}_1748300000.bin", "ä".repeat(92) + "x");
    assert_eq!(longest.len(), MAX_NAME_BYTES);
    assert!(parse(&longest).is_ok());
    assert_eq!(parse(&format!("x{longest}")), Err(NameError::Length(201)));
}

fn any_format() -> impl Strategy<Value = FrameFormat> {
    let opus = proptest::sample::select(&OPUS_FRAME_SAMPLES[..]);
    let lc3 = proptest::sample::select(&LC3_RATES[..]);
    (proptest::sample::select(Codec::ALL), MIN_RATE..=MAX_RATE, 1..=2u8, 1..=MAX_FRAME_SAMPLES, opus, lc3).prop_map(
        |(codec, rate, channels, size, opus, lc3)| {
            let rate = if codec == Codec::Lc3Fs1030 { lc3 } else { rate };
            let frame_samples = if matches!(codec, Codec::Opus | Codec::OpusFs320) { opus } else { size };
            FrameFormat { codec, rate, channels, frame_samples }
        },
    )
}

proptest! {
    #[test]
    fn no_name_makes_the_parser_panic(name in "\\PC*", tail in "[a-z0-9_.]{0,60}(bin|wav)?") {
        let _ = parse(&name);
        let _ = parse(&tail);
        let _ = parse(&format!("audio_{tail}_fs160_1748300000.bin"));
    }

    #[test]
    fn printed_name_parses_back(format in any_format(), device in "\\PC{0,300}", ms in 1_704_067_200_000..9_999_999_999_999i64) {
        let at = Timestamp::from_millis(ms);
        let name = format.file_name(&device, at);
        let read = parse(&name).map_err(|error| TestCaseError::fail(format!("{name}: {error}")))?;
        prop_assert_eq!(read.format, Format::Frames(format));
        prop_assert_eq!(read.captured_at, Some(at));
        let Format::Frames(again) = read.format else { unreachable!() };
        prop_assert_eq!(again.file_name(&read.stream.device, at), name);
    }
}
