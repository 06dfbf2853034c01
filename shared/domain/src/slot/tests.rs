use super::*;
use crate::job::Status;
use crate::rules::Rules;
use crate::testing::{NOW, after, job};

fn waiting(count: u128) -> Vec<Job> {
    (1..=count).map(|id| job(id, id as i64, false)).collect()
}

#[test]
fn free_slots_go_to_the_first_waiting_jobs() {
    let rules = Rules { enqueued_per_user: 4, ..Rules::default() };
    let at = At { now: after(60), rules: &rules };
    for (held, expected) in [(0, 3), (2, 2), (3, 1), (4, 0), (9, 0)] {
        let stored = waiting(3);
        let decided = promote(stored.clone(), held, &at);
        assert!(decided.answer.iter().all(Job::holds_slot), "{held} held");
        let before: Vec<_> = decided.writes.changed.iter().map(|change| change.before.clone()).collect();
        assert_eq!(before, stored[..expected], "{held} held");
        let jobs: Vec<_> = decided.writes.changed.iter().map(|change| change.job.clone()).collect();
        assert_eq!(jobs, decided.answer, "{held} held");
    }
}

#[test]
fn promotion_stops_at_a_job_that_no_longer_waits() {
    let at = At { now: NOW, rules: &Rules::default() };
    let mut jobs = waiting(3);
    jobs[1].status = Status::Cancelled;
    assert_eq!(promote(jobs, 0, &at).answer.len(), 1);
}

#[test]
fn job_with_the_oldest_recording_is_first_in_line() {
    let mut jobs = waiting(3);
    jobs[2].oldest_captured_at = after(-60);
    jobs[1].oldest_captured_at = jobs[0].oldest_captured_at;
    jobs[1].created_at = jobs[0].created_at;
    jobs.reverse();
    jobs.sort_by_key(order);
    assert_eq!(jobs.iter().map(|job| job.id.0.as_u128()).collect::<Vec<_>>(), [3, 1, 2]);
}

#[test]
fn job_holds_a_slot_or_waits_for_one_or_neither() {
    let mut parked = job(3, 0, false);
    parked.waiting_for = Some(crate::job::WaitingFor::Engine);
    for (job, slot_use) in [
        (job(1, 0, true), Some(SlotUse::Held)),
        (job(2, 0, false), Some(SlotUse::Waiting)),
        (parked, None),
        (Job { status: Status::Completed, ..job(4, 0, true) }, None),
    ] {
        assert_eq!(SlotUse::of(&job), slot_use, "{}", job.id);
    }
}

#[test]
fn step_takes_keeps_or_returns_a_slot() {
    let (held, waiting) = (job(1, 0, true), job(2, 0, false));
    for (before, after, count) in
        [(&held, &waiting, 2), (&held, &held, 3), (&waiting, &held, 4), (&waiting, &waiting, 3)]
    {
        assert_eq!(held_after(3, before, after), count);
    }
}

#[test]
fn slot_is_free_while_fewer_are_held_than_the_user_has() {
    let rules = Rules { enqueued_per_user: 4, ..Rules::default() };
    let at = At { now: NOW, rules: &rules };
    for (held, free) in [(0, 4), (3, 1), (4, 0), (5, 0)] {
        assert_eq!(rules.free_slots(held), free);
        assert_eq!(at.with_slots_held(held).slot_free, free > 0, "{held} held");
    }
    assert!(!at.uncounted().slot_free);
}
