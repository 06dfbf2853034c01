//! Refuses uploads now and then, for each reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Code, Uid};
use flow::Result;
use flow::ports::{Admission, Standing, Verdict};
use simulator::Seeded;
use testkit::admission::refuse;

pub struct Moody {
    pub random: Seeded,
    pub is_faulty: Arc<AtomicBool>,
}

#[async_trait]
impl Admission for Moody {
    async fn admit(&self, _: &Uid) -> Result<Verdict> {
        if !self.is_faulty.load(Ordering::Relaxed) || !self.random.permille(40) {
            return Ok(Verdict::Admit);
        }
        let code = self.random.pick(&[Code::FairUseRestricted, Code::RateLimited, Code::BackendBusy]);
        Ok(refuse(code, Duration::from_secs(self.random.between(60, 590))))
    }

    async fn standing(&self, _: &Uid) -> Result<Standing> {
        Ok(Standing::default())
    }
}
