//! What has become of a recording, in words, and what it means for the command.

use domain::Timestamp;
use engine::{Blocked, Shown};
use terminal::plain;

/// What a recording means for the end of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is on its way.
    Open,
    Done,
    /// Something is wrong with it, or with what the server made of it.
    Failed,
}

pub fn standing(shown: &Shown) -> Standing {
    match shown {
        Shown::Recording
        | Shown::Waiting { .. }
        | Shown::Uploading { .. }
        | Shown::Processing { .. }
        | Shown::Retrying { .. } => Standing::Open,
        Shown::Synced => Standing::Done,
        Shown::Failed { .. }
        | Shown::Kept { .. }
        | Shown::TooOld
        | Shown::Unreadable
        | Shown::Missing
        | Shown::Rejected { .. }
        | Shown::Held { .. } => Standing::Failed,
    }
}

/// The state in a sentence of the engine's, and what to do where a user can do something.
pub fn sentence(shown: &Shown, now: Timestamp) -> String {
    let sentence = plain(&shown.message(now).english());
    match shown {
        Shown::Failed { .. } | Shown::Held { .. } | Shown::Rejected { .. } => {
            format!("{sentence}; to try it once more, push it again")
        }
        Shown::Missing => format!("{sentence}; if it was moved, push it from its new place"),
        _ => sentence,
    }
}

/// Why nothing is sent at the moment, and how long that takes.
pub fn blocked(blocked: Blocked, now: Timestamp) -> String {
    plain(&blocked.message(now).english())
}
