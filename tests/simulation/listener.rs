//! A speech engine that writes down the numbers of the frames that it hears, and that fails now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use simulator::Seeded;
use speech::{Audio, Capabilities, Engine, EngineError, Hints, Languages, RetryClass, Transcript, Utterance};

use crate::sound::hear;

const SPAN: Duration = Duration::from_secs(15);

pub struct Listener {
    pub random: Seeded,
    pub is_faulty: Arc<AtomicBool>,
}

impl Listener {
    fn chance(&self, permille: u64) -> bool {
        self.is_faulty.load(Ordering::Relaxed) && self.random.permille(permille)
    }
}

#[async_trait]
impl Engine for Listener {
    fn name(&self) -> &str {
        "listener"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            preferred_span: SPAN,
            max_span: SPAN,
            concurrency: 2,
            words: false,
            speakers: false,
            languages: Languages::Any,
            opus: false,
        }
    }

    async fn transcribe(&self, audio: Audio<'_>, _: &Hints) -> Result<Transcript, EngineError> {
        tokio::time::sleep(Duration::from_millis(self.random.between(5, 4_000))).await;
        if self.chance(60) {
            return Err(EngineError::new(RetryClass::Transient, "it stumbles"));
        }
        if self.chance(10) {
            return Err(EngineError::new(RetryClass::Refused, "it does not like this sound"));
        }
        let mut words: Vec<_> = hear(audio.samples).iter().map(|number| format!("f{number}")).collect();
        if words.is_empty() {
            // The sample that proves that an engine understands speech; it is in nobody's transcript.
            words.push("something".to_owned());
        }
        let line =
            Utterance { start_ms: 0, end_ms: audio.duration_ms(), text: words.join(" "), speaker: None, words: None };
        Ok(Transcript { language: None, lines: vec![line] })
    }

    async fn ready(&self) -> Result<(), EngineError> {
        Ok(())
    }
}
