//! Watching jobs: no change is missed when changes become visible out of order, and none is reported twice.

use std::time::Duration;

use domain::{Command, JobId};
use flow::job_changes::{CLOCKS, Follower, OVERLAP, WIDE_EVERY};
use flow::ports::Clock;
use testkit::Harness;
use testkit::build::{batch_as, job_id, phone, uid};

use crate::stage::{Stage, ann, soon};

const MS: Duration = Duration::from_millis(1);

struct Told {
    stage: Stage,
    harness: Harness,
    follower: Follower,
}

impl Told {
    fn new() -> Self {
        let stage = Stage::new();
        let mut harness = Harness::new(stage.store.clone());
        harness.clock = stage.clock.clone();
        let follower = Follower::new(&stage.services, &ann(), None);
        Self { stage, harness, follower }
    }

    async fn accept(&self, n: u64) {
        self.harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64)])).await;
    }

    /// The jobs that repeated queries report, until there are no more.
    async fn looks(&mut self) -> Vec<JobId> {
        let mut told = Vec::new();
        loop {
            let (jobs, more) = self.follower.look().await.unwrap();
            told.extend(jobs.iter().map(|job| job.id));
            if !more {
                return told;
            }
        }
    }
}

#[tokio::test]
async fn change_that_becomes_visible_late_is_reported() {
    let mut told = Told::new();
    let start = told.harness.now();
    told.stage.clock.set(start + Duration::from_secs(3));
    told.accept(1).await;
    assert_eq!(told.looks().await, [job_id(1)]);
    // Its time was taken before that of the other one, but it was written later.
    told.stage.clock.set(start + Duration::from_secs(1));
    told.accept(2).await;
    told.stage.clock.set(start + Duration::from_secs(4));
    assert_eq!(told.looks().await, [job_id(2)]);
    assert_eq!(told.looks().await, []);
}

#[tokio::test]
async fn every_change_is_reported_once_for_any_number_of_changes() {
    let mut told = Told::new();
    for n in 1..=35 {
        told.accept(n).await;
        told.stage.clock.advance(MS);
    }
    let expected: Vec<_> = (1..=35).map(job_id).collect();
    assert_eq!(told.looks().await, expected);
    assert_eq!(told.looks().await, []);
    told.harness.done(job_id(7), Command::Cancel).await;
    assert!(told.looks().await.contains(&job_id(7)));
    told.stage.clock.advance(2 * OVERLAP);
    assert_eq!(told.looks().await, []);
}

/// More changes within the overlap than are remembered: memory is bounded, and still each change is reported.
#[tokio::test]
async fn every_change_of_a_burst_is_reported_once() {
    let mut told = Told::new();
    for n in 1..=1500 {
        told.accept(n).await;
        told.stage.clock.advance(MS);
    }
    assert_eq!(told.looks().await.len(), 1500);
    assert_eq!(told.looks().await, []);
    told.accept(2000).await;
    assert_eq!(told.looks().await, [job_id(2000)]);
}

#[tokio::test]
async fn clock_set_back_after_a_burst_hides_no_change() {
    let mut told = Told::new();
    let before = told.harness.now();
    told.stage.clock.advance(100 * OVERLAP);
    for n in 1..=1500 {
        told.accept(n).await;
        told.stage.clock.advance(MS);
    }
    told.looks().await;
    told.stage.clock.set(before);
    told.looks().await;
    told.accept(2000).await;
    assert!(told.looks().await.contains(&job_id(2000)));
}

#[tokio::test]
async fn resumed_follower_gets_later_changes_even_if_the_clock_was_set_back() {
    let mut told = Told::new();
    told.accept(1).await;
    told.stage.clock.advance(10 * OVERLAP + CLOCKS);
    let away = told.harness.now();
    told.stage.clock.advance(10 * OVERLAP);
    told.accept(2).await;
    told.follower = Follower::new(&told.stage.services, &ann(), Some(away));
    assert_eq!(told.looks().await, [job_id(2)]);
    told.stage.clock.set(away);
    told.looks().await;
    told.accept(3).await;
    assert!(told.looks().await.contains(&job_id(3)));
}

#[tokio::test]
async fn follower_is_woken_by_changes_of_its_user() {
    let mut told = Told::new();
    told.harness.accept(&uid("bob"), &[phone(0)]).await;
    told.accept(1).await;
    soon(told.follower.woken()).await;
    assert_eq!(told.looks().await, [job_id(1)]);
    assert_eq!(told.follower.unfinished().await.unwrap().len(), 0, "what was told is not told again");
}

/// The clock of the other instance is a minute behind, or a minute ahead.
#[tokio::test]
async fn no_change_is_missed_where_the_clocks_of_instances_differ_by_a_minute() {
    for (other, name) in [(-60_i64, "behind"), (60, "ahead")] {
        let mut told = Told::new();
        let now = told.harness.now() + 100 * OVERLAP;
        told.stage.clock.set(now);
        assert_eq!(told.looks().await, []);
        let by_the_other_clock = |told: &Told, n| {
            let clock = told.stage.clock.clone();
            let now = clock.now();
            let moment = if other < 0 { now - CLOCKS } else { now + CLOCKS };
            clock.set(moment);
            (clock, now, n)
        };
        for n in 1..=3 {
            let (clock, ours, n) = by_the_other_clock(&told, n);
            told.accept(n).await;
            clock.set(ours + Duration::from_secs(1));
            // The change is found by the next wide query at the latest.
            let mut found = told.looks().await;
            clock.advance(WIDE_EVERY);
            found.extend(told.looks().await);
            assert_eq!(found, [job_id(n)], "{name}");
        }
        // A client that resumes with an event time of that clock misses nothing that our clock wrote with an earlier
        // time.
        let last = told.stage.services.store.job(job_id(3)).await.unwrap().unwrap().updated_at;
        told.accept(9).await;
        told.follower = Follower::new(&told.stage.services, &ann(), Some(last));
        assert!(told.looks().await.contains(&job_id(9)), "{name}");
    }
}

/// A wide query covers the last minute and a half; the queries between cover only seconds.
#[tokio::test]
async fn few_queries_cover_the_largest_clock_difference() {
    let mut told = Told::new();
    told.looks().await;
    for n in 1..=30 {
        told.accept(n).await;
    }
    told.stage.clock.advance(WIDE_EVERY);
    told.looks().await;
    told.stage.clock.advance(2 * OVERLAP);
    let mut read = Vec::new();
    for _ in 0..60 {
        told.stage.clock.advance(Duration::from_secs(1));
        read.push(told.follower.looked_back());
        told.looks().await;
    }
    let wide = read.iter().filter(|back| **back > CLOCKS).count();
    assert_eq!(wide, 2, "{read:?}");
    assert!(read.iter().all(|back| *back <= CLOCKS + OVERLAP + WIDE_EVERY + Duration::from_secs(1)), "{read:?}");
}
