//! The step function.

use std::time::Duration;

use domain::{Timestamp, Uid};

use super::blocked::Blocked;
use super::state::{CredentialState, Dues, Pass, Prepare, Purpose, Stage, State};
use crate::mistakes::{self, Mistake};
use crate::ports::Conditions;
use crate::rules::backoff;
use crate::rules::cooldown::{Cooldowns, Reason};
use crate::rules::limits::UploadLimits;
use crate::settings::Settings;

/// A timer is never shorter, so that a mistake cannot become a loop without a pause.
const SHORTEST_TIMER: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An account is signed in: at the start, or by the user. Its cooldowns come from the index.
    SignedIn {
        account: Uid,
        cooldowns: Cooldowns,
    },
    SignedOut,
    CredentialsChanged,
    Foreground,
    Background,
    Conditions(Conditions),
    Settings(Settings),
    /// A chunk became pending, or a session may be uploaded now.
    Recorded,
    /// The user wants everything to be tried now.
    Retry,
    Push,
    Timer,
    Cancel,
    /// The time of day was set; by so many milliseconds forward.
    ClockMoved {
        by_ms: i64,
    },
    // What the steps of a pass find out.
    LimitsKnown(UploadLimits),
    CooldownBegan {
        reason: Reason,
        wait: Duration,
    },
    Accepted {
        sent_at: Timestamp,
        deduplicated: bool,
    },
    FairUseChecked,
    TokenRefused,
    UploadForbidden,
    Trouble {
        purpose: Purpose,
        asked: Option<Duration>,
        random: f64,
    },
    /// An answer came: the network and the service work.
    Answered,
    StatusDelayed {
        wait: Duration,
    },
    StepEnded {
        fence: u64,
        uploaded: bool,
        dues: Dues,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Runs a step of a pass, and reports its end.
    Run {
        stage: Stage,
        fence: u64,
        prepare: Prepare,
    },
    /// Ends the step that is running, wherever it is.
    Abort,
    Arm(Timestamp),
    Disarm,
    StoreCooldowns,
    /// The effective cooldown may have changed: observers are told.
    TellCooldown,
    /// Removes the push token of an account that was signed out.
    Farewell(Uid),
}

/// The next state, and what is to be done.
pub fn step(state: &mut State, event: Event, now: Timestamp) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Event::ClockMoved { by_ms } = event {
        // Before anything is compared with the clock.
        state.cooldowns.shift(by_ms);
    }
    if state.cooldowns.expire(now) {
        actions.extend([Action::StoreCooldowns, Action::TellCooldown]);
    }
    match event {
        Event::SignedIn { account, cooldowns } => sign_in(state, account, cooldowns, now, &mut actions),
        Event::SignedOut => sign_out(state, &mut actions),
        Event::CredentialsChanged => {
            state.credentials = CredentialState::Good;
            fresh_start(state, Prepare { reset_polls: true, ..Prepare::default() });
            wake(state, &mut actions);
        }
        Event::Foreground => {
            state.foreground = true;
            fresh_start(state, Prepare { reset_polls: true, ..Prepare::default() });
            wake(state, &mut actions);
        }
        Event::Background => {
            state.foreground = false;
            disarm(state, &mut actions);
        }
        Event::Conditions(conditions) => change_conditions(state, conditions, &mut actions),
        Event::Settings(settings) => {
            state.settings = settings;
            wake(state, &mut actions);
        }
        Event::Recorded => wake(state, &mut actions),
        Event::Push => {
            state.forget_troubles();
            wake(state, &mut actions);
        }
        Event::Retry => {
            fresh_start(state, Prepare::EVERYTHING);
            wake(state, &mut actions);
        }
        Event::Timer => {
            state.armed = None;
            if state.rearmed_at.until(now) >= backoff::REARM_EVERY || state.rearmed_at > now {
                state.rearmed_at = now;
                state.prepare.rearm = true;
            }
            wake(state, &mut actions);
        }
        Event::Cancel => {
            state.stopped = true;
            state.pass = None;
            actions.push(Action::Abort);
            arm(state, now, &mut actions);
        }
        Event::ClockMoved { by_ms } => {
            let moved = |at: Timestamp| Timestamp::from_millis(at.millis().saturating_add(by_ms));
            state.troubles().into_iter().for_each(|trouble| trouble.until = trouble.until.map(moved));
            state.status_until = state.status_until.map(moved);
            actions.extend([Action::StoreCooldowns, Action::TellCooldown]);
            wake(state, &mut actions);
        }
        event => found_out(state, event, now, &mut actions),
    }
    actions
}

/// What the steps of a pass report.
fn found_out(state: &mut State, event: Event, now: Timestamp, actions: &mut Vec<Action>) {
    match event {
        Event::LimitsKnown(limits) => state.limits = Some(limits),
        Event::CooldownBegan { reason, wait } => {
            state.cooldowns.begin(reason, wait, now);
            actions.extend([Action::StoreCooldowns, Action::TellCooldown]);
        }
        Event::Accepted { sent_at, deduplicated } => {
            state.forget_troubles();
            if let Some(pass) = &mut state.pass {
                pass.uploaded = true;
            }
            if state.cooldowns.accepted(sent_at, deduplicated) {
                actions.extend([Action::StoreCooldowns, Action::TellCooldown]);
            }
        }
        Event::FairUseChecked => {
            state.cooldowns.must_check_limits = false;
            actions.push(Action::StoreCooldowns);
        }
        Event::TokenRefused => state.credentials = CredentialState::Refused,
        Event::UploadForbidden => state.credentials = CredentialState::Forbidden,
        Event::Trouble { purpose, asked, random } => state.trouble_of_mut(purpose).grow(now, asked, random),
        Event::Answered => state.forget_troubles(),
        Event::StatusDelayed { wait } => state.status_until = Some(now + wait),
        Event::StepEnded { fence, uploaded, dues } => step_ended(state, fence, uploaded, dues, now, actions),
        _ => {}
    }
}

