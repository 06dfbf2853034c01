//! The end of a job: it is counted, and told in one line of the log. Also the span for work on a job outside of its requests.

use domain::{Command, Job};

use crate::metrics;

/// Records the end of a job if this command, which was just applied, is one that ends jobs and left the job ended. Other
/// commands, such as `PushDone`, also return a job that has ended; its end was recorded before.
pub(crate) fn record_if_ended(command: &Command, job: &Job) {
    let ends_jobs = matches!(
        command,
        Command::Finish { .. }
            | Command::PutBack { .. }
            | Command::Claim { .. }
            | Command::Recover
            | Command::WorkerGone { .. }
            | Command::GiveUpWaiting
            | Command::Cancel
    );
    if ends_jobs && job.status.is_terminal() {
        record(job);
    }
}

/// Records a job that has just ended.
pub(crate) fn record(job: &Job) {
    metrics::ended(job);
    let took = job.completed_at.map(|at| at.millis() - job.created_at.millis());
    tracing::info!(
        job_id = %job.id,
        trace_id = job.trace_id(),
        status = job.status.as_str(),
        files = job.files.len(),
        segments = job.progress().total,
        duration_ms = took,
        attempts = job.attempt,
        code = job.error.as_ref().map(|error| error.code.as_str()),
        reason = job.error.as_ref().map(|error| error.detail.as_str()),
        "a job ended"
    );
}

/// The span of work that no request of the job's trace does, such as that of the sweep.
pub(crate) fn span(job: &Job) -> tracing::Span {
    tracing::info_span!("job", job_id = %job.id, trace_id = job.trace_id())
}
