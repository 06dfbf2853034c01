//! Audio that is longer than its engine takes: cut where it is quietest, asked piece by piece, put together again.
//!
//! Plans are made for the engine of their day and outlive it. Whoever wraps an engine in [`Cutting`] may give it any
//! plan's segments.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, SAMPLE_RATE, Transcript, Utterance};

const MS: usize = SAMPLE_RATE as usize / 1000;
/// Places to cut are this far apart, so that the pieces' times are whole milliseconds.
const STEP: usize = 10 * MS;
/// The stretch that has to be quiet where speech is cut, as where segments are made.
const QUIET_STEPS: usize = 10;
/// No engine takes less: there has to be room to look for a quiet place.
const SHORTEST: Duration = Duration::from_secs(1);

/// An engine that takes audio of any length.
pub struct Cutting {
    engine: Arc<dyn Engine>,
}

impl Cutting {
    pub fn around(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// Asks for some of the pieces; their answers in the same order. One that fails ends the others.
    async fn ask(
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
impl Engine for Cutting {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let longest = self.engine.capabilities().max_span;
        // Packets are cut by the engine that takes them.
        if audio.duration <= longest || audio.frames.is_some() {
            return self.engine.transcribe(audio, hints).await;
        }
        let pieces = pieces(audio.samples, longest);
        let mut answers = self.ask(audio.samples, &pieces, hints).await?;
        // The whole is not empty, so nobody else asks again for the pieces that are.
        let is_deaf = |answer: &Transcript| answer.is_empty();
        if !answers.iter().all(is_deaf) {
            let again: Vec<usize> = (0..pieces.len()).filter(|index| is_deaf(&answers[*index])).collect();
            let wanted: Vec<_> = again.iter().map(|index| pieces[*index].clone()).collect();
            for (index, answer) in again.into_iter().zip(self.ask(audio.samples, &wanted, hints).await?) {
                answers[index] = answer;
            }
        }
        Ok(join(pieces.iter().map(|piece| to_ms(piece.start)).zip(answers)))
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.engine.ready().await
    }
}

/// Cuts samples into pieces of at most `longest` (taken as 1 s at least), each at the quietest 100 ms in the last fifth
/// of what fits. Every sample is in exactly one of them. The last is no sliver: it has a tenth of `longest` at least,
/// unless it is the only one.
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

/// Where a sample lies, in whole milliseconds.
pub(crate) fn to_ms(sample: usize) -> u32 {
    u32::try_from(sample / MS).unwrap_or(u32::MAX)
}

/// The middle of the quietest 100 ms between two steps; of equally quiet ones the last.
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

/// Puts the answers for pieces together again, each with the milliseconds at which its piece began. The first language
/// that is told is that of the whole. Names of speakers stay as they are: engines give them anew in each call.
pub fn join(answers: impl IntoIterator<Item = (u32, Transcript)>) -> Transcript {
    let mut whole = Transcript::default();
    for (begins_ms, answer) in answers {
        whole.language = whole.language.or(answer.language);
        whole.lines.extend(answer.lines.into_iter().map(|line| later(line, begins_ms)));
    }
    whole
}

fn later(mut line: Utterance, by_ms: u32) -> Utterance {
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
