//! Moonshine: speech recognition on this machine, without a key and without a network. English only.
//!
//! The model is loaded once, on a thread of its own; a call that comes earlier waits for it. Calls run on blocking
//! threads, one core each: more threads for one call do not help, more calls at once do.

mod attention;
mod byte_matrix;
mod decoder;
mod encoder;
mod error;
mod lanes;
mod layer;
mod linear;
mod network;
mod plain;
mod repeat;
mod rows;
mod speech;
mod vocabulary;
mod weights;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rten::RunOptions;

use crate::arithmetic::Arithmetic;
use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, Languages, Retry, Transcript, Utterance};
use crate::loading::Loading;
use crate::pieces;
use error::NetworkError;
use lanes::Lanes;
use network::Network;
use vocabulary::Vocabulary;

pub(crate) const TINY: &str = "moonshine-tiny";
pub(crate) const BASE: &str = "moonshine-base";

/// Shorter pieces cost words: at 8 s three of a hundred more are wrong.
const PREFERRED_SPAN: Duration = Duration::from_secs(15);
/// What the model takes at once.
const MAX_SPAN: Duration = Duration::from_secs(64);
/// Pieces of long audio that go side by side, at some ten megabytes each.
const SIDE_BY_SIDE: usize = 4;
/// The language of everything it writes.
const ENGLISH: &str = "en";

/// The files of a model: they stay where they are for as long as the process runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MoonshineFiles {
    pub encoder: &'static [u8],
    pub decoder: &'static [u8],
    pub tokenizer: &'static [u8],
}

impl std::fmt::Debug for MoonshineFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MoonshineFiles").finish_non_exhaustive()
    }
}

struct Model {
    network: Network,
    vocabulary: Vocabulary,
}

pub(crate) struct Moonshine {
    name: &'static str,
    model: Loading<Model>,
    lanes: Lanes,
}

impl Moonshine {
    /// Begins to load. `name` is [`TINY`] or [`BASE`]; `parallelism` is how many calls run at once, 0 for one each core.
    pub fn start(name: &'static str, files: MoonshineFiles, parallelism: usize, arithmetic: Arithmetic) -> Self {
        Self { name, model: Loading::start(name, move || load(files, arithmetic)), lanes: Lanes::new(parallelism) }
    }
}

#[async_trait]
impl Engine for Moonshine {
    fn name(&self) -> &str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            preferred_span: PREFERRED_SPAN,
            max_span: MAX_SPAN,
            concurrency: self.lanes.count(),
            words: false,
            speakers: false,
            languages: Languages::English,
            opus: false,
        }
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        if let Some(language) = hints.language.as_deref().filter(|hint| !Languages::English.include(hint)) {
            let why = format!("{} understands English, not `{}`", self.name, language.escape_default());
            return Err(EngineError::new(Retry::Misconfigured, why));
        }
        let model = self.model.model().await?;
        let lane = self.lanes.free().await?;
        let (samples, end_ms) = (audio.samples.to_vec(), audio.duration_ms());
        let stop = StopWhenDropped::default();
        let stopped = Arc::clone(&stop.0);
        let call = move || lane.run(|options| model.lines(&samples, end_ms, options, &stopped));
        let answer = tokio::task::spawn_blocking(call).await;
        let broke = |why: String| EngineError::new(Retry::Transient, format!("{}: {why}", self.name));
        let lines = answer.map_err(|panic| broke(panic.to_string()))?.map_err(|error| broke(error.to_string()))?;
        Ok(Transcript { language: Some(ENGLISH.to_owned()), lines })
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.model.ready()
    }
}

impl Model {
    /// A line for each piece: a segment as it is planned for this engine is one.
    fn lines(
        &self,
        samples: &[f32],
        end_ms: u32,
        options: &RunOptions,
        stop: &AtomicBool,
    ) -> Result<Vec<Utterance>, NetworkError> {
        let mut lines = Vec::new();
        for group in pieces::pieces(samples, PREFERRED_SPAN).chunks(SIDE_BY_SIDE) {
            let sounds: Vec<&[f32]> = group.iter().map(|piece| &samples[piece.clone()]).collect();
            let tokens = self.network.tokens(&sounds, options, stop)?;
            for (piece, text) in group.iter().zip(tokens.iter().map(|tokens| self.vocabulary.text(tokens))) {
                if !text.is_empty() {
                    let end_ms = if piece.end == samples.len() { end_ms } else { pieces::to_ms(piece.end) };
                    lines.push(Utterance {
                        start_ms: pieces::to_ms(piece.start),
                        end_ms,
                        text,
                        speaker: None,
                        words: None,
                    });
                }
            }
        }
        Ok(lines)
    }
}

fn load(files: MoonshineFiles, arithmetic: Arithmetic) -> Result<Model, String> {
    let network = Network::load(files.encoder, files.decoder, arithmetic).map_err(|error| error.to_string())?;
    Ok(Model { network, vocabulary: Vocabulary::read(files.tokenizer)? })
}

/// A call that nobody waits for any more ends at its next step.
#[derive(Default)]
struct StopWhenDropped(Arc<AtomicBool>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
