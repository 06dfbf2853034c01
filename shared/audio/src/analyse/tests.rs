//! Verdicts over real speech, silence and damage.

mod resuming;
mod sounds;

use std::io::{self, Read};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::detect::Energy;
use crate::frame_decoder::{Decoded, FrameDecoder};
use crate::survey::{survey, survey_samples, survey_within};
use crate::testing::{file, fixture, format, noise, s16};

fn rules() -> SegmentRules {
    SegmentRules::new(Duration::from_secs(15))
}

/// Runs both passes over a file, each from its bytes.
fn analysed(described: &str, bytes: &[u8]) -> Analysis {
    analysed_by(described, bytes, &mut Energy::new())
}

fn analysed_by(described: &str, bytes: &[u8], detector: &mut dyn Detector) -> Analysis {
    let format = format(described);
    let (survey, _) = survey(&format, &mut &bytes[..]).unwrap();
    analyse(survey, &format, &mut &bytes[..], &rules(), detector).unwrap()
}

fn silence(seconds: usize) -> Vec<u8> {
    file(&vec![0; seconds * 32_000], 320)
}

#[test]
fn real_speech_gets_verdict_speech() {
    for (name, codec, duration_ms) in
        [("ss0880_pcm16", "pcm16", 2_990), ("ss0880_pcm8", "pcm8", 2_990), ("ss0890_pcm16", "pcm16", 5_300)]
    {
        let found = analysed(&format!("{codec}_16000_1"), &fixture(name));
        assert_eq!((found.verdict(), found.survey.duration_ms), (Verdict::Speech, duration_ms), "{name}");
        assert_eq!(found.segments.len(), 1, "{name}: {:?}", found.segments);
        assert!(u64::from(found.speech_ms_in(found.segments[0])) == found.speech_ms && found.speech_ms > 1_500);
        assert!(u64::from(found.segments[0].duration_ms()) > found.speech_ms, "padding is not speech");
        assert_eq!((found.survey.frames, found.survey.dropped_bytes), (duration_ms / 10, 0));
    }
}

#[test]
fn peaks_of_quiet_recording_are_drawn_at_raised_level() {
    let (format, clip) = (format("pcm16_16000_1"), crate::testing::fixture_samples("ss0890_pcm16"));
    let highest = |db| {
        let bytes = file(&s16(&crate::testing::quieter(&clip, db)), 320);
        let found = {
            let (survey, _) = survey(&format, &mut &bytes[..]).unwrap();
            analyse(survey, &format, &mut &bytes[..], &rules(), &mut Energy::new()).unwrap()
        };
        found.peaks.pairs().map(|(_, high)| high).max().unwrap()
    };
    assert!(highest(-30.0).abs_diff(highest(0.0)) <= 3 && highest(-30.0) > 64, "{} {}", highest(-30.0), highest(0.0));
}

#[test]
fn silence_of_any_length_gets_verdict_silent() {
    for bytes in [silence(10), file(&s16(&noise(160_000, 0.001)), 320), file(&[0; 2], 2), file(&[0; 3_200], 640)] {
        let found = analysed("pcm16_16000_1", &bytes);
        assert_eq!((found.verdict(), found.segments.len()), (Verdict::Silent, 0));
    }
}

#[test]
fn offset_gets_verdict_silent_and_roar_does_not() {
    let constant = |level: i16| analysed("pcm16_16000_1", &file(&level.to_le_bytes().repeat(32_000), 320)).verdict();
    assert_eq!((constant(3_000), constant(-3_000)), (Verdict::Silent, Verdict::Silent));
    assert_eq!(analysed("pcm8_16000_1", &file(&s16(&noise(32_000, 1.0)), 160)).verdict(), Verdict::Invalid);
}

#[test]
fn recording_without_usable_audio_gets_verdict_invalid() {
    for bytes in [&[][..], &[0; 400], &[0xFF; 400], &[1, 2, 3], &[100, 0, 0, 0, 1], b"RIFL....WAVEfmt "] {
        assert_eq!(analysed("pcm16_16000_1", bytes).verdict(), Verdict::Invalid, "{bytes:?}");
    }
}

