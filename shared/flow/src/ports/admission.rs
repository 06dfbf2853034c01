//! Whether a user's upload is let in: fair use, rate limits and back-pressure stand behind this.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Code, Uid};

use crate::error::Result;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Admit,
    /// `code` is one of `fair_use_restricted`, `rate_limited`, `backend_busy`.
    Refuse {
        code: Code,
        retry_after: Duration,
        detail: String,
    },
}

#[async_trait]
pub trait Admission: Send + Sync + 'static {
    async fn admit(&self, uid: &Uid) -> Result<Verdict>;
}

/// Lets everybody in.
pub struct AlwaysAdmit;

#[async_trait]
impl Admission for AlwaysAdmit {
    async fn admit(&self, _: &Uid) -> Result<Verdict> {
        Ok(Verdict::Admit)
    }
}
