//! Why a queued job waits or was last put back, until when it waits, and which code stands for each cause.

use crate::command::PutBack;
use crate::job::{Job, Status, WaitingFor};
use crate::time::Timestamp;
use crate::wait_reason::WaitCode;

/// The code for a wait of which nothing more is known.
impl From<WaitingFor> for WaitCode {
    fn from(waiting_for: WaitingFor) -> Self {
        match waiting_for {
            WaitingFor::Turn => Self::Turn,
            WaitingFor::Engine => Self::EngineUnavailable,
            WaitingFor::Budget => Self::BudgetUsedUp,
            WaitingFor::Storage => Self::StorageUnavailable,
        }
    }
}

impl From<&PutBack> for WaitCode {
    fn from(cause: &PutBack) -> Self {
        match cause {
            PutBack::Fault { code: crate::Code::TranscriptionFailed, .. } => Self::TranscriptionFailed,
            PutBack::Fault { .. } => Self::Internal,
            PutBack::Storage { .. } => Self::StorageUnavailable,
            PutBack::Deadline => Self::OutOfTime,
            PutBack::Shutdown => Self::ShuttingDown,
            PutBack::Engine { .. } => Self::EngineUnavailable,
            PutBack::Language => Self::LanguageUnsupported,
            PutBack::YieldToOthers => Self::Yielded,
            PutBack::Budget { .. } => Self::BudgetUsedUp,
        }
    }
}

/// Why a queued job waits or was last put back, and for how long it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait<'a> {
    /// `None` for a job that only waits for its next try.
    pub waiting_for: Option<WaitingFor>,
    pub since: Option<Timestamp>,
    /// When the job is tried again. `None` if that depends on something else, such as the user's other jobs.
    pub next_try: Option<Timestamp>,
    pub code: WaitCode,
    pub detail: &'a str,
}

impl Job {
    /// Why the job waits or was last put back; `None` if it is not queued or has got on since.
    pub fn wait(&self) -> Option<Wait<'_>> {
        if self.status != Status::Queued {
            return None;
        }
        let stored = self.wait_reason.as_ref();
        let code = stored.map(|reason| reason.code).or(self.waiting_for.map(WaitCode::from))?;
        Some(Wait {
            waiting_for: self.waiting_for,
            since: self.waiting_since.or(stored.map(|reason| reason.at)),
            next_try: self.waiting_until.or(self.dispatch.not_before),
            code,
            detail: stored.map_or(code.sentence(), |reason| reason.detail.as_str()),
        })
    }
}
