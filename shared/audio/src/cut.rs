//! The second pass over a recording: fetches the exact samples of its segments.

use std::ops::ControlFlow;

use domain::{Format, Levels};

use crate::error::AudioError;
use crate::grid::Grid;
use crate::input::Input;
use crate::mix::MixedSamples;
use crate::resample::RATE;
use crate::restart_points::RestartPoints;
use crate::samples::Samples;
use crate::segment::Span;

/// The capacity that is reserved before the first sample arrives. A plan that claims a longer span takes more memory
/// only if the audio is there.
const FIRST_ROOM: usize = 30 * RATE as usize;

/// Gives every span and its samples (mono, 16 kHz, at these levels) to `sink`; sample `ms * 16` is the first of a
/// millisecond. The spans are sorted and do not overlap. Reading ends after the last span, or when `sink` breaks.
/// Samples behind the end of the recording are missing: up to 15 in the last millisecond, or all of them if the bytes
/// are not those that were analysed. One span at a time is held in memory.
pub fn cut<'r>(
    format: &Format,
    input: impl Into<Input<'r>>,
    levels: &Levels,
    spans: &[Span],
    sink: &mut dyn FnMut(Span, Vec<f32>) -> ControlFlow<()>,
) -> Result<(), AudioError> {
    cut_samples(MixedSamples::new(Samples::new(format, input)?, levels), spans, sink)
}

/// Like [`cut`], but decoding begins at the last known restart point before the first span; `input` begins at that
/// restart point's byte ([`RestartPoints::byte_for`]). Between spans that lie far apart, decoding jumps to the next
/// known restart point. `report` is called with the restart points when new ones were passed.
pub fn cut_resumable<'r>(
    format: &Format,
    input: impl Into<Input<'r>>,
    levels: &Levels,
    spans: &[Span],
    known: RestartPoints,
    report: &mut dyn FnMut(&RestartPoints),
    sink: &mut dyn FnMut(Span, Vec<f32>) -> ControlFlow<()>,
) -> Result<(), AudioError> {
    let from = spans.first().and_then(|first| known.last_until_sample(sample_at(first.start_ms), Grid::default()));
    let samples = Samples::opened_at(from, format, input)?.with_restart_points(known.clone());
    cut_samples_onward(MixedSamples::new(samples, levels), spans, report, sink)
}

pub(crate) fn cut_samples(
    samples: MixedSamples<'_>,
    spans: &[Span],
    sink: &mut dyn FnMut(Span, Vec<f32>) -> ControlFlow<()>,
) -> Result<(), AudioError> {
    cut_samples_onward(samples, spans, &mut |_| {}, sink)
}

pub(crate) fn cut_samples_onward(
    mut samples: MixedSamples<'_>,
    spans: &[Span],
    report: &mut dyn FnMut(&RestartPoints),
    sink: &mut dyn FnMut(Span, Vec<f32>) -> ControlFlow<()>,
) -> Result<(), AudioError> {
    debug_assert!(spans.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms), "spans are sorted and apart");
    let mut left = spans.iter().copied();
    let Some(first) = left.next() else {
        return Ok(());
    };
    let open = Open::new(first);
    // The number of the first sample of the next piece.
    let at = jump(&mut samples, 0, &open)?;
    cut_reporting_restart_points(samples, at, open, left, report, sink)
}

/// `at` is the number of the first sample that comes, and then of each piece. The open span may hold some samples
/// already.
pub(crate) fn cut_from(
    samples: MixedSamples<'_>,
    at: u64,
    open: Open,
    left: impl Iterator<Item = Span>,
    sink: &mut dyn FnMut(Span, Vec<f32>) -> ControlFlow<()>,
) -> Result<(), AudioError> {
    cut_reporting_restart_points(samples, at, open, left, &mut |_| {}, sink)
}

fn cut_reporting_restart_points(
    mut samples: MixedSamples<'_>,
    mut at: u64,
    mut open: Open,
    mut left: impl Iterator<Item = Span>,
    report: &mut dyn FnMut(&RestartPoints),
    sink: &mut dyn FnMut(Span, Vec<f32>) -> ControlFlow<()>,
) -> Result<(), AudioError> {
    let mut known = samples.restart_points().len();
    while let Some(piece) = samples.next_piece()? {
        while open.take(at, piece) {
            let full = match left.next() {
                Some(next) => std::mem::replace(&mut open, Open::new(next)),
                None => {
                    // The answer of the sink no longer matters.
                    let _ = sink(open.span, open.samples);
                    return Ok(());
                }
            };
            if sink(full.span, full.samples).is_break() {
                return Ok(());
            }
        }
        at += piece.len() as u64;
        if samples.restart_points().len() > known {
            known = samples.restart_points().len();
            report(samples.restart_points());
        }
        at = jump(&mut samples, at, &open)?;
    }
    // The recording ends before its spans do.
    if sink(open.span, open.samples).is_continue() {
        let _ = left.try_for_each(|span| sink(span, Vec::new()));
    }
    Ok(())
}

/// Jumps to the last known restart point before a span, if that lies ahead. Returns the sample at which reading
/// continues.
fn jump(samples: &mut MixedSamples<'_>, at: u64, open: &Open) -> Result<u64, AudioError> {
    let grid = samples.grid();
    let point = samples.restart_points().last_until_sample(sample_at(open.span.start_ms), grid).copied();
    match point.map(|point| (point, grid.at(point.number))) {
        Some((point, ahead)) if ahead > at => {
            samples.resume_at(&point)?;
            Ok(ahead)
        }
        _ => Ok(at),
    }
}

