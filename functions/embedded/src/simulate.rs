//! An admission that refuses every upload with one code, so that app developers can test what their app does then.

use std::sync::Arc;
use std::time::Duration;

use domain::{Code, Uid};
use flow::ports::{Admission, Clock, Stage, Standing, Verdict};

pub struct Refusing {
    code: Code,
    retry_after: Duration,
    clock: Arc<dyn Clock>,
}

impl Refusing {
    pub fn new(code: Code, retry_after: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { code, retry_after, clock }
    }
}

#[async_trait::async_trait]
impl Admission for Refusing {
    async fn admit(&self, _: &Uid) -> flow::Result<Verdict> {
        let detail = format!("{}. (This server simulates it: simulate.refuse.)", self.code.title());
        Ok(Verdict::Refuse { code: self.code, retry_after: self.retry_after, detail })
    }

    async fn standing(&self, _: &Uid) -> flow::Result<Standing> {
        if self.code != Code::FairUseRestricted {
            return Ok(Standing::default());
        }
        let until = self.clock.now() + self.retry_after;
        Ok(Standing { stage: Stage::Restricted, restricted_until: Some(until), ..Standing::default() })
    }
}
