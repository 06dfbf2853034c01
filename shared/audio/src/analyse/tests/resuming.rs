//! A run that is interrupted, at any restart point and any number of times, finds the same as an uninterrupted run:
//! every checkpoint leads to the same result and to the very same later checkpoints.

use std::time::Duration;

use domain::Format;
use proptest::prelude::*;

use crate::analyse::*;
use crate::detect::Detection;
use crate::grid::Grid;
use crate::progress::Progress;
use crate::survey::{FirstPassListener, Surveyed, survey_samples_onward};
use crate::testing::{file, fixture_samples, format, noise, quieter, recording, s16, silero_model};

type Checkpoints = Vec<(u32, Vec<u8>)>;

/// Listeners restart at 4 s and every 4 s from there, decoders every second.
fn grid() -> Grid {
    Grid::of(64_000, 16_000, 4)
}

fn rules() -> SegmentRules {
    SegmentRules::new(Duration::from_secs(3))
}

fn samples<'r>(format: &Format, bytes: &'r mut &[u8], from: Option<&Progress>) -> Samples<'r> {
    let point = from.and_then(Progress::restart_point);
    *bytes = &bytes[point.map_or(0, |point| point.source.byte as usize)..];
    Samples::opened_at(point, format, bytes).unwrap().on(grid())
}

fn surveyed(format: &Format, mut bytes: &[u8], from: Option<&Progress>) -> (Survey, RestartPoints, Checkpoints) {
    let mut checkpoints = Checkpoints::new();
    let mut tell = |place, packed| checkpoints.push((place, packed));
    let samples = samples(format, &mut bytes, from);
    let on = Resume { from, tell: &mut tell };
    let Surveyed { survey, points, .. } = survey_samples_onward(samples, None, on).unwrap();
    (survey, points, checkpoints)
}

/// Surveys the recording and listens to it in the same pass.
fn listened(
    format: &Format,
    mut bytes: &[u8],
    detection: &Detection,
    from: Option<&Progress>,
) -> (Option<Analysis>, Checkpoints) {
    let (mut checkpoints, mut detector) = (Checkpoints::new(), detection.detector());
    let mut tell = |place, packed| checkpoints.push((place, packed));
    let samples = samples(format, &mut bytes, from);
    let listener = FirstPassListener { rules: rules(), detector: &mut *detector };
    let on = Resume { from, tell: &mut tell };
    let Surveyed { analysis, .. } = survey_samples_onward(samples, Some(listener), on).unwrap();
    (analysis, checkpoints)
}

/// Listening in the first pass finds the same as listening in the second, interrupted or not, unless there are two
/// channels.
fn assert_same_in_first_pass(name: &str, bytes: &[u8], detection: &Detection, expected: &Analysis) {
    let format = format(name);
    let (analysis, checkpoints) = listened(&format, bytes, detection, None);
    if name.ends_with("_2") {
        assert_eq!(analysis, None, "{name}");
    } else {
        assert_eq!(analysis.map(without_regions), Some(without_regions(expected.clone())), "{name}");
    }
    for (index, (place, packed)) in checkpoints.iter().enumerate() {
        let from = Progress::unpack(packed).unwrap();
        assert_eq!((from.place(), &from.pack()), (*place, packed), "{name}");
        let (again, later) = listened(&format, bytes, detection, Some(&from));
        let expected = (!name.ends_with("_2")).then(|| without_regions(expected.clone()));
        assert_eq!(again.map(without_regions), expected, "{name}: from checkpoint {index}");
        assert!(later == checkpoints[index + 1..], "{name}: other checkpoints from {index}");
    }
}

fn analysed(
    (survey, points): (Survey, &RestartPoints),
    format: &Format,
    mut bytes: &[u8],
    detection: &Detection,
    from: Option<&Progress>,
) -> (Analysis, Checkpoints) {
    let mut checkpoints = Checkpoints::new();
    let mut tell = |place, packed| checkpoints.push((place, packed));
    let samples = samples(format, &mut bytes, from).with_restart_points(points.clone());
    let on = Resume { from, tell: &mut tell };
    let analysis = analyse_samples(survey, samples, &rules(), &mut *detection.detector(), on).unwrap();
    (analysis, checkpoints)
}

/// The bare regions are known only for what this delivery heard itself, so they are left out of the comparison.
fn without_regions(analysis: Analysis) -> Analysis {
    Analysis { speech: Vec::new(), ..analysis }
}

fn assert_resumes_identically(name: &str, bytes: &[u8], detection: &Detection) -> Analysis {
    let format = format(name);
    let (survey, points, checkpoints) = surveyed(&format, bytes, None);
    assert!(checkpoints.len() > 1, "{name}: {} checkpoints", checkpoints.len());
    for (index, (place, packed)) in checkpoints.iter().enumerate() {
        let from = Progress::unpack(packed).unwrap();
        assert_eq!((from.place(), &from.pack()), (*place, packed), "{name}");
        let (again, known, later) = surveyed(&format, bytes, Some(&from));
        assert!(again == survey, "{name}: another survey from checkpoint {index}");
        assert_eq!(known, points, "{name}: from checkpoint {index}");
        assert!(later == checkpoints[index + 1..], "{name}: other checkpoints from {index}");
    }
    if !survey.audible {
        let analysis = Analysis::inaudible(survey);
        assert_same_in_first_pass(name, bytes, detection, &analysis);
        return analysis;
    }
    let (analysis, found) = analysed((survey, &points), &format, bytes, detection, None);
    assert_eq!(found.len(), checkpoints.len() + 1, "one more where the second pass begins");
    for (index, (place, packed)) in found.iter().enumerate() {
        let from = Progress::unpack(packed).unwrap();
        assert_eq!((from.place(), &from.pack()), (*place, packed), "{name}");
        let (survey, points) = from.survey().unwrap();
        let (again, later) = analysed((survey, &points), &format, bytes, detection, Some(&from));
        assert_eq!(without_regions(again), without_regions(analysis.clone()), "{name}: from checkpoint {index}");
        // A run that begins the second pass repeats the checkpoint for its start.
        assert!(later[usize::from(index == 0)..] == found[index + 1..], "{name}: later checkpoints from {index}");
    }
    let places: Vec<u32> = checkpoints.iter().chain(&found).map(|(place, _)| *place).collect();
    assert!(places.is_sorted_by(|one, other| one < other), "{places:?}");
    assert_same_in_first_pass(name, bytes, detection, &analysis);
    analysis
}

