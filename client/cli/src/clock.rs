//! The time of this computer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;

#[expect(clippy::disallowed_methods, reason = "a command that a person runs shows times of now")]
pub fn now() -> Timestamp {
    // A clock before 1970 is shown as 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
