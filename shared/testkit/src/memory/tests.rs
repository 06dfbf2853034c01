use std::time::Duration;

use domain::Code;
use flow::Kind;
use flow::ports::{Admission, Blobs as _, Identity as _, Push as _, PushOutcome, Queue as _, Verdict};

use super::{Blobs, Identity, Push, Queue};
use crate::admission::{Refusing, refuse};
use crate::build::{T0, blob, device, job_id, message, task, uid};
use crate::clock::TestClock;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn token_names_its_user() {
    assert_eq!(Identity.verify("uid:ann").await.unwrap(), Ok(uid("ann")));
    for token in ["", "ann", "uid:", "uid:a/b", "Bearer uid:ann"] {
        assert!(Identity.verify(token).await.unwrap().is_err(), "{token}");
    }
}

#[tokio::test]
async fn admission_follows_its_script() {
    let doorkeeper = Refusing::once(Code::RateLimited, MINUTE);
    assert_eq!(doorkeeper.admit(&uid("ann")).await.unwrap(), refuse(Code::RateLimited, MINUTE));
    assert_eq!(doorkeeper.admit(&uid("ann")).await.unwrap(), Verdict::Admit);
    let doorkeeper = Refusing::always(Code::BackendBusy, MINUTE);
    for _ in 0..2 {
        assert_eq!(doorkeeper.admit(&uid("ann")).await.unwrap(), refuse(Code::BackendBusy, MINUTE));
    }
}

#[tokio::test]
async fn pushes_are_answered_by_token_then_by_script() {
    let push = Push::new();
    push.answer_token("dead", PushOutcome::Unregistered);
    push.answer_next(Ok(PushOutcome::Later(Some(MINUTE))));
    push.answer_next(Err(Kind::Unavailable));
    let send = async |token| push.send(&device(&uid("ann"), "phone", token), &message(&[])).await;
    assert_eq!(send("live").await.unwrap(), PushOutcome::Later(Some(MINUTE)));
    assert_eq!(send("dead").await.unwrap(), PushOutcome::Unregistered);
    assert_eq!(send("live").await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(send("live").await.unwrap(), PushOutcome::Sent);
    assert_eq!(push.attempts().len(), 4);
}

#[tokio::test]
async fn a_task_that_failed_is_delivered_again() {
    let clock = TestClock::at(T0);
    let queue = Queue::new(clock.clone());
    let task = task(job_id(1), &uid("ann"), 1);
    queue.enqueue(task.clone()).await.unwrap();
    assert_eq!(queue.take_due(T0), std::slice::from_ref(&task));
    queue.deliver_again(task.clone(), T0 + MINUTE);
    assert!(queue.exists(&task.name()).await.unwrap());
    assert_eq!(queue.take_due(T0), []);
    assert_eq!(queue.take_due(T0 + MINUTE), std::slice::from_ref(&task));
    clock.set(T0 + MINUTE + super::queue::TOMBSTONE);
    queue.enqueue(task.clone()).await.unwrap();
    assert_eq!(queue.waiting(), [task], "the name is free again");
}

#[tokio::test]
async fn purged_queue_forgets_tasks_and_names() {
    let queue = Queue::new(TestClock::at(T0));
    let task = task(job_id(1), &uid("ann"), 1);
    queue.enqueue(task.clone()).await.unwrap();
    queue.purge();
    assert!(!queue.exists(&task.name()).await.unwrap());
}

#[tokio::test]
async fn full_store_refuses_new_blobs_and_keeps_existing_ones() {
    let blobs = Blobs::new(TestClock::at(T0));
    let name = blob(&uid("ann"), job_id(1), 0);
    let mut writer = blobs.create(&name).await.unwrap();
    writer.write("sound".into()).await.unwrap();
    writer.finish().await.unwrap();
    blobs.set_full(true);
    assert_eq!(blobs.create(&name).await.err().map(|error| error.kind), Some(Kind::Full));
    assert_eq!(blobs.ready().await.unwrap_err().kind, Kind::Full);
    assert_eq!(blobs.bytes(&name).unwrap(), "sound");
    blobs.damage(&name, "noise");
    assert_eq!(blobs.bytes(&name).unwrap(), "noise");
}