fn repeated(clip: &str, times: usize) -> Vec<u8> {
    recording(clip).repeat(times)
}

#[test]
fn recording_of_any_codec_interrupted_anywhere_gives_same_result() {
    let silero = Detection::silero(silero_model()).unwrap();
    for (name, clip) in [
        ("pcm16_16000_1", "ss0880_pcm16_16000_1_fs160"),
        ("pcm8_16000_1", "ss0880_pcm8_16000_1_fs160"),
        ("opus_fs320_16000_1", "ss0880_opus_fs320_16000_1_fs320"),
        ("aac_16000_1", "ss0880_aac_16000_1_fs1024"),
        ("lc3_fs1030_16000_1", "ss0880_lc3_fs1030_16000_1_fs160"),
    ] {
        let analysis = assert_resumes_identically(name, &repeated(clip, 6), &silero);
        assert!(analysis.segments.len() > 4 && analysis.speech_ms > 6_000, "{name}: {:?}", analysis.segments);
    }
}

#[test]
fn damage_before_checkpoint_still_prevents_silent_verdict_after_it() {
    let quiet = file(&s16(&noise(16_000 * 14, 0.000_5)), 320);
    let undamaged = assert_resumes_identically("pcm16_16000_1", &quiet, &Detection::energy());
    assert_eq!(undamaged.verdict(), Verdict::Silent);
    // Two frames with half a sample in the first second.
    let mut damaged = quiet.clone();
    damaged.splice(0..0, [file(&[0; 3], 3), file(&[0; 3], 3)].concat());
    let damaged = assert_resumes_identically("pcm16_16000_1", &damaged, &Detection::energy());
    assert_eq!((damaged.verdict(), damaged.survey.dropped_bytes), (Verdict::Invalid, 2));
}

/// Speech that continues across every restart point is cut there; none of it is left out or heard twice.
#[test]
fn speech_across_restart_points_is_cut_without_loss_or_repetition() {
    // Syllables of 340 ms, 60 ms apart.
    let loud = |at: usize| if at % 6_400 < 5_440 { 0.3 } else { 0.0 };
    let tone: Vec<f32> = (0..16_000 * 21).map(|at| if at % 9 < 4 { loud(at) } else { -loud(at) }).collect();
    let tone = [vec![0.0; 16_000], tone, vec![0.0; 16_000]].concat();
    let found = assert_resumes_identically("pcm16_16000_1", &file(&s16(&tone), 320), &Detection::energy());
    assert!(found.segments.windows(2).all(|pair| pair[0].end_ms == pair[1].start_ms), "{:?}", found.segments);
    assert!((20_900..=21_100).contains(&found.speech_ms), "{} ms", found.speech_ms);
    assert!(found.segments.iter().all(|segment| segment.duration_ms() <= 3_000), "{:?}", found.segments);
}

#[test]
fn bytes_that_are_no_checkpoint_are_rejected() {
    let (_, _, checkpoints) = surveyed(&format("pcm16_16000_1"), &repeated("ss0880_pcm16_16000_1_fs160", 4), None);
    let (_, packed) = &checkpoints[0];
    for cut in 0..packed.len() {
        assert!(Progress::unpack(&packed[..cut]).is_none(), "{cut}");
    }
    let other = [&[packed[0] + 1], &packed[1..]].concat();
    assert!(Progress::unpack(&other).is_none(), "other rules");
    assert!(Progress::unpack(&[&packed[..], &[0]].concat()).is_none(), "more than it is");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn interruptions_change_nothing_for_any_content_at_any_loudness(
        rate in prop_oneof![Just(8_000u32), Just(16_000), Just(44_100), Just(48_000)],
        channels in 1..=2usize,
        turned in any::<bool>(),
        frame in 20..900usize,
        stretches in proptest::collection::vec((0..4usize, -40.0f32..0.0, 400..2_500usize), 5..9),
        leftover in any::<bool>(),
    ) {
        let clip = fixture_samples("ss0880_pcm16");
        let mut audio = Vec::new();
        for (kind, db, length_ms) in stretches {
            let length = length_ms * rate as usize / 1000;
            let sound: Vec<f32> = match kind {
                0 => vec![0.0; length],
                1 => noise(length, 0.3),
                // The clip is repeated sample by sample, whatever the rate.
                _ => clip.iter().copied().cycle().skip(length_ms).take(length).collect(),
            };
            for sample in quieter(&sound, db) {
                audio.push(sample);
                if channels == 2 {
                    audio.push(if turned { -sample } else { sample * 0.3 });
                }
            }
        }
        let mut bytes = file(&s16(&audio), frame * 2 * channels);
        if leftover {
            bytes.splice(0..0, file(&[0; 5], 5));
        }
        if audio.len() > channels * rate as usize * 9 {
            assert_resumes_identically(&format!("pcm16_{rate}_{channels}"), &bytes, &Detection::energy());
        }
    }
}
