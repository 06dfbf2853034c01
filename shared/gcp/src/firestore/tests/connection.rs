//! Faults of the connection: nothing waits for a dead one, and a commit that may have taken effect is
//! never taken for undone.

use std::sync::Arc;
use std::time::Duration;

use domain::Command;
use emulators::wire::Wire;
use emulators::{listen, soon};
use flow::ports::{JobStore, Stepped};
use testkit::Harness;
use testkit::build::{nonce, phone, uid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::store_or_skip;
use crate::firestore::path::Path;
use crate::firestore::unit_of_work::{Mode, Unit};
use crate::firestore::{FirestoreStore, Settings};

/// The length of an HTTP/2 frame header: three bytes of length, type, flags, four of the stream.
const FRAME: usize = 9;
const PREFACE: usize = 24;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;

/// Answers every request of its one client by resetting its stream, with this reason.
async fn resets(listener: TcpListener, reason: u32) -> std::io::Result<()> {
    reset_streams(listener.accept().await?.0, reason).await
}

async fn reset_streams(mut stream: TcpStream, reason: u32) -> std::io::Result<()> {
    stream.read_exact(&mut [0; PREFACE]).await?;
    stream.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await?;
    loop {
        let mut head = [0; FRAME];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        match head[3] {
            HEADERS => {
                let reset = [&[0, 0, 4, RESET, 0][..], &head[5..], &reason.to_be_bytes()].concat();
                stream.write_all(&reset).await?;
            }
            SETTINGS if head[4] == 0 => stream.write_all(&[0, 0, 0, SETTINGS, 1, 0, 0, 0, 0]).await?,
            _ => {}
        }
    }
}

/// Both look like refusals by the service: "too many requests", "not permitted".
const ENHANCE_YOUR_CALM: u32 = 0xb;
const INADEQUATE_SECURITY: u32 = 0xc;

#[tokio::test]
async fn commit_on_reset_stream_is_in_doubt_whatever_the_reason() {
    for reason in [ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, 0x1, 0x2, 0x7, 0x8, 0xd] {
        let (listener, address) = listen().await;
        let serving = tokio::spawn(resets(listener, reason));
        let store = FirestoreStore::new(Settings {
            endpoint: Some(format!("http://{address}")),
            ..Settings::new("demo-reset")
        });
        let deadline = Instant::now() + Duration::from_secs(5);
        let fault = store.client.commit(Vec::new(), Vec::new(), deadline).await.unwrap_err();
        assert!(fault.is_in_doubt(), "{reason:#x}: {fault}");
        serving.abort();
    }
}

#[tokio::test]
async fn dead_connection_is_replaced_within_one_operation() {
    let settings = match super::settings() {
        Ok(settings) => settings,
        Err(why) => testkit::skip!(why),
    };
    let wire = Wire::to(settings.endpoint.as_deref().unwrap()).await;
    let harness = Harness::new(Arc::new(FirestoreStore::new(settings.clone())));
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    // As long as an emulator on a busy machine needs, and no longer than a test can wait.
    let request = Duration::from_secs(4);
    let store = FirestoreStore::new(Settings { endpoint: Some(wire.endpoint().to_owned()), request, ..settings });
    for n in 1..3 {
        assert!(store.job(job.id).await.unwrap().is_some());
        wire.fall_silent();
        let claim = Command::Claim { owner: nonce(n) };
        let claimed = soon("an answer", store.step(job.id, &claim, harness.at())).await.unwrap();
        assert!(matches!(claimed, Stepped::Done { .. }), "{claimed:?}");
        assert_eq!(harness.job(job.id).await.lease.fence, n);
        harness.pass(harness.rules.takeover_after());
    }
}

#[tokio::test]
async fn permanently_failed_credentials_are_looked_up_again() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    store.client.fault_script.spoil_credentials();
    assert_eq!(store.job(job.id).await.unwrap(), Some(job.clone()));
    store.client.fault_script.spoil_credentials();
    harness.claim(job.id).await;
}

#[tokio::test]
async fn transaction_locks_are_released_even_after_deadline() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    let begin = async || {
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut unit = Unit::new(&store.client, Mode::Transaction, Vec::new(), deadline);
        unit.one(&Path::job(job.id)).await.unwrap();
        // As if it had waited for another writer's lock until then.
        tokio::time::timeout_at(deadline, std::future::pending::<()>()).await.unwrap_err();
        unit
    };
    for is_dropped in [true, false] {
        let mut unit = begin().await;
        if !is_dropped {
            unit.release().await;
        }
        drop(unit);
        let claimed = tokio::time::timeout(Duration::from_secs(10), harness.claim(job.id)).await;
        assert!(claimed.is_ok(), "the job is held, dropped: {is_dropped}");
        harness.pass(harness.rules.takeover_after());
    }
}

#[tokio::test]
async fn expired_transaction_is_repeated() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    let mut run = store.run("store.test", job.id, Mode::Transaction);
    for is_frozen in [true, false] {
        let mut unit = run.unit();
        assert!(unit.one(&Path::job(job.id)).await.unwrap().is_some());
        if is_frozen {
            // Firestore has released the transaction by the time the process runs again.
            store.client.rollback(unit.begun()).await.unwrap();
        }
        unit.delete(&Path::job(job.id));
        let settled = run.conclude(unit, Ok(())).await;
        assert_eq!(settled.is_none(), is_frozen, "{settled:?}");
        assert_eq!(store.job(job.id).await.unwrap().is_some(), is_frozen);
    }
}
