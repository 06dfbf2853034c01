//! The rules, as pure functions with their tables of cases.

pub(crate) mod backoff;
pub(crate) mod batch;
pub(crate) mod cooldown;
pub(crate) mod housekeeping;
pub(crate) mod job_view;
pub(crate) mod judge;
pub(crate) mod limits;
pub(crate) mod naming;
pub(crate) mod outcome;
pub(crate) mod poll;
pub(crate) mod problem;
pub(crate) mod resume;
pub(crate) mod retry_after;
pub(crate) mod session;
pub(crate) mod store_gate;
