use std::time::Duration;

use domain::{Timestamp, Uid};

use super::*;
use crate::ports::Conditions;
use crate::rules::cooldown::{Cooldowns, Reason};
use crate::settings::Settings;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn uid(name: &str) -> Uid {
    Uid::new(name).unwrap()
}

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

/// A state in which anna is signed in and no pass runs.
fn idle() -> State {
    let mut state = State::new(Conditions::BEST, Settings::default(), NOW);
    step(&mut state, Event::SignedIn { account: uid("anna"), cooldowns: Cooldowns::default() }, NOW);
    finish_pass(&mut state, false);
    assert!(state.pass.is_none());
    state
}

/// Ends every step of the pass that runs, and returns the steps.
fn finish_pass(state: &mut State, uploads: bool) -> Vec<Stage> {
    let mut stages = Vec::new();
    while let Some(pass) = state.pass {
        stages.push(pass.stage);
        assert!(stages.len() < 100, "the pass has no end");
        let uploaded = uploads && pass.stage == Stage::Upload;
        step(state, Event::StepEnded { fence: state.fence, uploaded, dues: Dues::default() }, NOW);
    }
    stages
}

fn runs(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Run { .. })).count()
}

#[test]
fn r33_pass_reconciles_uploads_and_reconciles_again_if_anything_was_uploaded() {
    use Stage::{Finish, Prepare, Reconcile, ReconcileAgain, Upload};
    for (uploads, stages) in [
        (false, vec![Prepare, Reconcile, Upload, Finish]),
        (true, vec![Prepare, Reconcile, Upload, ReconcileAgain, Finish]),
    ] {
        let mut state = idle();
        step(&mut state, Event::Recorded, NOW);
        assert_eq!(finish_pass(&mut state, uploads), stages);
    }
}

#[test]
fn r33_wakes_during_a_pass_coalesce_into_one_more() {
    let mut state = idle();
    let mut begun = runs(&step(&mut state, Event::Recorded, NOW));
    for event in
        [Event::Foreground, Event::Push, Event::Retry, Event::Timer, Event::Recorded, Event::CredentialsChanged]
    {
        begun += runs(&step(&mut state, event, NOW));
    }
    assert_eq!(begun, 1);
    let stages = finish_pass(&mut state, false);
    assert_eq!(stages.iter().filter(|stage| **stage == Stage::Prepare).count(), 2);
}

#[test]
fn r33_every_wake_begins_a_pass() {
    let worse = Conditions { online: false, ..Conditions::BEST };
    for event in [
        Event::Foreground,
        Event::Push,
        Event::Retry,
        Event::Timer,
        Event::Recorded,
        Event::CredentialsChanged,
        Event::Settings(Settings::default()),
        Event::ClockMoved { by_ms: 5_000 },
    ] {
        let mut state = idle();
        assert_eq!(runs(&step(&mut state, event.clone(), NOW)), 1, "{event:?}");
    }
    let mut state = idle();
    assert_eq!(runs(&step(&mut state, Event::Conditions(worse), NOW)), 0, "going offline wakes nobody");
    assert_eq!(runs(&step(&mut state, Event::Conditions(Conditions::BEST), NOW)), 1, "the online edge does");
    let mut state = State::new(Conditions::BEST, Settings::default(), NOW);
    assert_eq!(runs(&step(&mut state, Event::Foreground, NOW)), 0, "nobody is signed in");
}

#[test]
fn r33_background_cancels_the_timer() {
    let mut state = idle();
    assert!(state.armed.is_some());
    assert!(step(&mut state, Event::Background, NOW).contains(&Action::Disarm));
    step(&mut state, Event::Push, NOW);
    finish_pass(&mut state, false);
    assert_eq!(state.armed, None);
}

/// The timer after a pass with these deadlines.
fn armed(state: &mut State, dues: Dues) -> Option<u64> {
    step(state, Event::Recorded, NOW);
    while state.pass.is_some() {
        step(state, Event::StepEnded { fence: state.fence, uploaded: false, dues }, NOW);
    }
    state.armed.map(|at| NOW.until(at).as_secs())
}

