//! What may be deleted, and when (R41).

use std::time::Duration;

use domain::Timestamp;
use serde::{Deserialize, Serialize};

/// When the engine deletes a file whose recording is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// Never.
    Keep,
    /// This many days after it was synced.
    Days(u32),
    /// As soon as it is synced.
    AtOnce,
}

impl Default for Retention {
    fn default() -> Self {
        Retention::Days(7)
    }
}

const DAY: Duration = Duration::from_secs(86_400);

impl Retention {
    /// Files that were synced at this time or before may go; `None` if none may.
    pub(crate) fn synced_before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Retention::Keep => None,
            Retention::Days(days) => Some(now - DAY.saturating_mul(days)),
            Retention::AtOnce => Some(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r41_policy_says_how_old_a_synced_file_must_be() {
        let now = Timestamp::from_secs(1_800_000_000);
        assert_eq!(Retention::Keep.synced_before(now), None);
        assert_eq!(Retention::AtOnce.synced_before(now), Some(now));
        assert_eq!(Retention::default().synced_before(now), Some(now - DAY * 7));
        assert!(Retention::Days(u32::MAX).synced_before(now).is_some());
    }
}