#[test]
fn file_with_cut_off_end_may_be_silent_but_file_with_lost_middle_never_is() {
    let cut_off = [&silence(10)[..], &320u32.to_le_bytes(), &[0; 100]].concat();
    let found = analysed("pcm16_16000_1", &cut_off);
    assert_eq!((found.verdict(), found.survey.dropped_bytes), (Verdict::Silent, 104));

    let lost = [&silence(10)[..], &70_000u32.to_le_bytes(), &silence(1)].concat();
    let found = analysed("pcm16_16000_1", &lost);
    assert_eq!((found.verdict(), found.survey.dropped_beyond_packet), (Verdict::Invalid, true));

    let spoken = [&fixture("ss0880_pcm16")[..], &70_000u32.to_le_bytes(), &silence(1)].concat();
    assert_eq!(analysed("pcm16_16000_1", &spoken).verdict(), Verdict::Speech, "what came before it is kept");
}

/// One packet may be unfinished at the end of any recording, or be refused. Two such packets are a part that was not
/// heard.
#[test]
fn recording_with_more_than_one_undecoded_packet_is_damaged() {
    let frames = |refused: usize| {
        [&[b"\x02\0\0\0\xFF\xFF".as_slice()].repeat(refused).concat()[..], &fixture("ss0880_opus")].concat()
    };
    let unfinished = [&160u32.to_le_bytes()[..], &[0; 100]].concat();
    let unread = [&70_000u32.to_le_bytes()[..], &silence(1)].concat();
    let nothing = Vec::new();
    for (refused, end, damaged) in [
        (0, &nothing, false),
        (1, &nothing, false),
        (2, &nothing, true),
        (0, &unfinished, false),
        (1, &unfinished, true),
        (0, &unread, true),
    ] {
        let found = analysed("opus_16000_1", &[&frames(refused)[..], end].concat());
        assert_eq!((found.survey.refused, found.survey.is_damaged()), (refused as u64, damaged), "{:?}", found.survey);
        assert_eq!(found.verdict(), Verdict::Speech);
    }
}

#[test]
fn samples_that_are_not_whole_count_as_damage_beyond_a_packet() {
    let found = analysed("pcm16_16000_1", &file(&vec![0; 161_000], 161));
    assert_eq!((found.verdict(), found.survey.dropped_bytes, found.survey.frames), (Verdict::Invalid, 1_000, 1_000));
}

#[test]
fn read_error_is_not_damage() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let speech = fixture("ss0880_pcm16");
    let mut read = speech[..50_000].chain(Broken);
    let error = survey(&format("pcm16_16000_1"), &mut read).unwrap_err();
    assert!(matches!(error, AudioError::Read(_)));
}

#[test]
fn recording_up_to_length_limit_is_accepted_and_longer_one_is_not() {
    let limited = |samples: usize| {
        let (bytes, format) = (file(&vec![128; samples], 400), format("pcm8_16000_1"));
        let mut read = &bytes[..];
        let mut samples = Samples::new(&format, &mut read).unwrap();
        assert_eq!(samples.most, 48 * 3600 * 16_000);
        samples.most = 16_000;
        survey_samples(samples)
    };
    assert_eq!(limited(16_000).unwrap().0.duration_ms, 1_000);
    assert!(matches!(limited(16_001), Err(AudioError::TooLong)));
}

#[test]
fn time_limit_rejects_longer_recording_and_accepts_one_that_fits() {
    let (bytes, format) = (silence(2), format("pcm16_16000_1"));
    let within = |ms| survey_within(&format, &mut &bytes[..], Duration::from_millis(ms));
    assert_eq!(within(2_000).unwrap().0.duration_ms, 2_000);
    assert!(matches!(within(1_999), Err(AudioError::TooLong)));
    assert!(matches!(within(0), Err(AudioError::TooLong)));
}

/// Refuses every frame that starts with 1, as a codec would, and conceals it with this many samples.
struct RefusingDecoder(usize);

impl FrameDecoder for RefusingDecoder {
    fn rate(&self) -> u32 {
        8_000
    }

    fn channels(&self) -> usize {
        1
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        out.resize(80, 0.0);
        if frame[0] == 1 { Decoded::Refused } else { Decoded::Audio { leftover: 0 } }
    }

    fn conceal(&mut self, _: &[u8], out: &mut Vec<f32>) {
        out.resize(self.0, 0.0);
    }
}

fn with_refused(refused: u8, of: u8) -> Analysis {
    with_refused_of(80, refused, of)
}

fn with_refused_of(samples: usize, refused: u8, of: u8) -> Analysis {
    let frames: Vec<u8> = (0..of).map(|frame| u8::from(frame < refused)).collect();
    let bytes = file(&frames, 1);
    let (survey, _) = survey_samples(Samples::with(Box::new(RefusingDecoder(samples)), &mut &bytes[..])).unwrap();
    Analysis::inaudible(survey)
}

