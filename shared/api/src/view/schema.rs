//! Names of domain enums in the OpenAPI document. They are taken from the enums themselves, so that they cannot differ.

use domain::job::WaitingFor;
use domain::{Blame, Code, FileStatus, Status, WaitCode};
use flow::ports::{Platform, Stage};

edge::names!(
    /// What has become of a job.
    JobStatus,
    Status::ALL
);
edge::names!(
    /// What has become of a file in a job.
    JobFileStatus,
    FileStatus::ALL
);
edge::names!(
    /// What a queued job waits for.
    JobWaitsFor,
    WaitingFor::ALL
);
edge::names!(
    /// Why a queued job waits.
    JobWaitCode,
    WaitCode::ALL
);
edge::names!(
    /// Who is to blame. Only `content` counts against a recording.
    FailureBlame,
    Blame::ALL
);
edge::names!(
    /// The codes of files and jobs.
    FailureCode,
    Code::ALL
);
edge::names!(DevicePlatform, Platform::ALL);
edge::names!(LimitStage, Stage::ALL);
