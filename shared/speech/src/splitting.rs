//! An engine that accepts audio of any length: it is cut into pieces that the wrapped engine accepts, and their transcripts
//! are joined.

mod answered;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

pub use self::answered::AnsweredPieces;
use self::answered::PieceKey;
use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, RetryClass, Transcript, Utterance};
use crate::pieces::{Piece, pieces};

/// The number of failed calls in a row after which no further piece is tried.
const FAILURES: u32 = 3;

pub struct SplittingEngine {
    engine: Arc<dyn Engine>,
    answered: Arc<AnsweredPieces>,
}

impl SplittingEngine {
    /// `answered` keeps the transcripts of pieces until the whole audio has been transcribed.
    pub fn around(engine: Arc<dyn Engine>, answered: Arc<AnsweredPieces>) -> Self {
        Self { engine, answered }
    }

    /// Transcribes the pieces that have no text yet concurrently. A failed call does not stop the others, unless calls
    /// fail in a row or the engine wants no more of them. What was answered is kept for a later call with this audio.
    async fn fill_empty(&self, parts: &mut [Part<'_>], hints: &Hints) -> Result<(), EngineError> {
        let at_once = self.engine.capabilities().concurrency.max(1);
        let course = &Course::default();
        let calls = parts.iter_mut().filter(|part| part.transcript.is_empty()).map(|part| async move {
            if course.is_over() {
                return Ok(());
            }
            let answer = self.engine.transcribe(part.piece.audio, hints).await;
            course.note(&answer);
            part.transcript = answer?;
            if !part.transcript.is_empty() {
                self.answered.keep(part.key, &part.transcript);
            }
            Ok(())
        });
        let calls: Vec<_> = calls.collect();
        let results: Vec<Result<(), EngineError>> = stream::iter(calls).buffer_unordered(at_once).collect().await;
        let errors = results.into_iter().filter_map(Result::err);
        // What the engine said of all calls, or of the audio, matters more than a passing failure.
        errors.reduce(|one, other| if one.retry == RetryClass::Transient { other } else { one }).map_or(Ok(()), Err)
    }
}

/// How the calls for one audio have gone so far.
#[derive(Default)]
struct Course {
    failed_in_a_row: AtomicU32,
    unwanted: AtomicBool,
}

impl Course {
    fn is_over(&self) -> bool {
        self.unwanted.load(Ordering::Relaxed) || self.failed_in_a_row.load(Ordering::Relaxed) >= FAILURES
    }

    fn note(&self, answer: &Result<Transcript, EngineError>) {
        match answer.as_ref().map_err(|error| error.retry) {
            Ok(_) => self.failed_in_a_row.store(0, Ordering::Relaxed),
            Err(RetryClass::Transient) => _ = self.failed_in_a_row.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.unwanted.store(true, Ordering::Relaxed),
        }
    }
}

/// A piece with its transcript, which is empty until there is one.
struct Part<'a> {
    piece: Piece<'a>,
    key: PieceKey,
    transcript: Transcript,
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
        let parts = pieces.into_iter().map(|piece| {
            let key = PieceKey::new(piece.audio, hints);
            Part { transcript: self.answered.get(key).unwrap_or_default(), key, piece }
        });
        let mut parts: Vec<_> = parts.collect();
        self.fill_empty(&mut parts, hints).await?;
        // Callers only repeat a call whose whole transcript is empty, so single empty pieces are asked again here.
        if !parts.iter().all(|part| part.transcript.is_empty()) {
            self.fill_empty(&mut parts, hints).await?;
        }
        let keys: Vec<_> = parts.iter().map(|part| part.key).collect();
        self.answered.forget(&keys);
        Ok(join(parts.into_iter().map(|part| (part.piece.start_ms, part.transcript))))
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
