//! A deletion that was interrupted between its mark and its end: the sweep finishes it.

use std::sync::Arc;

use domain::{Job, Line};
use flow::Services;
use testkit::Harness;
use testkit::build::phone;
use testkit::fault_injection::{FailsBefore, Plan};

use crate::harness::{Stage, ann};

async fn talk(stage: &Stage) -> Job {
    let mut harness = Harness::new(stage.store.clone());
    harness.clock = stage.clock.clone();
    harness.transcribe(&ann(), &phone(0), &[(0, 900, "a secret"), (2000, 2900, "and another")]).await
}

fn texts(stage: &Stage) -> Vec<String> {
    stage.store.all_lines(&ann()).iter().map(Line::text).collect()
}

#[tokio::test]
async fn unfinished_deletion_is_finished_by_the_sweep() {
    let stage = Stage::new();
    stage.clock.advance(std::time::Duration::from_secs(1));
    let id = talk(&stage).await.new_conversation_ids[0];
    let failing = Arc::new(FailsBefore::planned(stage.store.clone(), Plan::never()));
    failing.plan().fail_call("store.remove_texts", 1000);
    let clock = testkit::TestClock::automatic(stage.services.now());
    let services = Services { store: failing.clone(), clock, ..stage.services.clone() };
    assert!(
        flow::conversation::delete(&services, &ann(), id).await.unwrap(),
        "the conversation is deleted nevertheless"
    );
    assert_eq!(texts(&stage), ["a secret", "and another"]);
    assert_eq!(flow::sweep::sweep(&services, 10).await.unwrap().forgotten, 0);
    failing.plan().heal();
    assert_eq!(flow::sweep::sweep(&services, 10).await.unwrap().forgotten, 1);
    assert_eq!(texts(&stage), ["", ""]);
    assert_eq!(flow::sweep::sweep(&services, 10).await.unwrap().forgotten, 0);
}

#[tokio::test]
async fn complete_deletion_leaves_nothing_for_the_sweep() {
    let stage = Stage::new();
    let id = talk(&stage).await.new_conversation_ids[0];
    assert!(flow::conversation::delete(&stage.services, &ann(), id).await.unwrap());
    assert_eq!(texts(&stage), ["", ""]);
    assert_eq!(flow::sweep::sweep(&stage.services, 10).await.unwrap().forgotten, 0);
}
