//! Loads a model once on its own thread. Calls that arrive earlier wait for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::{EngineError, RetryClass};

/// How long a call waits for the model. Loading takes a fraction of a second, or a few seconds for a large model, unless the
/// machine is overloaded.
const MAX_WAIT: Duration = Duration::from_secs(120);

pub struct Loading<M> {
    /// The name of the engine, for error messages.
    name: &'static str,
    model: watch::Receiver<Option<Result<Arc<M>, EngineError>>>,
}

impl<M: Send + Sync + 'static> Loading<M> {
    /// Begins to load. The error of `load` is for the log.
    pub fn start(name: &'static str, load: impl FnOnce() -> Result<M, String> + Send + 'static) -> Self {
        let (loaded, model) = watch::channel(None);
        let work = move || {
            let result = load().map_err(|why| EngineError::new(RetryClass::Misconfigured, format!("{name}: {why}")));
            // Sending fails only if the engine was dropped, so nobody needs the model.
            let _ = loaded.send(Some(result.map(Arc::new)));
        };
        // If the thread cannot be started, the sender is dropped, and calls return an error.
        let _ = std::thread::Builder::new().name("load-speech-model".to_owned()).spawn(work);
        Self { name, model }
    }

    pub async fn model(&self) -> Result<Arc<M>, EngineError> {
        let mut model = self.model.clone();
        let waited = tokio::time::timeout(MAX_WAIT, model.wait_for(Option::is_some)).await;
        let not_loaded =
            |why: &str| EngineError::new(RetryClass::Later { after: None }, format!("{}: {why}", self.name));
        let state = waited.map_err(|_| not_loaded("the model is still being loaded"))?;
        let state = state.map_err(|_| not_loaded("loading the model broke off"))?;
        state.clone().unwrap_or_else(|| Err(not_loaded("the model is not loaded")))
    }

    /// Returns the state of loading without waiting.
    pub fn ready(&self) -> Result<(), EngineError> {
        match &*self.model.borrow() {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.clone()),
            None => Err(EngineError::new(
                RetryClass::Later { after: None },
                format!("{}: the model is being loaded", self.name),
            )),
        }
    }
}
