//! A stand-in for Google Cloud Storage: JSON REST and gRPC on one loopback port, faithful to Google's published
//! protocol, with faults that a test orders.
//!
//! Google's own testbench is not published as a package, so `make test` cannot fetch it (`docs/CLOUD.md` says how to run it).
//! Where it is running,
//! `STORAGE_EMULATOR_HOST` and `STORAGE_EMULATOR_GRPC_HOST` name it: then it answers, and this module only counts
//! requests and injects faults on the way (see `elsewhere`).

mod answer;
mod arriving;
mod bucket;
mod call;
mod elsewhere;
mod fault;
mod grpc;
mod media;
mod multipart;
mod relay;
mod rest;
mod resumable;
mod serve;
mod single_request;

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use bucket::Session;
pub use call::Op;
pub use fault::Fault;

use bucket::Buckets;
use elsewhere::Elsewhere;
use fault::Orders;

/// The running stand-in; dropping it stops the server and discards its objects.
pub struct CloudStorage {
    endpoint: String,
    bucket: String,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

/// The state that all requests share.
struct State {
    buckets: Buckets,
    /// The service that answers in place of the stand-in.
    elsewhere: Option<Elsewhere>,
    orders: Orders,
    seen: Mutex<Vec<Seen>>,
    /// The operations that were executed, and answered unless a fault prevented it.
    answered: watch::Sender<Vec<Op>>,
}

/// A request that arrived: its kind and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub op: Op,
    pub authorized: bool,
}

impl CloudStorage {
    /// Starts on a free port, with this one bucket. If the environment names another service, requests are forwarded to
    /// it, with a bucket of its own.
    pub async fn start(bucket: &str) -> Self {
        let Some(elsewhere) = Elsewhere::named() else { return Self::alone(bucket).await };
        #[expect(clippy::disallowed_methods, reason = "runs beside each other must not meet")]
        let bucket = format!("{bucket}-{}", uuid::Uuid::new_v4().simple());
        elsewhere.create_bucket(&bucket);
        Self::serve(bucket, Some(elsewhere)).await
    }

    /// Starts the stand-in itself, whatever the environment names.
    pub async fn alone(bucket: &str) -> Self {
        Self::serve(bucket.to_owned(), None).await
    }

    async fn serve(bucket: String, elsewhere: Option<Elsewhere>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = format!("http://{address}");
        if let Some(elsewhere) = &elsewhere {
            elsewhere.is_known_as(address);
        }
        let state = Arc::new(State {
            buckets: Buckets::new(&endpoint),
            elsewhere,
            orders: Orders::default(),
            seen: Mutex::default(),
            answered: watch::Sender::new(Vec::new()),
        });
        state.buckets.create_bucket(&bucket);
        let serving = tokio::spawn(serve::serve(listener, state.clone()));
        Self { endpoint, bucket, state, serving }
    }

    /// Whether another service answers.
    pub fn is_elsewhere(&self) -> bool {
        self.state.elsewhere.is_some()
    }

    /// The address for both JSON REST and gRPC.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Orders this fault for the next `times` requests of this kind. Several orders for one kind apply one after
    /// another.
    pub fn order(&self, op: Op, fault: Fault, times: usize) {
        self.state.orders.place(op, fault, times);
    }

    /// Orders faults of the other service itself, as Google's testbench supports them, one after another. Returns
    /// `false` if nothing here supports them.
    pub fn order_elsewhere(&self, transport: &str, method: &str, faults: &[&str]) -> bool {
        self.state.elsewhere.as_ref().is_some_and(|elsewhere| elsewhere.order(transport, method, faults))
    }

    /// Whether all of those faults have occurred.
    pub fn has_struck_elsewhere(&self) -> bool {
        self.state.elsewhere.as_ref().is_some_and(Elsewhere::has_struck)
    }

    /// The number of ordered faults that have not occurred yet.
    pub fn pending_faults(&self) -> usize {
        self.state.orders.pending()
    }

    /// Removes all ordered faults.
    pub fn heal(&self) {
        self.state.orders.clear();
    }

    /// Returns when this many requests of this kind have been answered.
    pub async fn until_answered(&self, op: Op, count: usize) {
        let mut answered = self.state.answered.subscribe();
        answered.wait_for(|all| all.iter().filter(|one| **one == op).count() >= count).await.unwrap();
    }

    /// Returns when a request has met [`Fault::Stall`].
    pub async fn until_stalled(&self) {
        self.state.orders.until_stalled().await;
    }

    /// The names of the objects, in order.
    pub fn names(&self) -> Vec<String> {
        match &self.state.elsewhere {
            Some(elsewhere) => elsewhere.names(&self.bucket),
            None => self.state.buckets.names(&self.bucket),
        }
    }

    pub fn bytes(&self, name: &str) -> Option<Bytes> {
        match &self.state.elsewhere {
            Some(elsewhere) => elsewhere.bytes(&self.bucket, name),
            None => self.state.buckets.bytes(&self.bucket, name),
        }
    }

    /// A value of an object's own metadata.
    pub fn metadata(&self, name: &str, key: &str) -> Option<String> {
        match &self.state.elsewhere {
            Some(elsewhere) => elsewhere.metadata(&self.bucket, name, key),
            None => self.state.buckets.object(&self.bucket, name)?.metadata.get(key).cloned(),
        }
    }

    /// Whether the writer of the object gave a checksum, so that other bytes would have been refused.
    pub fn is_checked(&self, name: &str) -> bool {
        match &self.state.elsewhere {
            // Google's testbench records in this way that it was given a checksum.
            Some(elsewhere) => elsewhere.metadata(&self.bucket, name, "x_emulator_crc32c").is_some(),
            None => self.state.buckets.object(&self.bucket, name).is_some_and(|object| object.is_checked),
        }
    }

    /// Puts an object there, as another program would.
    pub fn put(&self, name: &str, bytes: impl Into<Bytes>) {
        match &self.state.elsewhere {
            Some(elsewhere) => elsewhere.put(&self.bucket, name, bytes.into()),
            None => self.state.buckets.put(&self.bucket, name, bytes.into()),
        }
    }

    /// Sets soft delete, lifecycle and such, as JSON REST shows them. The stand-in only shows them.
    pub fn set_bucket_settings(&self, settings: serde_json::Value) {
        self.state.buckets.set_settings(settings);
    }

    /// Upload sessions that are neither finished nor cancelled.
    pub fn sessions(&self) -> Vec<Session> {
        match &self.state.elsewhere {
            Some(elsewhere) => elsewhere.sessions(),
            None => self.state.buckets.sessions(),
        }
    }

    /// From now on bytes are counted and summed, but not stored, so that the stand-in's memory is not measured with the
    /// adapter's.
    pub fn keep_no_bytes(&self) {
        self.state.buckets.keep_no_bytes();
    }

    /// Sets the creation time of objects written from now on. Another service has its own clock.
    pub fn set_time(&self, now: SystemTime) {
        self.state.buckets.set_time(now);
    }

    /// Every request since the start.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The number of requests of this kind.
    pub fn count(&self, op: Op) -> usize {
        self.seen().iter().filter(|seen| seen.op == op).count()
    }
}

impl Drop for CloudStorage {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[cfg(test)]
mod tests;
