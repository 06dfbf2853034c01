//! The store's contract: what every job store must do, whatever it is built on.

pub mod attach;
pub mod changes;
pub mod checkpoints;
pub mod claim;
pub mod clock_ahead;
pub mod commands;
pub mod create;
pub mod deletion;
pub mod devices;
pub mod dispatch;
pub mod due;
pub mod effects;
pub mod fence;
pub mod finish;
pub mod isolation;
pub mod job_stats;
pub mod join;
mod list;
pub mod listing;
pub mod lost;
pub mod parked;
pub mod place;
pub mod plan;
pub mod put_back;
pub mod reading;
pub mod retry;
pub mod sessions;
pub mod texts;
pub mod user_slots;

use std::time::Duration;

use domain::placement::Answer;
use domain::{Code, Command, Failure, Job, Uid};

use crate::build::{phone, speech, uid};
use crate::harness::Harness;

const MS: Duration = Duration::from_millis(1);

fn ann() -> Uid {
    uid("ann")
}

fn bob() -> Uid {
    uid("bob")
}

/// One of many users, for a behaviour that is tried several times on one store.
fn user(n: i64) -> Uid {
    uid(&format!("user {n}"))
}

/// A job that ended with one good file, one file with a failed segment, and one file whose audio was lost.
async fn partly_failed(harness: &Harness, uid: &Uid) -> Job {
    let job = harness.accept(uid, &[phone(0), phone(30), phone(900)]).await;
    let job = harness.claim(job.id).await;
    harness.work(&job, 0, &[(0, 900, "fine")]).await;
    harness.plan(&job, 1, speech(&[(0, 900), (2000, 3000)])).await;
    harness.say(&job, 1, &[(0, "half of it")]).await;
    harness.place(&job, 1, &[(2000, Answer::Failed { refused: false })]).await;
    let failure = Failure::of(Code::StagedAudioMissing);
    harness.done(job.id, Command::FailFile { fence: job.lease.fence, index: 2, failure }).await;
    harness.finish(&job).await
}
