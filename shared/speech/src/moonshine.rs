//! The Moonshine engine: speech recognition on this machine, without a key or a network. It only knows English.
//!
//! The model is loaded once on its own thread. Calls that arrive earlier wait for it. Calls run on blocking threads, with
//! one core each: more threads do not make a call faster, but more concurrent calls use more cores.

mod attention;
mod byte_matrix;
mod compute_permits;
mod decoder;
mod encoder;
mod error;
mod layer;
mod linear;
mod network;
mod plain;
mod repeat;
mod rows;
mod sequence;
mod vocabulary;
mod weights;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rten::RunOptions;

use crate::arithmetic::Arithmetic;
use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, Languages, RetryClass, Transcript, Utterance};
use crate::loading::Loading;
use crate::pieces::pieces;
use compute_permits::ComputePermits;
use error::NetworkError;
use network::Network;
use vocabulary::Vocabulary;

pub(crate) const TINY: &str = "moonshine-tiny";
pub(crate) const BASE: &str = "moonshine-base";

/// Shorter pieces are less accurate: at 8 s, three more words of a hundred are wrong.
const PREFERRED_SPAN: Duration = Duration::from_secs(15);
/// The longest audio that the model accepts at once.
const MAX_SPAN: Duration = Duration::from_secs(64);
/// The number of pieces of long audio that are decoded together. Each needs about ten megabytes.
const SIDE_BY_SIDE: usize = 4;
/// The language of all transcripts.
const ENGLISH: &str = "en";

/// The files of a model. They stay in memory for as long as the process runs.
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
    permits: ComputePermits,
}

impl Moonshine {
    /// Begins to load the model. `name` is [`TINY`] or [`BASE`]. `parallelism` is the number of concurrent calls; 0 means one
    /// for each core.
    pub fn start(name: &'static str, files: MoonshineFiles, parallelism: usize, arithmetic: Arithmetic) -> Self {
        Self {
            name,
            model: Loading::start(name, move || load(files, arithmetic)),
            permits: ComputePermits::new(parallelism),
        }
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
            concurrency: self.permits.count(),
            words: false,
            speakers: false,
            languages: Languages::English,
            opus: false,
        }
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        if let Some(language) = hints.language.as_deref().filter(|hint| !Languages::English.include(hint)) {
            let why = format!("{} understands English, not `{}`", self.name, language.escape_default());
            return Err(EngineError::new(RetryClass::Misconfigured, why));
        }
        let model = self.model.model().await?;
        let permit = self.permits.acquire().await?;
        let samples = audio.samples.to_vec();
        let stop = StopWhenDropped::default();
        let stopped = Arc::clone(&stop.0);
        let call = move || permit.run(|options| model.lines(&samples, options, &stopped));
        let answer = tokio::task::spawn_blocking(call).await;
        let broke = |why: String| EngineError::new(RetryClass::Transient, format!("{}: {why}", self.name));
        let lines = answer.map_err(|panic| broke(panic.to_string()))?.map_err(|error| broke(error.to_string()))?;
        Ok(Transcript { language: Some(ENGLISH.to_owned()), lines })
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.model.ready()
    }
}

impl Model {
    /// Transcribes audio to one line for each piece. A segment that was planned for this engine is a single piece.
    fn lines(&self, samples: &[f32], options: &RunOptions, stop: &AtomicBool) -> Result<Vec<Utterance>, NetworkError> {
        let mut lines = Vec::new();
        for group in pieces(Audio::new(samples), PREFERRED_SPAN).chunks(SIDE_BY_SIDE) {
            let sounds: Vec<&[f32]> = group.iter().map(|piece| piece.audio.samples).collect();
            let tokens = self.network.tokens(&sounds, options, stop)?;
            for (piece, text) in group.iter().zip(tokens.iter().map(|tokens| self.vocabulary.text(tokens))) {
                if !text.is_empty() {
                    let (start_ms, end_ms) = (piece.start_ms, piece.start_ms + piece.audio.duration_ms());
                    lines.push(Utterance { start_ms, end_ms, text, speaker: None, words: None });
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

/// Stops an abandoned call at its next step.
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