pub(crate) struct Open {
    pub span: Span,
    pub samples: Vec<f32>,
}

impl Open {
    fn new(span: Span) -> Self {
        let wanted = sample_at(span.end_ms).saturating_sub(sample_at(span.start_ms));
        let room = usize::try_from(wanted).map_or(FIRST_ROOM, |wanted| wanted.min(FIRST_ROOM));
        Self { span, samples: Vec::with_capacity(room) }
    }

    /// Takes the samples of the span from a piece that starts at sample `at`. Returns whether the span ends within the
    /// piece.
    fn take(&mut self, at: u64, piece: &[f32]) -> bool {
        let (start, end) = (sample_at(self.span.start_ms), sample_at(self.span.end_ms));
        // At most the length of the piece, so this fits.
        let within = |sample: u64| sample.saturating_sub(at).min(piece.len() as u64) as usize;
        self.samples.extend_from_slice(&piece[within(start)..within(end)]);
        end <= at + piece.len() as u64
    }
}

pub(crate) fn sample_at(ms: u32) -> u64 {
    u64::from(ms) * u64::from(RATE / 1000)
}

#[cfg(test)]
mod tests {
    use domain::Gain;
    use proptest::prelude::*;

    use super::*;
    use crate::survey::survey;
    use crate::testing::{Endless, file, format, noise, s16};

    fn span(start_ms: u32, end_ms: u32) -> Span {
        Span { start_ms, end_ms }
    }

    fn cut_all(name: &str, bytes: &[u8], spans: &[Span]) -> Vec<(Span, Vec<f32>)> {
        let mut got = Vec::new();
        cut(&format(name), &mut &bytes[..], &Levels::default(), spans, &mut |span, samples| {
            got.push((span, samples));
            ControlFlow::Continue(())
        })
        .unwrap();
        got
    }

    #[test]
    fn reading_ends_after_last_span_or_when_sink_breaks() {
        let format = format("pcm16_16000_1");
        let mut endless = Endless::of(&file(&s16(&noise(16_000, 0.1)), 320));
        let mut cut = |spans: &[Span], flow| {
            cut(&format, &mut endless, &Levels::default(), spans, &mut |_, _| flow).unwrap();
        };
        cut(&[span(100, 200), span(5_000, 6_000)], ControlFlow::Continue(()));
        cut(&[span(0, 10), span(20, 4_000_000)], ControlFlow::Break(()));
        cut(&[], ControlFlow::Continue(()));
        assert!(endless.given < 2_000_000, "{} bytes were read", endless.given);
    }

    #[test]
    fn cut_samples_have_the_gain_of_the_levels() {
        let (format, bytes) = (format("pcm16_16000_1"), file(&s16(&noise(16_000, 0.01)), 320));
        let at = |gain| {
            let mut all = Vec::new();
            let levels = Levels::one(Gain::of(gain));
            cut(&format, &mut &bytes[..], &levels, &[span(100, 900)], &mut |_, samples| {
                all = samples;
                ControlFlow::Continue(())
            })
            .unwrap();
            all
        };
        let (once, tenfold) = (at(1.0), at(10.0));
        assert!(once.len() == 12_800 && once.iter().zip(&tenfold).all(|(once, tenfold)| once * 10.0 == *tenfold));
    }

    #[test]
    fn samples_cut_from_kept_recording_equal_samples_decoded_again() {
        let offset: Vec<f32> = noise(16_000, 0.01).iter().map(|sample| sample + 0.2).collect();
        let (format, bytes) = (format("pcm16_16000_1"), file(&s16(&offset), 320));
        let (_, kept) = survey(&format, &mut &bytes[..]).unwrap();
        let cut_from = |input: Input| {
            let mut all = Vec::new();
            cut(&format, input, &Levels::one(Gain::of(3.0)), &[span(100, 900)], &mut |_, samples| {
                all = samples;
                ControlFlow::Continue(())
            })
            .unwrap();
            all
        };
        assert_eq!(cut_from(Input::from(&kept.unwrap())), cut_from(Input::from(&mut &bytes[..])));
    }

    #[test]
    fn spans_beyond_the_end_are_given_with_available_samples() {
        let samples = noise(160, 0.5);
        let got = cut_all("pcm16_16000_1", &file(&s16(&samples), 100), &[span(5, 10), span(10, 20), span(30, 40)]);
        let lengths: Vec<usize> = got.iter().map(|(_, samples)| samples.len()).collect();
        assert_eq!(lengths, [80, 0, 0]);
    }

    proptest! {
        #[test]
        fn cut_samples_are_exactly_those_of_the_span(
            count in 0..4_000usize,
            size in 1..500usize,
            steps in proptest::collection::vec((0..60u32, 0..60u32), 1..6),
            name in prop_oneof![Just("pcm16_16000_1"), Just("pcm16_44100_1"), Just("pcm16_8000_1")],
        ) {
            let bytes = file(&s16(&noise(count, 0.5)), size * 2);
            let whole = cut_all(name, &bytes, &[span(0, 4_000)]).remove(0).1;
            let mut at = 0;
            let spans: Vec<Span> = steps.into_iter().map(|(pause, length)| {
                let start = at + pause;
                at = start + length;
                span(start, at)
            }).collect();
            let got = cut_all(name, &bytes, &spans);
            prop_assert_eq!(got.len(), spans.len());
            for ((got_span, samples), span) in got.iter().zip(&spans) {
                prop_assert_eq!(got_span, span);
                let within = |ms: u32| (ms as usize * 16).min(whole.len());
                prop_assert_eq!(&samples[..], &whole[within(span.start_ms)..within(span.end_ms)]);
            }
        }
    }
}
