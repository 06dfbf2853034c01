//! Whether a clock can be right: it cannot show a time before the program was built, or before the newest stored change.

use std::time::Duration;

use crate::time::Timestamp;

/// The clock may be this far behind the newest stored change: it was corrected a little, or another instance wrote.
const SLACK: Duration = Duration::from_secs(60);

/// The earliest time that a clock which is set can show.
pub fn earliest_plausible(built_at: Timestamp, newest_change: Option<Timestamp>) -> Timestamp {
    newest_change.map_or(built_at, |changed| built_at.max(changed - SLACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn clock_before_the_build_is_not_set() {
        for newest in [None, Some(Timestamp::default()), Some(BUILT), Some(BUILT + SLACK)] {
            assert_eq!(earliest_plausible(BUILT, newest), BUILT, "{newest:?}");
        }
    }

    #[test]
    fn clock_more_than_a_minute_before_the_newest_change_is_not_set() {
        let newest = BUILT + Duration::from_secs(3600);
        let earliest = earliest_plausible(BUILT, Some(newest));
        for (ms, is_set) in [(-60_001, false), (-60_000, true), (-59_999, true)] {
            let now = Timestamp::from_millis(newest.millis() + ms);
            assert_eq!(now.has_reached(earliest), is_set, "{ms} ms");
        }
    }
}