fn sign_in(state: &mut State, account: Uid, cooldowns: Cooldowns, now: Timestamp, actions: &mut Vec<Action>) {
    if state.account.is_some() {
        sign_out(state, actions);
    }
    state.fence += 1;
    state.account = Some(account);
    state.cooldowns = cooldowns;
    state.rearmed_at = now;
    fresh_start(state, Prepare::EVERYTHING);
    actions.push(Action::TellCooldown);
    wake(state, actions);
}

fn sign_out(state: &mut State, actions: &mut Vec<Action>) {
    let Some(account) = state.account.take() else { return };
    state.fence += 1;
    state.pass = None;
    state.cooldowns = Cooldowns::default();
    state.credentials = CredentialState::Good;
    state.status_until = None;
    // Another account may have other limits.
    state.limits = None;
    state.dues = Dues::default();
    if !mistakes::is_planted(Mistake::SignOutNotFenced) {
        actions.push(Action::Abort);
    }
    actions.extend([Action::Farewell(account), Action::TellCooldown]);
    disarm(state, actions);
}

/// What failed before does not matter any more. Cooldowns do.
fn fresh_start(state: &mut State, prepare: Prepare) {
    state.forget_troubles();
    state.status_until = None;
    state.stopped = false;
    state.prepare = state.prepare.and(prepare);
}

fn change_conditions(state: &mut State, conditions: Conditions, actions: &mut Vec<Action>) {
    let is_edge = conditions.online && !state.conditions.online;
    let is_better = is_edge
        || (conditions.unmetered && !state.conditions.unmetered)
        || (conditions.charging && !state.conditions.charging);
    state.conditions = conditions;
    if is_edge {
        fresh_start(state, Prepare { rearm: true, forget_delays: true, reset_polls: false });
    }
    if is_better {
        wake(state, actions);
    }
}

/// Begins a pass, or one more after the pass that is running.
fn wake(state: &mut State, actions: &mut Vec<Action>) {
    if state.account.is_none() {
        return;
    }
    match &mut state.pass {
        Some(pass) => pass.again = true,
        None => {
            state.pass = Some(Pass { stage: Stage::Prepare, again: false, uploaded: false });
            disarm(state, actions);
            run(state, actions);
        }
    }
}

fn run(state: &mut State, actions: &mut Vec<Action>) {
    let Some(pass) = state.pass else { return };
    let prepare = match pass.stage {
        Stage::Prepare => std::mem::take(&mut state.prepare),
        _ => Prepare::default(),
    };
    actions.push(Action::Run { stage: pass.stage, fence: state.fence, prepare });
}

/// The next step, whatever became of the last one; after the last step the timer.
fn step_ended(state: &mut State, fence: u64, uploaded: bool, dues: Dues, now: Timestamp, actions: &mut Vec<Action>) {
    let Some(pass) = state.pass.as_mut().filter(|_| fence == state.fence) else { return };
    pass.uploaded |= uploaded;
    state.dues = dues;
    let next = match pass.stage {
        Stage::Prepare => Some(Stage::Reconcile),
        Stage::Reconcile => Some(Stage::Upload),
        Stage::Upload if pass.uploaded => Some(Stage::ReconcileAgain),
        Stage::Upload | Stage::ReconcileAgain => Some(Stage::Finish),
        Stage::Finish => None,
    };
    match next {
        Some(stage) => {
            pass.stage = stage;
            run(state, actions);
        }
        None if pass.again => {
            state.pass = None;
            wake(state, actions);
        }
        None => {
            state.pass = None;
            arm(state, now, actions);
        }
    }
}

fn disarm(state: &mut State, actions: &mut Vec<Action>) {
    if state.armed.take().is_some() {
        actions.push(Action::Disarm);
    }
}

/// Sets the timer to the next time at which something is to be done. In the background there is none: the app is woken by
/// the system, or by a push.
fn arm(state: &mut State, now: Timestamp, actions: &mut Vec<Action>) {
    disarm(state, actions);
    if state.account.is_none() || !state.foreground {
        return;
    }
    let after = |due: Option<Timestamp>, blocked: Result<(), Blocked>| match blocked {
        Ok(()) => due,
        // Something that has an end is waited for; everything else is an event of its own.
        Err(Blocked::Cooldown { until, .. } | Blocked::Unreachable { until }) => due.map(|due| due.max(until)),
        // The app tells when the network is back. If it forgets that, this finds out (R15).
        Err(Blocked::Offline) => due.map(|due| due.max(now + backoff::LONGEST)),
        Err(_) => None,
    };
    let cooldown_ends = state.cooldowns.effective(now).map(|cooldown| cooldown.until);
    let next = [
        after(state.dues.upload, state.may_upload(now)),
        after(state.dues.poll, state.may_ask(now)),
        after(state.dues.task, state.may_tell(now)),
        cooldown_ends,
        Some(state.rearmed_at.min(now) + backoff::REARM_EVERY),
    ];
    let earliest = now + SHORTEST_TIMER;
    if let Some(at) = next.into_iter().flatten().min() {
        let at = at.max(earliest);
        state.armed = Some(at);
        actions.push(Action::Arm(at));
    }
}
