//! The cooldowns of an account: periods in which nothing is uploaded (R25 to R29).

use std::time::Duration;

use domain::Timestamp;
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3600);

/// Why nothing is uploaded for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The account has used more than its fair share.
    FairUse,
    /// There were too many requests, or too much audio at once.
    RateLimit,
    /// The service has more to do than it can.
    BackendBusy,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 3] = [Reason::FairUse, Reason::RateLimit, Reason::BackendBusy];

    /// The name in the index, in JSON and in the header `X-Rate-Limit-Reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::FairUse => "fair_use",
            Reason::RateLimit => "rate_limit",
            Reason::BackendBusy => "backend_busy",
        }
    }

    pub(crate) const fn default_wait(self) -> Duration {
        match self {
            Reason::FairUse | Reason::RateLimit => Duration::from_secs(1800),
            Reason::BackendBusy => Duration::from_secs(600),
        }
    }

    pub(crate) const fn longest(self) -> Duration {
        match self {
            Reason::FairUse => HOUR.saturating_mul(24 * 30),
            Reason::RateLimit => HOUR.saturating_mul(24),
            Reason::BackendBusy => Duration::from_secs(600),
        }
    }
}

/// A cooldown that is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooldown {
    /// Why.
    pub reason: Reason,
    /// When it began.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// All cooldowns of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cooldowns {
    active: Vec<Cooldown>,
    /// Fair use ran out: the next upload is preceded by one look at the limits (R29).
    pub must_check_limits: bool,
}

impl Cooldowns {
    /// The cooldowns as they were stored. One that could not have been written now, because the clock was set back since or
    /// ran ahead before, is moved: it keeps its length, counted from now.
    pub fn restored(stored: impl IntoIterator<Item = Cooldown>, must_check_limits: bool, now: Timestamp) -> Self {
        let mut this = Self { active: Vec::new(), must_check_limits };
        for one in stored {
            let length = one.since.until(one.until).min(one.reason.longest());
            let (since, until) = if one.since > now { (now, now + length) } else { (one.since, one.since + length) };
            this.active.push(Cooldown { since, until, ..one });
        }
        this.expire(now);
        this
    }

    /// Starts a cooldown, or replaces the one of the same reason.
    pub fn begin(&mut self, reason: Reason, wait: Duration, now: Timestamp) {
        self.active.retain(|one| one.reason != reason);
        self.active.push(Cooldown { reason, since: now, until: now + wait.min(reason.longest()) });
    }

    /// The cooldown that counts: the one that ends last.
    pub fn effective(&self, now: Timestamp) -> Option<Cooldown> {
        let active = self.active.iter().filter(|one| !now.has_reached(one.until));
        active.max_by_key(|one| one.until).copied()
    }

    /// Forgets what is over; whether anything was.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let before = self.active.len();
        self.must_check_limits |=
            self.active.iter().any(|one| one.reason == Reason::FairUse && now.has_reached(one.until));
        self.active.retain(|one| !now.has_reached(one.until));
        self.active.len() != before
    }

    /// The server accepted an upload that was sent at this time: cooldowns that began before are over (R27).
    pub fn accepted(&mut self, sent_at: Timestamp, deduplicated: bool) -> bool {
        if deduplicated {
            return false;
        }
        let before = (self.active.len(), self.must_check_limits);
        self.active.retain(|one| one.since > sent_at);
        self.must_check_limits = false;
        before != (self.active.len(), self.must_check_limits)
    }

    /// The clock was set: the cooldowns move with it, so that they keep the time that is left.
    pub fn shift(&mut self, by_ms: i64) {
        let moved = |at: Timestamp| Timestamp::from_millis(at.millis().saturating_add(by_ms));
        for one in &mut self.active {
            (one.since, one.until) = (moved(one.since), moved(one.until));
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Cooldown> {
        self.active.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(60 * n)
    }

    #[test]
    fn r25_latest_of_several_cooldowns_counts_and_all_survive_a_restart() {
        let mut all = Cooldowns::default();
        assert_eq!(all.effective(NOW), None);
        all.begin(Reason::RateLimit, minutes(30), NOW);
        all.begin(Reason::BackendBusy, minutes(5), NOW);
        assert_eq!(all.effective(NOW).unwrap().reason, Reason::RateLimit);
        all.begin(Reason::RateLimit, minutes(1), NOW);
        assert_eq!(all.effective(NOW).unwrap().reason, Reason::BackendBusy, "each reason has its own deadline");
        let again = Cooldowns::restored(all.iter().copied(), false, NOW + minutes(2));
        assert_eq!(again.effective(NOW + minutes(2)), all.effective(NOW + minutes(2)));
        assert_eq!(all.effective(NOW + minutes(5)), None, "a deadline is over as soon as it is reached");
    }

    #[test]
    fn r25_clock_that_is_set_neither_forgets_nor_prolongs_a_cooldown() {
        let mut all = Cooldowns::default();
        all.begin(Reason::RateLimit, minutes(30), NOW);
        let year = 365 * 86_400_000;
        let earlier = Timestamp::from_millis(NOW.millis() - year);
        let restored = Cooldowns::restored(all.iter().copied(), false, earlier);
        assert_eq!(restored.effective(earlier).unwrap().until, earlier + minutes(30));
        all.shift(-year);
        assert_eq!(all.effective(earlier + minutes(10)).unwrap().until, earlier + minutes(30));
        let absurd = Cooldown { reason: Reason::BackendBusy, since: NOW, until: NOW + minutes(100_000) };
        let restored = Cooldowns::restored([absurd], false, NOW);
        assert_eq!(restored.effective(NOW).unwrap().until, NOW + minutes(10));
    }

    #[test]
    fn r27_only_a_new_upload_that_was_sent_later_clears_a_cooldown() {
        let after = NOW + minutes(1);
        for (sent_at, deduplicated, cleared) in
            [(after, false, true), (NOW, false, true), (NOW - minutes(1), false, false), (after, true, false)]
        {
            let mut all = Cooldowns::default();
            all.begin(Reason::BackendBusy, minutes(5), NOW);
            assert_eq!(all.accepted(sent_at, deduplicated), cleared, "{sent_at} {deduplicated}");
            assert_eq!(all.effective(after).is_none(), cleared);
        }
    }

    #[test]
    fn r29_fair_use_that_ran_out_asks_for_one_look_at_the_limits() {
        let mut all = Cooldowns::default();
        all.begin(Reason::RateLimit, minutes(5), NOW);
        assert!(all.expire(NOW + minutes(5)) && !all.must_check_limits);
        all.begin(Reason::FairUse, minutes(5), NOW);
        assert!(!all.expire(NOW + minutes(4)) && !all.must_check_limits);
        assert!(all.expire(NOW + minutes(5)) && all.must_check_limits);
        assert!(Cooldowns::restored(all.iter().copied(), true, NOW).must_check_limits);
    }
}
