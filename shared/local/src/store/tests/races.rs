//! Concurrent calls: the first one wins, and all get the same answer.

use std::sync::Arc;

use testkit::build::{phone, uid};
use testkit::races::{one_of_many_claims_wins, one_of_many_equal_batches_becomes_a_job};

use super::{fresh, harness};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_fifty_concurrent_claims_wins() {
    let (store, _folder) = fresh();
    let harness = Arc::new(harness(&store));
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    one_of_many_claims_wins(harness, job.id, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_fifty_equal_concurrent_batches_becomes_a_job() {
    let (store, _folder) = fresh();
    one_of_many_equal_batches_becomes_a_job(Arc::new(harness(&store)), 50).await;
}
