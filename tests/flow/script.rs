//! An engine that is scripted by a test: what it answers to which call, and when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flow::process::Worker;
use speech::{Audio, Capabilities, Engine, EngineError, Hints, Languages, RetryClass, Transcript, Utterance};
use tokio::sync::{Barrier, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::harness::Stage;

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reply {
    /// Words that depend on the audio alone.
    Text,
    Nothing,
    /// More words than anybody can say in that time.
    Babble,
    Fails(RetryClass),
}

pub fn is_the_clip(audio: Audio<'_>) -> bool {
    audio.samples == audio::sample_samples()
}

type Part = Box<dyn Fn(Audio<'_>) -> Reply + Send + Sync>;

pub struct Script {
    part: Part,
    capabilities: Capabilities,
    /// Every call passes this gate before its answer.
    pub gate: Gate,
    pub calls: AtomicUsize,
    /// The highest number of concurrent calls.
    pub max_concurrent: AtomicUsize,
    inside: AtomicUsize,
    /// The length of the audio of each call, in order.
    pub heard: Mutex<Vec<Duration>>,
    /// The answer to `ready`.
    pub ready: Mutex<Result<(), EngineError>>,
}

/// How calls are delayed.
pub enum Gate {
    Open,
    /// Each call waits until this many have arrived.
    Together(Barrier),
    /// Each call yields a number of times that depends on its audio, so that answers come in a different order.
    Shuffled(usize),
    /// Audio longer than two seconds needs a permit.
    Long(Semaphore),
    /// Every call needs a permit.
    Each(Semaphore),
    Shut,
}

impl Script {
    pub fn new(part: impl Fn(Audio<'_>) -> Reply + Send + Sync + 'static) -> Self {
        let span = Duration::from_secs(15);
        let capabilities = Capabilities {
            preferred_span: span,
            max_span: span,
            concurrency: 16,
            words: false,
            speakers: false,
            languages: Languages::Any,
            opus: false,
        };
        Self {
            part: Box::new(part),
            capabilities,
            gate: Gate::Open,
            calls: AtomicUsize::new(0),
            max_concurrent: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            heard: Mutex::default(),
            ready: Mutex::new(Ok(())),
        }
    }

    #[must_use]
    pub fn gated(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    #[must_use]
    pub fn speaking(mut self, languages: Languages) -> Self {
        self.capabilities.languages = languages;
        self
    }

    /// An engine that takes this much audio in one call.
    #[must_use]
    pub fn taking(mut self, span: Duration) -> Self {
        (self.capabilities.preferred_span, self.capabilities.max_span) = (span, span);
        self
    }

    #[must_use]
    pub fn taking_opus(mut self) -> Self {
        self.capabilities.opus = true;
        self
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::Relaxed)
    }
}

struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Engine for Script {
    fn name(&self) -> &str {
        "script"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn transcribe(&self, audio: Audio<'_>, _: &Hints) -> Result<Transcript, EngineError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.heard.lock().unwrap().push(audio.duration);
        self.max_concurrent.fetch_max(self.inside.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let _inside = Inside(&self.inside);
        let number = number(audio);
        match &self.gate {
            Gate::Open => {}
            Gate::Together(barrier) => _ = barrier.wait().await,
            Gate::Shuffled(by) => {
                for _ in 0..(number as usize).wrapping_mul(by * 2 + 1) % 97 {
                    tokio::task::yield_now().await;
                }
            }
            Gate::Long(permits) if audio.duration > Duration::from_secs(2) => {
                permits.acquire().await.unwrap().forget();
            }
            Gate::Long(_) => {}
            Gate::Each(permits) => permits.acquire().await.unwrap().forget(),
            Gate::Shut => std::future::pending().await,
        }
        let transcript = |lines| Ok(Transcript { language: None, lines });
        match (self.part)(audio) {
            Reply::Text => transcript(vec![utterance(audio, format!("number {number}"))]),
            Reply::Babble => transcript(vec![utterance(audio, "and on ".repeat(100_000))]),
            Reply::Nothing => transcript(vec![]),
            Reply::Fails(retry) => Err(EngineError::new(retry, "it is in the script")),
        }
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.ready.lock().unwrap().clone()
    }
}

fn utterance(audio: Audio<'_>, text: String) -> Utterance {
    Utterance { start_ms: 0, end_ms: audio.duration_ms(), text, speaker: None, words: None }
}

/// A number derived from the audio: equal for equal audio, different for different audio.
pub fn number(audio: Audio<'_>) -> u32 {
    audio.samples.iter().fold(17, |sum: u32, sample| sum.wrapping_mul(31).wrapping_add(sample.to_bits()))
}

impl Stage {
    /// A worker with this engine, and the token that stops it.
    pub fn worker_with(&self, engine: &Arc<Script>) -> (Worker, CancellationToken) {
        let shutdown = CancellationToken::new();
        (Worker::new(self.services.clone(), Arc::clone(engine) as Arc<dyn Engine>, shutdown.clone()), shutdown)
    }
}