#[test]
fn timer_is_set_to_the_next_thing_that_may_be_done() {
    let upload = |seconds| Dues { upload: Some(after(seconds)), ..Dues::default() };
    let poll = |seconds| Dues { poll: Some(after(seconds)), ..Dues::default() };
    let six_hours = Some(6 * 3600);
    assert_eq!(armed(&mut idle(), Dues::default()), six_hours);
    assert_eq!(armed(&mut idle(), upload(40)), Some(40));
    assert_eq!(armed(&mut idle(), Dues { poll: Some(after(9)), ..upload(40) }), Some(9));
    assert_eq!(armed(&mut idle(), upload(0)), Some(1), "never a loop without a pause");
    let with = |change: fn(&mut State)| {
        let mut state = idle();
        change(&mut state);
        state
    };
    let cooled = |state: &mut State| state.cooldowns.begin(Reason::RateLimit, Duration::from_secs(500), NOW);
    assert_eq!(armed(&mut with(cooled), upload(40)), Some(500), "its end wakes the coordinator (R28)");
    assert_eq!(armed(&mut with(cooled), poll(40)), Some(40), "a cooldown does not stop status requests");
    assert_eq!(armed(&mut with(cooled), Dues::default()), Some(500));
    assert_eq!(armed(&mut with(|state| state.settings.paused = true), upload(40)), six_hours);
    assert_eq!(armed(&mut with(|state| state.conditions.online = false), upload(40)), Some(1_800));
    assert_eq!(armed(&mut with(|state| state.status_until = Some(after(70))), poll(40)), Some(70));
    assert_eq!(armed(&mut with(|state| state.trouble.until = Some(after(60))), upload(40)), Some(60));
}

#[test]
fn r34_end_of_a_step_of_another_account_has_no_effect() {
    let mut state = idle();
    step(&mut state, Event::Recorded, NOW);
    let fence = state.fence;
    let actions = step(&mut state, Event::SignedOut, NOW);
    assert!(actions.contains(&Action::Abort) && actions.contains(&Action::Farewell(uid("anna"))));
    step(&mut state, Event::SignedIn { account: uid("ben"), cooldowns: Cooldowns::default() }, NOW);
    let before = state.clone();
    step(&mut state, Event::StepEnded { fence, uploaded: true, dues: Dues::default() }, NOW);
    assert_eq!(state, before);
    assert!(state.fence > fence);
}

#[test]
fn r35_cancel_aborts_and_uploads_nothing_until_somebody_starts_again() {
    let mut state = idle();
    step(&mut state, Event::Recorded, NOW);
    assert!(step(&mut state, Event::Cancel, NOW).contains(&Action::Abort));
    assert_eq!((state.pass, state.may_upload(NOW)), (None, Err(Blocked::Cancelled)));
    assert_eq!(state.may_ask(NOW), Ok(()), "what is uploaded is still followed");
    for event in [Event::Retry, Event::Foreground] {
        let mut again = state.clone();
        step(&mut again, event, NOW);
        assert_eq!(again.may_upload(NOW), Ok(()));
    }
}

#[test]
fn r23_used_up_budgets_are_given_anew_every_six_hours() {
    let mut state = idle();
    let rearms = |state: &mut State, seconds| {
        let actions = step(state, Event::Timer, after(seconds));
        let rearms = actions.iter().any(|action| matches!(action, Action::Run { prepare, .. } if prepare.rearm));
        finish_pass(state, false);
        rearms
    };
    assert!(!rearms(&mut state, 6 * 3600 - 1));
    assert!(rearms(&mut state, 6 * 3600));
    assert!(!rearms(&mut state, 7 * 3600));
    assert!(rearms(&mut state, 12 * 3600));
}

#[test]
fn r28_clock_that_is_set_forward_does_not_end_a_cooldown() {
    let mut state = idle();
    state.cooldowns.begin(Reason::BackendBusy, Duration::from_secs(300), NOW);
    step(&mut state, Event::ClockMoved { by_ms: 240_000_000 }, after(240_000));
    assert!(matches!(state.may_upload(after(240_000)), Err(Blocked::Cooldown { .. })));
    assert_eq!(state.may_upload(after(240_300)), Ok(()));
}