#[test]
fn recording_with_five_percent_concealed_may_be_silent_and_with_more_never_is() {
    let found = with_refused(5, 100);
    assert_eq!((found.verdict(), found.survey.concealed_ms, found.survey.duration_ms), (Verdict::Silent, 50, 1_000));
    assert_eq!(with_refused(6, 100).verdict(), Verdict::Invalid);
    assert_eq!(with_refused(100, 100).verdict(), Verdict::Invalid);
    assert_eq!(with_refused(100, 100).survey.frames, 0);
}

#[test]
fn partly_concealed_millisecond_counts_in_full() {
    assert_eq!(with_refused_of(80, 1, 20).verdict(), Verdict::Silent);
    let found = with_refused_of(81, 1, 20);
    assert_eq!((found.verdict(), found.survey.concealed_ms, found.survey.duration_ms), (Verdict::Invalid, 11, 201));
}

#[test]
fn incomplete_last_millisecond_belongs_to_duration() {
    let lasts = |samples: usize| analysed("pcm16_16000_1", &file(&vec![0; samples * 2], 320)).survey.duration_ms;
    assert_eq!([lasts(15_999), lasts(16_000), lasts(16_001)], [1_000, 1_000, 1_001]);
}

fn any_format() -> impl Strategy<Value = Format> {
    let codec = prop_oneof![Just("pcm16"), Just("pcm8"), Just("mulaw8"), Just("mulaw16")];
    (codec, 8_000..=48_000u32, 1..=2u8)
        .prop_map(|(codec, rate, channels)| format(&format!("{codec}_{rate}_{channels}")))
}

proptest! {
    #[test]
    fn arbitrary_bytes_can_be_analysed_and_cut(
        format in any_format(),
        bytes in proptest::collection::vec(any::<u8>(), 0..3_000),
        size in 1..400usize,
    ) {
        for bytes in [bytes.clone(), file(&bytes, size)] {
            let (survey, kept) = match survey(&format, &mut &bytes[..]) {
                Err(AudioError::Unreadable(_)) => continue,
                found => found.unwrap(),
            };
            prop_assert!(survey.dropped_bytes <= bytes.len() as u64);
            let found = analyse(survey, &format, &mut &bytes[..], &rules(), &mut Energy::new()).unwrap();
            let mut left = found.segments.clone();
            crate::cut(&format, &kept.unwrap(), &found.levels, &found.segments, &mut |span, samples| {
                assert_eq!(span, left.remove(0));
                assert!(samples.len().div_ceil(16) == span.duration_ms() as usize);
                std::ops::ControlFlow::Continue(())
            }).unwrap();
            prop_assert!(left.is_empty());
        }
    }
}

/// Bytes of one codec under the name of another decode to noise, which must not count as proven silence.
#[test]
fn recording_with_wrong_codec_in_name_is_never_silent() {
    use crate::testing::recording;
    let clips = [
        "ss0890_opus_16000_1_fs160",
        "ss0890_opus_fs320_16000_1_fs320",
        "ss0880_aac_16000_1_fs1024",
        "ss0890_pcm16_16000_1_fs160",
    ];
    for clip in clips {
        for name in
            ["pcm16_16000_1", "pcm8_16000_1", "mulaw8_8000_1", "opus_16000_1", "opus_fs320_16000_1", "aac_16000_1"]
        {
            if clip.contains(name.split("_16").next().unwrap()) {
                continue;
            }
            let bytes = recording(clip);
            let mut silero = crate::detect::Silero::new(crate::testing::network());
            for found in [analysed(name, &bytes), analysed_by(name, &bytes, &mut silero)] {
                assert_ne!(found.verdict(), Verdict::Silent, "{clip} as {name}: {found:?}");
            }
        }
    }
}

/// Each packet has three bytes and claims 120 ms. A time limit has to bound the audio that packets become, not the
/// bytes that they take.
#[test]
fn time_limit_stops_decoding_of_packets_that_claim_much_audio() {
    let format = format("opus_16000_1");
    let mut endless = crate::testing::Endless::of(&file(&[0x0B, 2, 0], 3));
    let most = Duration::from_secs(60);
    let given_up = survey_within(&format, &mut endless, most);
    assert!(matches!(given_up, Err(AudioError::TooLong)), "{given_up:?}");
    assert!(endless.given < 500_000, "{} bytes were read", endless.given);
}
