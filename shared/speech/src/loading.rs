//! A model that is loaded once, on a thread of its own, while calls that come earlier wait for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::{EngineError, Retry};

/// Loading takes a fraction of a second, or a few of them for a large model, on a machine that is not drowning.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Loading<M> {
    /// The engine's name, for what is said of it.
    name: &'static str,
    model: watch::Receiver<Option<Result<Arc<M>, EngineError>>>,
}

impl<M: Send + Sync + 'static> Loading<M> {
    /// Begins. Why it failed is for the log.
    pub fn start(name: &'static str, load: impl FnOnce() -> Result<M, String> + Send + 'static) -> Self {
        let (loaded, model) = watch::channel(None);
        let work = move || {
            let result = load().map_err(|why| EngineError::new(Retry::Misconfigured, format!("{name}: {why}")));
            // Nobody listens any more: the engine was dropped.
            let _ = loaded.send(Some(result.map(Arc::new)));
        };
        // A thread that cannot be made drops the sender: the calls then say so.
        let _ = std::thread::Builder::new().name("load-speech-model".to_owned()).spawn(work);
        Self { name, model }
    }

    pub async fn model(&self) -> Result<Arc<M>, EngineError> {
        let mut model = self.model.clone();
        let waited = tokio::time::timeout(PATIENCE, model.wait_for(Option::is_some)).await;
        let late = |why: &str| EngineError::new(Retry::Later { after: None }, format!("{}: {why}", self.name));
        let seen = waited.map_err(|_| late("the model is still being loaded"))?;
        let seen = seen.map_err(|_| late("loading the model broke off"))?;
        seen.clone().unwrap_or_else(|| Err(late("the model is not loaded")))
    }

    /// Without waiting.
    pub fn ready(&self) -> Result<(), EngineError> {
        match &*self.model.borrow() {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.clone()),
            None => {
                Err(EngineError::new(Retry::Later { after: None }, format!("{}: the model is being loaded", self.name)))
            }
        }
    }
}
