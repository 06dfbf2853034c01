//! A push service that sends nothing and remembers every push.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use flow::ports::{Device, PushMessage, PushOutcome};
use flow::{Error, Kind, Result};

/// The answer to one push: an outcome, or an error of this kind.
pub type Answer = std::result::Result<PushOutcome, Kind>;

#[derive(Default)]
pub struct Push {
    sent: Mutex<Vec<(Device, PushMessage)>>,
    script: Mutex<VecDeque<Answer>>,
    tokens: Mutex<HashMap<String, PushOutcome>>,
}

impl Push {
    pub fn new() -> Self {
        Self::default()
    }

    /// Every attempt so far, in order, whatever its outcome.
    pub fn attempts(&self) -> Vec<(Device, PushMessage)> {
        self.sent.lock().unwrap().clone()
    }

    /// Scripts the answer to the next push that has none yet; without a script every push is sent.
    pub fn answer_next(&self, answer: Answer) {
        self.script.lock().unwrap().push_back(answer);
    }

    /// Sets the answer to every push to this token; it wins over the script.
    pub fn answer_token(&self, token: &str, outcome: PushOutcome) {
        self.tokens.lock().unwrap().insert(token.to_owned(), outcome);
    }
}

#[async_trait]
impl flow::ports::Push for Push {
    async fn send(&self, device: &Device, message: &PushMessage) -> Result<PushOutcome> {
        self.sent.lock().unwrap().push((device.clone(), message.clone()));
        if let Some(outcome) = self.tokens.lock().unwrap().get(&device.token) {
            return Ok(outcome.clone());
        }
        let answer = self.script.lock().unwrap().pop_front().unwrap_or(Ok(PushOutcome::Sent));
        answer.map_err(|kind| Error::new(kind, "push.send", &device.id))
    }
}
