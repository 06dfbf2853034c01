//! Audio that is longer than its engine accepts: it is cut where it is quietest, transcribed piece by piece, and joined
//! again.
//!
//! A plan is made for the engine that is configured at that time and outlives it. An engine that is wrapped in [`SplittingEngine`]
//! accepts the segments of any plan.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, SAMPLE_RATE, Transcript, Utterance};

const MS: usize = SAMPLE_RATE as usize / 1000;
/// Distance between possible cuts in samples, so that the times of pieces are whole milliseconds.
const STEP: usize = 10 * MS;
/// The length of the quiet stretch to cut in, the same as in the planning of segments.
const QUIET_STEPS: usize = 10;
/// The shortest limit of a piece: there has to be room to look for a quiet stretch.
const SHORTEST: Duration = Duration::from_secs(1);

/// An engine that accepts audio of any length.
pub struct SplittingEngine {
    engine: Arc<dyn Engine>,
}

impl SplittingEngine {
    pub fn around(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// Transcribes the given pieces concurrently and returns the transcripts in the same order. The first error ends the
    /// other calls.
    async fn transcribe_pieces(
        &self,
        samples: &[f32],
        pieces: &[Range<usize>],
        hints: &Hints,
    ) -> Result<Vec<Transcript>, EngineError> {
        let at_once = self.engine.capabilities().concurrency.max(1);
        let calls: Vec<_> =
            pieces.iter().map(|piece| self.engine.transcribe(Audio::new(&samples[piece.clone()]), hints)).collect();
        stream::iter(calls).buffered(at_once).try_collect().await
    }
}

#[async_trait]
impl Engine for SplittingEngine {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let longest = self.engine.capabilities().max_span;
        // Packets are cut by the engine that accepts them.
        if audio.duration <= longest || audio.frames.is_some() {
            return self.engine.transcribe(audio, hints).await;
        }
        let pieces = pieces(audio.samples, longest);
        let mut answers = self.transcribe_pieces(audio.samples, &pieces, hints).await?;
        // Callers only repeat a call whose whole transcript is empty, so single empty pieces are asked again here.
        let is_empty = |answer: &Transcript| answer.is_empty();
        if !answers.iter().all(is_empty) {
            let empty: Vec<usize> = (0..pieces.len()).filter(|index| is_empty(&answers[*index])).collect();
            let empty_pieces: Vec<_> = empty.iter().map(|index| pieces[*index].clone()).collect();
            for (index, answer) in
                empty.into_iter().zip(self.transcribe_pieces(audio.samples, &empty_pieces, hints).await?)
            {
                answers[index] = answer;
            }
        }
        Ok(join(pieces.iter().map(|piece| to_ms(piece.start)).zip(answers)))
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.engine.ready().await
    }
}

/// Cuts samples into pieces of at most `longest` (at least 1 s), each at the quietest 100 ms in the last fifth of the
/// longest possible piece. Every sample is in exactly one piece. The last piece has at least a tenth of `longest`, unless
/// it is the only one.
pub fn pieces(samples: &[f32], longest: Duration) -> Vec<Range<usize>> {
    let longest_ms = usize::try_from(longest.max(SHORTEST).as_millis()).unwrap_or(usize::MAX / MS);
    let longest = longest_ms.saturating_mul(MS) / STEP * STEP;
    let (mut pieces, mut start) = (Vec::new(), 0);
    while samples.len() - start > longest {
        let rest = samples.len() - start;
        let (from, to) = (start + longest / 5 * 4, start + longest.min(rest - longest / 10));
        let cut = quietest(samples, from / STEP, to / STEP);
        pieces.push(start..cut);
        start = cut;
    }
    pieces.push(start..samples.len());
    pieces
}

/// The time of a sample in whole milliseconds.
pub(crate) fn to_ms(sample: usize) -> u32 {
    u32::try_from(sample / MS).unwrap_or(u32::MAX)
}

/// The middle of the quietest 100 ms between two steps. If several are equally quiet, the last one is taken.
fn quietest(samples: &[f32], from: usize, to: usize) -> usize {
    let power = |step: usize| -> f32 { samples[step * STEP..(step + 1) * STEP].iter().map(|s| s * s).sum() };
    let powers: Vec<f32> = (from..to).map(power).collect();
    let sums = powers.windows(QUIET_STEPS).map(|quiet| quiet.iter().sum::<f32>());
    let (mut best, mut least) = (0, f32::INFINITY);
    for (index, sum) in sums.enumerate() {
        if sum <= least {
            (best, least) = (index, sum);
        }
    }
    (from + best + QUIET_STEPS / 2) * STEP
}

/// Joins the transcripts of pieces, each given with the start of its piece in milliseconds. The first detected language
/// becomes the language of the whole. Names of speakers stay as they are, although engines assign them anew in each call.
pub fn join(answers: impl IntoIterator<Item = (u32, Transcript)>) -> Transcript {
    let mut whole = Transcript::default();
    for (begins_ms, answer) in answers {
        whole.language = whole.language.or(answer.language);
        whole.lines.extend(answer.lines.into_iter().map(|line| shifted(line, begins_ms)));
    }
    whole
}

fn shifted(mut line: Utterance, by_ms: u32) -> Utterance {
    line.start_ms = line.start_ms.saturating_add(by_ms);
    line.end_ms = line.end_ms.saturating_add(by_ms);
    for word in line.words.iter_mut().flatten() {
        word.start_ms = word.start_ms.saturating_add(by_ms);
        word.end_ms = word.end_ms.saturating_add(by_ms);
    }
    line
}

#[cfg(test)]
mod tests;
