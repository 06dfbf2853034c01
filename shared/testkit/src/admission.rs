//! An admission port that answers as the test scripts it.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Code, Uid};
use flow::Result;
use flow::ports::{Admission, Standing, Verdict};

/// Returns the scripted verdicts one by one, and repeats the last one from then on.
pub struct Refusing {
    script: Mutex<VecDeque<Verdict>>,
    then: Verdict,
}

impl Refusing {
    pub fn always(code: Code, retry_after: Duration) -> Self {
        Self { script: Mutex::default(), then: refuse(code, retry_after) }
    }

    /// Refuses once, then admits.
    pub fn once(code: Code, retry_after: Duration) -> Self {
        Self::scripted([refuse(code, retry_after)])
    }

    /// Returns these verdicts in order, then admits.
    pub fn scripted(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        Self { script: Mutex::new(verdicts.into_iter().collect()), then: Verdict::Admit }
    }
}

pub fn refuse(code: Code, retry_after: Duration) -> Verdict {
    Verdict::Refuse { code, retry_after, detail: code.title().to_owned() }
}

#[async_trait]
impl Admission for Refusing {
    async fn admit(&self, _: &Uid) -> Result<Verdict> {
        let mut script = self.script.lock().unwrap();
        Ok(script.pop_front().unwrap_or_else(|| self.then.clone()))
    }

    async fn standing(&self, _: &Uid) -> Result<Standing> {
        Ok(Standing::default())
    }
}
