//! Faults on the way: answers that are lost, commits that are refused, a service that is not there.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use domain::Command;
use firestore::gcloud_sdk::tonic::{Code, Status};
use flow::Kind;
use flow::ports::{At, Created, JobStore, MaintenanceStore, Stepped};
use testkit::Harness;
use testkit::build::{batch, nonce, phone, uid};
use tokio::sync::Barrier;

use super::store_or_skip;
use crate::firestore::fault::Result;
use crate::firestore::{FirestoreStore, Settings};

/// Commits that fail: how many, and how.
pub struct FaultScript {
    requests: AtomicUsize,
    commits: AtomicUsize,
    gathering: Mutex<(usize, Arc<Barrier>)>,
    before: Mutex<(u32, Option<Code>)>,
    after: Mutex<(u32, Option<Code>)>,
    /// Whether the credentials of the present connection fail permanently.
    credentials: Mutex<Arc<AtomicBool>>,
}

impl Default for FaultScript {
    fn default() -> Self {
        Self {
            requests: AtomicUsize::default(),
            commits: AtomicUsize::default(),
            gathering: Mutex::new((0, Arc::new(Barrier::new(1)))),
            before: Mutex::default(),
            after: Mutex::default(),
            credentials: Mutex::default(),
        }
    }
}

impl FaultScript {
    fn refuse(&self, times: u32, code: Code) {
        *self.before.lock().unwrap() = (times, Some(code));
    }

    fn lose(&self, times: u32, code: Code) {
        *self.after.lock().unwrap() = (times, Some(code));
    }

    /// Makes the present credentials fail permanently; those that are looked up afterwards work.
    pub fn spoil_credentials(&self) {
        self.credentials.lock().unwrap().store(true, Ordering::SeqCst);
    }

    pub fn new_credentials(&self) -> Arc<AtomicBool> {
        let spoiled = Arc::default();
        *self.credentials.lock().unwrap() = Arc::clone(&spoiled);
        spoiled
    }

    /// Makes the next `commits` commits wait for each other: none is made before all have read.
    pub fn gather(&self, commits: usize) {
        *self.gathering.lock().unwrap() = (commits, Arc::new(Barrier::new(commits)));
    }

    /// How many requests of any kind were sent.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn note_request(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
    }

    /// How many commits were tried.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    pub async fn before(&self) -> Result<()> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let gathering = {
            let mut gathering = self.gathering.lock().unwrap();
            let is_one = gathering.0 > 0;
            gathering.0 = gathering.0.saturating_sub(1);
            is_one.then(|| Arc::clone(&gathering.1))
        };
        if let Some(others) = gathering {
            emulators::soon("the other commits", others.wait()).await;
        }
        strike(&self.before)
    }

    pub fn after(&self) -> Result<()> {
        strike(&self.after)
    }
}

fn strike(plan: &Mutex<(u32, Option<Code>)>) -> Result<()> {
    let mut plan = plan.lock().unwrap();
    match *plan {
        (left @ 1.., Some(code)) => {
            plan.0 = left - 1;
            Err(Status::new(code, "as the test wants it").into())
        }
        _ => Ok(()),
    }
}

#[tokio::test]
async fn commit_with_lost_answer_is_read_back() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Internal] {
        let batch = batch(&uid(&format!("{code:?}")), &[phone(0)]);
        store.client.fault_script.lose(1, code);
        let created = store.create_job(&batch, harness.at()).await.unwrap();
        assert!(matches!(created, Created::New { deduplicated: false, .. }), "{code:?}: {created:?}");
        store.client.fault_script.lose(1, code);
        let claimed = store.step(batch.job_id, &Command::Claim { owner: nonce(1) }, harness.at()).await.unwrap();
        assert!(matches!(claimed, Stepped::Done { .. }), "{code:?}: {claimed:?}");
        assert_eq!(harness.job(batch.job_id).await.lease.fence, 1, "claimed once");
    }
}

#[tokio::test]
async fn unknown_outcome_is_reported_and_resolved_by_repeating() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let renew = Command::Renew { fence: job.lease.fence };
    harness.pass(Duration::from_secs(1));
    store.client.fault_script.refuse(3, Code::Unavailable);
    let error = store.step(job.id, &renew, harness.at()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unknown, "{error}");
    assert!(error.may_pass());
    assert!(matches!(store.step(job.id, &renew, harness.at()).await.unwrap(), Stepped::Done { .. }));
}

#[tokio::test]
async fn contention_is_retried_and_refusal_is_returned() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    for code in [Code::Aborted, Code::FailedPrecondition] {
        store.client.fault_script.refuse(5, code);
        harness.done(job.id, Command::Claim { owner: nonce(1) }).await;
        harness.pass(harness.rules.takeover_after());
    }
    let claim = Command::Claim { owner: nonce(2) };
    for (code, kind) in [
        (Code::PermissionDenied, Kind::Misconfigured),
        (Code::ResourceExhausted, Kind::Throttled),
        (Code::InvalidArgument, Kind::Invalid),
    ] {
        store.client.fault_script.refuse(9, code);
        let error = store.step(job.id, &claim, harness.at()).await.unwrap_err();
        assert_eq!((error.kind, error.operation), (kind, "store.step"), "{error}");
        assert_eq!(error.retry_after.is_some(), kind == Kind::Throttled);
    }
    store.client.fault_script.refuse(0, Code::Ok);
    harness.done(job.id, claim).await;
}

/// A store with time limits that a test can wait for.
fn impatient(endpoint: String) -> FirestoreStore {
    FirestoreStore::new(Settings {
        endpoint: Some(endpoint),
        connect: Duration::from_millis(200),
        operation: Duration::from_secs(2),
        ..Settings::new("demo-nowhere")
    })
}

#[tokio::test]
async fn unreachable_service_does_not_stop_start_and_every_wait_ends() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), closed] {
        let store = Arc::new(impatient(format!("http://{address}")));
        let rules = domain::Rules::default();
        let at = At { now: testkit::build::T0, rules: &rules };
        let policy = Duration::from_secs(10);
        let asked = async {
            let read = store.ready().await.unwrap_err();
            let written = store.create_job(&batch(&uid("ann"), &[phone(0)]), at).await.unwrap_err();
            (read.kind, written.kind)
        };
        let kinds = tokio::time::timeout(policy, asked).await.unwrap();
        assert_eq!(kinds, (Kind::Unavailable, Kind::Unavailable), "nothing was sent: nothing is in doubt");
    }
}
