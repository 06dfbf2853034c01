//! What has become of a recording, in words, and what it means for the command.

use std::time::Duration;

use domain::Timestamp;
use engine::{Blocked, LastError, Reason, Shown};
use terminal::plain;

use crate::times::{Zone, span};

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

/// The state in a sentence that says what to do.
pub fn sentence(shown: &Shown) -> String {
    let why = |error: &Option<LastError>| error.as_ref().map(reason).unwrap_or_default();
    match shown {
        Shown::Recording => "it is being recorded".to_owned(),
        Shown::Waiting { .. } => "it waits to be sent".to_owned(),
        Shown::Uploading { percent } => format!("{percent} % is sent"),
        Shown::Processing { done, total: 0 } if *done == 0 => "the server has it".to_owned(),
        Shown::Processing { done, total } => format!("{done} of {total} segments are transcribed"),
        Shown::Synced => "done".to_owned(),
        Shown::Retrying { seconds, error } => {
            format!("failed{}; it is tried again in {}", reason(error), span(Duration::from_secs(*seconds)))
        }
        Shown::Failed { error } => format!("failed{}; push it again to try once more", reason(error)),
        Shown::Kept { error } => format!("transcribed in part{}; keep the file", why(error)),
        Shown::TooOld => "the server takes no recording of this age".to_owned(),
        Shown::Unreadable => "nothing in it can be decoded; does its name tell the right codec?".to_owned(),
        Shown::Missing => "the file is not there any more; if it was moved, push it from its new place".to_owned(),
        Shown::Rejected { error } => format!("the server refuses it{}", why(error)),
        Shown::Held { error } => format!("nothing came of it{}; push it again to try once more", why(error)),
    }
}

fn reason(error: &LastError) -> String {
    let (code, detail) = (plain(&error.code), plain(&error.detail));
    if detail.is_empty() { format!(" ({code})") } else { format!(": {} ({code})", detail.trim_end_matches('.')) }
}

/// Why nothing is sent at the moment, and how long that takes.
pub fn blocked(blocked: Blocked, zone: &Zone, now: Timestamp) -> String {
    let until = |at: Timestamp| format!("until {} ({} left)", zone.soon(at, now), span(now.until(at)));
    match blocked {
        Blocked::Cooldown { reason: Reason::FairUse, until: at } => {
            format!("the fair-use limit is reached {}", until(at))
        }
        Blocked::Cooldown { reason: Reason::RateLimit, until: at } => format!("the server asks to wait {}", until(at)),
        Blocked::Cooldown { reason: Reason::BackendBusy, until: at } => format!("the server is busy {}", until(at)),
        Blocked::Unreachable { .. } | Blocked::Offline => "the server cannot be reached".to_owned(),
        Blocked::Metered | Blocked::NotCharging | Blocked::Paused => "uploads are paused in the settings".to_owned(),
        Blocked::Cancelled => "the upload was stopped".to_owned(),
        Blocked::SignedOut | Blocked::SignInNeeded => {
            "the server refuses the token: log in again with a new one".to_owned()
        }
        Blocked::Forbidden => "the server does not allow this account to upload".to_owned(),
    }
}
