//! The Whisper engine: whisper.cpp on this machine, with a model file that the operator supplies. It knows many languages
//! and returns words with times.
//!
//! It is a crate of its own behind a Cargo feature, because building it needs a C++ compiler.

mod header;
mod lines;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use speech::{Audio, Capabilities, Engine, EngineError, Hints, Languages, Loading, RetryClass, Transcript};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState};

pub use header::ModelError;

pub const NAME: &str = "whisper";

/// Whisper processes windows of thirty seconds.
const PREFERRED_SPAN: Duration = Duration::from_secs(28);
/// whisper.cpp splits longer audio into windows by itself. This limit keeps the duration of a call bounded.
const MAX_SPAN: Duration = Duration::from_secs(300);
/// whisper.cpp accepts no less than a tenth of a second and works best from one second on: shorter audio is padded with
/// silence.
const MIN_SAMPLES: usize = speech::SAMPLE_RATE as usize * 11 / 10;
/// How long a call waits for a permit. It is longer than the calls before it can take.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// The upper limit of the configurable parallelism: more than the cores of any machine.
const MAX_CALLS: usize = 256;

pub struct Whisper {
    model: Loading<Model>,
    languages: Languages,
    calls: usize,
    free: Arc<Semaphore>,
}

struct Model {
    context: WhisperContext,
    /// Working memory of calls, ten to a hundred megabytes each. States are reused: there are as many as calls ran at once.
    states: Mutex<Vec<WhisperState>>,
}

impl Whisper {
    /// Checks the file's header and begins to load the model. `parallelism` is the number of concurrent calls; 0 means one
    /// for each core.
    pub fn start(model: &Path, parallelism: usize) -> Result<Self, ModelError> {
        let languages = match header::read(model)?.is_multilingual() {
            true => Languages::List(known_languages()),
            false => Languages::English,
        };
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let calls = if parallelism == 0 { cores() } else { parallelism }.min(MAX_CALLS);
        let path = model.to_owned();
        let model = Loading::start(NAME, move || load(path));
        Ok(Self { model, languages, calls, free: Arc::new(Semaphore::new(calls)) })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        let busy = || EngineError::new(RetryClass::Later { after: None }, "every core is busy with other speech");
        let waited = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.free).acquire_owned()).await;
        waited.map_err(|_| busy())?.map_err(|_| busy())
    }
}

/// The languages that whisper.cpp has a token for.
fn known_languages() -> Vec<String> {
    (0..=whisper_rs::get_lang_max_id()).filter_map(whisper_rs::get_lang_str).map(str::to_owned).collect()
}

fn load(path: PathBuf) -> Result<Model, String> {
    // Without the hooks, whisper.cpp would write to standard error, between the lines of the log.
    whisper_rs::install_logging_hooks();
    let context = WhisperContext::new_with_params(&path, WhisperContextParameters::default())
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Model { context, states: Mutex::default() })
}

#[async_trait]
impl Engine for Whisper {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            preferred_span: PREFERRED_SPAN,
            max_span: MAX_SPAN,
            concurrency: self.calls,
            words: true,
            speakers: false,
            languages: self.languages.clone(),
            opus: false,
        }
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let hint = hints.language.as_deref();
        if let Some(language) = hint.filter(|hint| !self.languages.include(hint)) {
            let why = format!("{NAME}: this model does not understand `{}`", language.escape_default());
            return Err(EngineError::new(RetryClass::Misconfigured, why));
        }
        let language = primary(hint, &self.languages);
        let model = self.model.model().await?;
        // The blocking call holds the permit: whisper.cpp cannot be stopped safely, so an abandoned call runs to its end.
        let permit = self.permit().await?;
        let (mut samples, end_ms) = (audio.samples.to_vec(), audio.duration_ms());
        samples.resize(samples.len().max(MIN_SAMPLES), 0.0);
        let call = move || {
            let _permit = permit;
            model.transcript(&samples, end_ms, language.as_deref())
        };
        let broke = |why: String| EngineError::new(RetryClass::Transient, format!("{NAME}: {why}"));
        tokio::task::spawn_blocking(call).await.map_err(|panic| broke(panic.to_string()))?.map_err(broke)
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.model.ready()
    }
}

/// The language to set for the call. With `None`, the model detects it.
fn primary(hint: Option<&str>, languages: &Languages) -> Option<String> {
    match languages {
        Languages::List(list) => {
            let primary = speech::primary_subtag(hint?);
            list.contains(&primary).then_some(primary)
        }
        _ => Some("en".to_owned()),
    }
}

impl Model {
    fn transcript(&self, samples: &[f32], end_ms: u32, language: Option<&str>) -> Result<Transcript, String> {
        let mut state = self.state()?;
        state.full(parameters(language), samples).map_err(|error| error.to_string())?;
        let language = whisper_rs::get_lang_str(state.full_lang_id_from_state()).map(str::to_owned);
        let lines = lines::of(&state, &self.context, end_ms);
        self.states().push(state);
        Ok(Transcript { language, lines })
    }

    fn state(&self) -> Result<WhisperState, String> {
        let kept = self.states().pop();
        kept.map_or_else(|| self.context.create_state().map_err(|error| error.to_string()), Ok)
    }

    fn states(&self) -> std::sync::MutexGuard<'_, Vec<WhisperState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each call uses one thread, as with Moonshine: concurrent calls use the other cores. A call takes no context from the
/// previous one.
fn parameters(language: Option<&str>) -> FullParams<'_, '_> {
    let mut parameters = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
    parameters.set_n_threads(1);
    parameters.set_language(Some(language.unwrap_or("auto")));
    parameters.set_translate(false);
    parameters.set_no_context(true);
    parameters.set_token_timestamps(true);
    parameters.set_suppress_nst(true);
    parameters.set_print_special(false);
    parameters.set_print_progress(false);
    parameters.set_print_realtime(false);
    parameters.set_print_timestamps(false);
    parameters
}

#[cfg(test)]
mod tests;
