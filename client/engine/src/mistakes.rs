//! Deliberate mistakes for the simulators. Without the feature `mistakes`, every question here is answered "no" at compile
//! time; with it, a test plants one mistake on its own thread and has to see it found.

/// A rule that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mistake {
    /// A 202 is taken for the confirmation that nothing can be lost any more (R8).
    AcceptedIsConfirmed,
    /// A chunk becomes `pending` before its bytes are durable (R2, R3).
    NoFsyncBeforePending,
    /// A cooldown is kept in memory only (R25).
    CooldownForgottenAtRestart,
    /// A 429 is counted against the recording (R22).
    RateLimitCounted,
    /// The handled jobs are forgotten, so that the app is told of a job twice (R11).
    JobHandledTwice,
    /// A connection that cannot be made is counted against the recording (R22).
    OfflineCounted,
    /// A later conversation replaces an earlier one (R13).
    StampedAgain,
    /// Housekeeping deletes what is uploaded but not confirmed (R41).
    DeletedBeforeSynced,
    /// What was started for one account goes on for the next one (R34).
    SignOutNotFenced,
    /// A file that is not seen once is given up (R10).
    MissingAfterOnePass,
    /// A file that is done in part counts as done (R8).
    PartlyDecodedIsDone,
    /// The torn tail of a journal is uploaded (R2).
    TornTailKept,
    /// A clock that is set forward lets files and handled jobs grow old (R11, R41).
    SetClockAgesFiles,
}

impl Mistake {
    /// Every mistake.
    pub const ALL: [Mistake; 13] = [
        Mistake::AcceptedIsConfirmed,
        Mistake::NoFsyncBeforePending,
        Mistake::CooldownForgottenAtRestart,
        Mistake::RateLimitCounted,
        Mistake::JobHandledTwice,
        Mistake::OfflineCounted,
        Mistake::StampedAgain,
        Mistake::DeletedBeforeSynced,
        Mistake::SignOutNotFenced,
        Mistake::MissingAfterOnePass,
        Mistake::PartlyDecodedIsDone,
        Mistake::TornTailKept,
        Mistake::SetClockAgesFiles,
    ];
}

#[cfg(feature = "mistakes")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mistake>> = const { std::cell::Cell::new(None) };
}

/// Plants a mistake for the engines that run on this thread, or removes it.
#[cfg(feature = "mistakes")]
pub fn plant(mistake: Option<Mistake>) {
    PLANTED.set(mistake);
}

#[cfg(feature = "mistakes")]
pub(crate) fn is_planted(mistake: Mistake) -> bool {
    PLANTED.get() == Some(mistake)
}

#[cfg(not(feature = "mistakes"))]
#[inline(always)]
pub(crate) const fn is_planted(_: Mistake) -> bool {
    false
}
