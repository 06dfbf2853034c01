use std::future::{pending, ready};

use futures_util::FutureExt;

use super::*;

const START: Timestamp = Timestamp::from_secs(1_000_000);

fn user(name: &str) -> User {
    User::from(name)
}

fn enters<'p>(job_permits: &'p JobPermits, name: &str, now: Timestamp) -> Option<JobPermit<'p>> {
    job_permits.enter(&user(name), now, |_| pending()).now_or_never().flatten()
}

/// Asserts that the user waits for a permit and gets none.
fn is_refused(job_permits: &JobPermits, name: &str, now: Timestamp) {
    let user = user(name);
    let entered = job_permits.enter(&user, now, |wait| {
        assert_eq!(wait, WAIT);
        ready(())
    });
    assert!(entered.now_or_never().is_some_and(|entered| entered.is_none()), "{name} got a permit");
}

#[test]
fn one_user_gets_all_permits_but_one_and_at_least_one() {
    for (all, anns) in [(1, 1), (2, 1), (4, 3), (32, 31)] {
        let job_permits = JobPermits::new(all);
        let held: Vec<_> = (0..anns).filter_map(|_| enters(&job_permits, "ann", START)).collect();
        assert_eq!(held.len(), anns, "of {all}");
        is_refused(&job_permits, "ann", START);
        assert_eq!(enters(&job_permits, "bob", START).is_some(), all > 1, "of {all}");
    }
}

#[test]
fn freed_permit_is_reserved_for_a_user_who_was_sent_back() {
    let job_permits = JobPermits::new(1);
    let anns = enters(&job_permits, "ann", START);
    is_refused(&job_permits, "bob", START);
    drop(anns);
    is_refused(&job_permits, "ann", START);
    drop(enters(&job_permits, "bob", START + WAIT).expect("it was kept"));
    assert!(enters(&job_permits, "ann", START + WAIT).is_some());
}

#[test]
fn reservation_expires_and_two_reservations_do_not_block_each_other() {
    let job_permits = JobPermits::new(1);
    let anns = enters(&job_permits, "ann", START);
    is_refused(&job_permits, "bob", START);
    drop(anns);
    let over = START + WAIT + RESERVED;
    is_refused(&job_permits, "ann", over - Duration::from_millis(1));
    assert!(enters(&job_permits, "ann", over - Duration::from_millis(1)).is_some(), "she was sent away as well");
    assert!(enters(&job_permits, "carl", over + WAIT + RESERVED).is_some(), "it is over");
}

#[test]
fn user_with_several_permits_yields_one_to_each_user_without() {
    let job_permits = JobPermits::new(4);
    let anns: Vec<_> = (0..3).filter_map(|_| enters(&job_permits, "ann", START)).collect();
    let bobs = enters(&job_permits, "bob", START).expect("there is one more");
    let must_yield = || anns.iter().filter(|permit| permit.must_yield(START)).count();
    assert_eq!(must_yield(), 0);
    is_refused(&job_permits, "carl", START);
    assert_eq!((must_yield(), must_yield()), (1, 1), "one for one");
    assert!(!bobs.must_yield(START), "it is his only one");
    is_refused(&job_permits, "dora", START);
    assert_eq!(must_yield(), 2);
    is_refused(&job_permits, "emil", START);
    assert_eq!(must_yield(), 2, "she keeps one for a while");
    let late = || anns.iter().filter(|permit| permit.must_yield(START + SLICE)).count();
    assert_eq!(late(), 3);
    assert!(!bobs.must_yield(START + SLICE), "enough others yield");
}

#[test]
fn only_job_of_a_user_yields_after_a_while() {
    let job_permits = JobPermits::new(1);
    let anns = enters(&job_permits, "ann", START).expect("it is free");
    let late = START + SLICE;
    assert!(!anns.must_yield(late), "nobody else is there");
    is_refused(&job_permits, "bob", late);
    assert!(!anns.must_yield(late - Duration::from_millis(1)));
    assert!(anns.must_yield(late) && anns.must_yield(late));
    drop(anns);
    assert!(job_permits.yielding().is_empty());
}
