//! An engine that accepts audio of any length: it is cut into pieces that the wrapped engine accepts, and their transcripts
//! are joined.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, Transcript, Utterance};
use crate::pieces::{Piece, pieces};

pub struct SplittingEngine {
    engine: Arc<dyn Engine>,
}

impl SplittingEngine {
    pub fn around(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// Transcribes the pieces that have no text yet concurrently. The first error ends the other calls.
    async fn fill_empty(
        &self,
        answers: &mut [Transcript],
        pieces: &[Piece<'_>],
        hints: &Hints,
    ) -> Result<(), EngineError> {
        let empty = answers.iter_mut().zip(pieces).filter(|(answer, _)| answer.is_empty());
        let calls: Vec<_> = empty
            .map(|(answer, piece)| async {
                *answer = self.engine.transcribe(piece.audio, hints).await?;
                Ok(())
            })
            .collect();
        let at_once = self.engine.capabilities().concurrency.max(1);
        stream::iter(calls).buffer_unordered(at_once).try_collect().await
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
        let pieces = pieces(audio, self.engine.capabilities().max_span);
        if let [whole] = &pieces[..] {
            return self.engine.transcribe(whole.audio, hints).await;
        }
        let mut answers = vec![Transcript::default(); pieces.len()];
        self.fill_empty(&mut answers, &pieces, hints).await?;
        // Callers only repeat a call whose whole transcript is empty, so single empty pieces are asked again here.
        if !answers.iter().all(Transcript::is_empty) {
            self.fill_empty(&mut answers, &pieces, hints).await?;
        }
        Ok(join(pieces.iter().map(|piece| piece.start_ms).zip(answers)))
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.engine.ready().await
    }
}

/// Joins the transcripts of pieces, each given with the start of its piece in milliseconds. The first detected language
/// becomes the language of the whole. Names of speakers stay as they are, although engines assign them anew in each call.
fn join(answers: impl IntoIterator<Item = (u32, Transcript)>) -> Transcript {
    let mut whole = Transcript::default();
    for (start_ms, answer) in answers {
        whole.language = whole.language.or(answer.language);
        whole.lines.extend(answer.lines.into_iter().map(|line| shifted(line, start_ms)));
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
