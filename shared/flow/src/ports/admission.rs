//! Admission of uploads: fair use, rate limits and back-pressure.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Code, Timestamp, Uid};
use serde::Serialize;

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

/// A user's standing with the limits on transcription. The default is that of a user without limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub stage: Stage,
    /// The end of a restriction; `None` without a restriction, or if it has no end.
    pub restricted_until: Option<Timestamp>,
    /// The rolling windows of fair use, shortest first.
    pub windows: Vec<Window>,
    /// The daily budget of a restricted user.
    pub daily_budget: Option<DailyBudget>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    None,
    Restricted,
}

impl Stage {
    pub const ALL: [Stage; 2] = [Stage::None, Stage::Restricted];
}

/// A window of fair use: how much speech was transcribed in the last hours, and how much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub hours: u32,
    pub used_ms: u64,
    pub cap_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyBudget {
    pub used_ms: u64,
    pub cap_ms: u64,
    pub resets_at: Timestamp,
}

#[async_trait]
pub trait Admission: Send + Sync + 'static {
    async fn admit(&self, uid: &Uid) -> Result<Verdict>;

    /// The user's standing with these limits. It reserves and changes nothing.
    async fn standing(&self, uid: &Uid) -> Result<Standing>;
}

/// Admits every upload.
pub struct AlwaysAdmit;

#[async_trait]
impl Admission for AlwaysAdmit {
    async fn admit(&self, _: &Uid) -> Result<Verdict> {
        Ok(Verdict::Admit)
    }

    async fn standing(&self, _: &Uid) -> Result<Standing> {
        Ok(Standing::default())
    }
}
