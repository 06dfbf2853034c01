//! Watching jobs: no change is missed when changes become visible out of order, and none is reported twice.

use std::time::Duration;

use domain::{Command, JobId, Timestamp};
use flow::job_changes::{CLOCKS, Follower, OVERLAP, WIDE_EVERY};
use flow::ports::Clock;
use testkit::Harness;
use testkit::build::{batch_as, job_id, phone, uid};

use crate::harness::{Stage, ann, soon};

const MS: Duration = Duration::from_millis(1);

fn follower(stage: &Stage, last: Option<Timestamp>) -> Follower {
    let services = &stage.services;
    Follower::new(services.store.clone(), &*services.feed, services.clock.clone(), &ann(), last)
}

struct Watching {
    stage: Stage,
    harness: Harness,
    follower: Follower,
}

impl Watching {
    fn new() -> Self {
        let stage = Stage::new();
        let mut harness = Harness::new(stage.store.clone());
        harness.clock = stage.clock.clone();
        let follower = follower(&stage, None);
        Self { stage, harness, follower }
    }

    async fn accept(&self, n: u64) {
        self.harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64)])).await;
    }

    /// The jobs that repeated queries report, until there are no more.
    async fn reported(&mut self) -> Vec<JobId> {
        let mut jobs_seen = Vec::new();
        loop {
            let (jobs, more) = self.follower.next_page().await.unwrap();
            jobs_seen.extend(jobs.iter().map(|job| job.id));
            if !more {
                return jobs_seen;
            }
        }
    }
}

#[tokio::test]
async fn change_that_becomes_visible_late_is_reported() {
    let mut watching = Watching::new();
    let start = watching.harness.now();
    watching.stage.clock.set(start + Duration::from_secs(3));
    watching.accept(1).await;
    assert_eq!(watching.reported().await, [job_id(1)]);
    // Its time was taken before that of the other one, but it was written later.
    watching.stage.clock.set(start + Duration::from_secs(1));
    watching.accept(2).await;
    watching.stage.clock.set(start + Duration::from_secs(4));
    assert_eq!(watching.reported().await, [job_id(2)]);
    assert_eq!(watching.reported().await, []);
}

#[tokio::test]
async fn every_change_is_reported_once_for_any_number_of_changes() {
    let mut watching = Watching::new();
    for n in 1..=35 {
        watching.accept(n).await;
        watching.stage.clock.advance(MS);
    }
    let expected: Vec<_> = (1..=35).map(job_id).collect();
    assert_eq!(watching.reported().await, expected);
    assert_eq!(watching.reported().await, []);
    watching.harness.done(job_id(7), Command::Cancel).await;
    assert!(watching.reported().await.contains(&job_id(7)));
    watching.stage.clock.advance(2 * OVERLAP);
    assert_eq!(watching.reported().await, []);
}

/// More changes within the overlap than are remembered: memory is bounded, and still each change is reported.
#[tokio::test]
async fn every_change_of_a_burst_is_reported_once() {
    let mut watching = Watching::new();
    for n in 1..=1500 {
        watching.accept(n).await;
        watching.stage.clock.advance(MS);
    }
    assert_eq!(watching.reported().await.len(), 1500);
    assert_eq!(watching.reported().await, []);
    watching.accept(2000).await;
    assert_eq!(watching.reported().await, [job_id(2000)]);
}

#[tokio::test]
async fn clock_set_back_after_a_burst_hides_no_change() {
    let mut watching = Watching::new();
    let before = watching.harness.now();
    watching.stage.clock.advance(100 * OVERLAP);
    for n in 1..=1500 {
        watching.accept(n).await;
        watching.stage.clock.advance(MS);
    }
    watching.reported().await;
    watching.stage.clock.set(before);
    watching.reported().await;
    watching.accept(2000).await;
    assert!(watching.reported().await.contains(&job_id(2000)));
}

#[tokio::test]
async fn resumed_follower_gets_later_changes_even_if_the_clock_was_set_back() {
    let mut watching = Watching::new();
    watching.accept(1).await;
    watching.stage.clock.advance(10 * OVERLAP + CLOCKS);
    let away = watching.harness.now();
    watching.stage.clock.advance(10 * OVERLAP);
    watching.accept(2).await;
    watching.follower = follower(&watching.stage, Some(away));
    assert_eq!(watching.reported().await, [job_id(2)]);
    watching.stage.clock.set(away);
    watching.reported().await;
    watching.accept(3).await;
    assert!(watching.reported().await.contains(&job_id(3)));
}

#[tokio::test]
async fn follower_is_woken_by_changes_of_its_user() {
    let mut watching = Watching::new();
    watching.harness.accept(&uid("bob"), &[phone(0)]).await;
    watching.accept(1).await;
    soon(watching.follower.woken()).await;
    assert_eq!(watching.reported().await, [job_id(1)]);
    assert_eq!(watching.follower.unfinished().await.unwrap().len(), 0, "reported jobs are not reported again");
}

/// The clock of the other instance is a minute behind, or a minute ahead.
#[tokio::test]
async fn no_change_is_missed_where_the_clocks_of_instances_differ_by_a_minute() {
    for (other, name) in [(-60_i64, "behind"), (60, "ahead")] {
        let mut watching = Watching::new();
        let now = watching.harness.now() + 100 * OVERLAP;
        watching.stage.clock.set(now);
        assert_eq!(watching.reported().await, []);
        let by_the_other_clock = |watching: &Watching, n| {
            let clock = watching.stage.clock.clone();
            let now = clock.now();
            let moment = if other < 0 { now - CLOCKS } else { now + CLOCKS };
            clock.set(moment);
            (clock, now, n)
        };
        for n in 1..=3 {
            let (clock, ours, n) = by_the_other_clock(&watching, n);
            watching.accept(n).await;
            clock.set(ours + Duration::from_secs(1));
            // The change is found by the next wide query at the latest.
            let mut found = watching.reported().await;
            clock.advance(WIDE_EVERY);
            found.extend(watching.reported().await);
            assert_eq!(found, [job_id(n)], "{name}");
        }
        // A client that resumes with an event time of that clock misses nothing that our clock wrote with an earlier
        // time.
        let last = watching.stage.services.store.job(job_id(3)).await.unwrap().unwrap().updated_at;
        watching.accept(9).await;
        watching.follower = follower(&watching.stage, Some(last));
        assert!(watching.reported().await.contains(&job_id(9)), "{name}");
    }
}

/// A wide query covers the last minute and a half; the queries between cover only seconds.
#[tokio::test]
async fn few_queries_cover_the_largest_clock_difference() {
    let mut watching = Watching::new();
    watching.reported().await;
    for n in 1..=30 {
        watching.accept(n).await;
    }
    watching.stage.clock.advance(WIDE_EVERY);
    watching.reported().await;
    watching.stage.clock.advance(2 * OVERLAP);
    let mut read = Vec::new();
    for _ in 0..60 {
        watching.stage.clock.advance(Duration::from_secs(1));
        read.push(watching.follower.looked_back());
        watching.reported().await;
    }
    let wide = read.iter().filter(|back| **back > CLOCKS).count();
    assert_eq!(wide, 2, "{read:?}");
    assert!(read.iter().all(|back| *back <= CLOCKS + OVERLAP + WIDE_EVERY + Duration::from_secs(1)), "{read:?}");
}
