use std::pin::Pin;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;

fn user(name: &str) -> User {
    Arc::from(name)
}

type Waiting = Pin<Box<dyn Future<Output = Permit> + Send>>;

/// Begins to wait. The test is wrong if the permit is given at once.
fn wait(permits: &Arc<Permits>, name: &str) -> Waiting {
    let (permits, user) = (Arc::clone(permits), user(name));
    let mut waiting: BoxFuture<'static, Permit> = async move { permits.acquire(&user).await }.boxed();
    assert!((&mut waiting).now_or_never().is_none(), "{name} was served at once");
    waiting
}

fn served(permits: &Arc<Permits>, name: &str) -> Permit {
    permits.acquire(&user(name)).now_or_never().unwrap_or_else(|| panic!("{name} waits"))
}

/// The order in which users are served while permits are given back one by one.
fn order(mut held: Vec<Permit>, mut waiting: Vec<Waiting>) -> String {
    let mut order = String::new();
    while let Some(permit) = (!held.is_empty()).then(|| held.remove(0)) {
        drop(permit);
        let next = waiting.iter_mut().enumerate().find_map(|(at, one)| Some((at, one.now_or_never()?)));
        if let Some((at, permit)) = next {
            order.push_str(permit.user());
            held.push(permit);
            drop(waiting.remove(at));
        }
    }
    assert!(waiting.is_empty(), "somebody is never served");
    order
}

#[test]
fn single_permit_goes_round_by_user_and_in_order_within_a_user() {
    let permits = Permits::new(1);
    let held = vec![served(&permits, "a")];
    let waiting = ["a", "a", "a", "b", "b", "c"].map(|name| wait(&permits, name)).into();
    assert_eq!(permits.waiting(), 6);
    assert_eq!(order(held, waiting), "bcabaa");
    assert_eq!((permits.in_use(), permits.waiting()), (0, 0));
}

#[test]
fn user_with_fewest_permits_is_next_however_many_wait() {
    let permits = Permits::new(4);
    let held = (0..4).map(|_| served(&permits, "a")).collect();
    let mut waiting: Vec<_> = (0..8).map(|_| wait(&permits, "a")).collect();
    waiting.push(wait(&permits, "b"));
    assert!(order(held, waiting).starts_with("ba"));
}

#[test]
fn user_at_the_limit_is_passed_by_others() {
    let permits = Permits::with_limit(4, 3);
    let held: Vec<_> = (0..3).map(|_| served(&permits, "a")).collect();
    let mut fourth = wait(&permits, "a");
    let other = served(&permits, "b");
    assert_eq!((permits.in_use(), permits.held_by(&user("a"))), (4, 3));
    drop(other);
    assert!((&mut fourth).now_or_never().is_none(), "a user at the limit gets no free permit");
    drop(held);
    assert!(fourth.now_or_never().is_some());
}

#[test]
fn limit_of_zero_is_raised_to_one_permit() {
    let permits = Permits::with_limit(1, 0);
    drop(served(&permits, "a"));
    drop(served(&permits, "b"));
}

#[test]
fn dropped_waiter_leaves_the_queue() {
    let permits = Permits::new(1);
    let held = served(&permits, "a");
    let (gone, mut next) = (wait(&permits, "b"), wait(&permits, "c"));
    drop(gone);
    assert_eq!(permits.waiting(), 1);
    drop(held);
    assert!((&mut next).now_or_never().is_some());
}

#[test]
fn permit_of_a_dropped_waiter_goes_to_the_next() {
    let permits = Permits::new(1);
    let held = served(&permits, "a");
    let (given, mut next) = (wait(&permits, "b"), wait(&permits, "c"));
    drop(held);
    // The permit has been sent, but the waiting future was not polled yet.
    assert_eq!((permits.in_use(), permits.waiting()), (1, 1));
    drop(given);
    let permit = (&mut next).now_or_never().expect("the permit was lost");
    drop(permit);
    assert_eq!((permits.in_use(), permits.waiting()), (0, 0));
}

#[test]
fn permit_is_wanted_by_others_only_if_they_would_get_it() {
    let permits = Permits::new(2);
    let (a, b) = (served(&permits, "a"), served(&permits, "b"));
    let more = wait(&permits, "a");
    assert!(!a.wanted_by_others(), "nobody else waits");
    assert!(!b.wanted_by_others(), "whoever waits holds more than was left");
    let _c = wait(&permits, "c");
    assert!(a.wanted_by_others() && b.wanted_by_others());
    assert_eq!(permits.waiting_without_permit(&user("a")), [user("c")]);
    drop(more);
}

#[test]
fn random_order_of_acquire_and_drop_loses_no_permit() {
    use proptest::prelude::*;
    let moves = proptest::collection::vec((0_usize..4, 0_usize..5), 0..200);
    proptest!(|(moves in moves, all in 1_usize..5, per_user in 1_usize..5)| {
        let permits = Permits::with_limit(all, per_user);
        let (mut held, mut waiting): (Vec<Permit>, Vec<Waiting>) = (Vec::new(), Vec::new());
        for (what, which) in moves {
            match what {
                0 | 1 => {
                    let (permits, user) = (Arc::clone(&permits), user(&which.to_string()));
                    waiting.push(async move { permits.acquire(&user).await }.boxed());
                }
                2 if which < held.len() => drop(held.swap_remove(which)),
                3 if which < waiting.len() => drop(waiting.swap_remove(which)),
                _ => {}
            }
            let mut at = 0;
            while at < waiting.len() {
                match (&mut waiting[at]).now_or_never() {
                    Some(permit) => {
                        held.push(permit);
                        drop(waiting.remove(at));
                    }
                    None => at += 1,
                }
            }
            prop_assert_eq!((permits.in_use(), permits.waiting()), (held.len(), waiting.len()));
            prop_assert!(held.len() <= all);
            for user in (0..5).map(|n| user(&n.to_string())) {
                prop_assert!(permits.held_by(&user) <= per_user);
            }
            // No permit is held back: waiting users have reached their limit, or all permits are in use.
            prop_assert!(held.len() == all || permits.waiting_without_permit(&user("nobody")).is_empty());
        }
        drop((held, waiting));
        prop_assert_eq!((permits.in_use(), permits.waiting()), (0, 0));
    });
}
