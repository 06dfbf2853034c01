//! Ports that fail on purpose: the answer is lost after the work is done, or the call fails before it.

mod blobs;
mod plan;
mod push;
mod queue;
mod store;

use std::marker::PhantomData;
use std::sync::Arc;

use flow::{Error, Kind, Result};

pub use plan::Plan;

/// Does what is asked, and then answers `Unknown`: a caller must repeat, and the port must recognise its own effect.
/// Reads are answered normally.
pub type LosesAnswers<P> = Faulty<P, AnswerLost>;

/// Fails with `Unavailable` without having done anything, reads included.
pub type FailsBefore<P> = Faulty<P, NotReached>;

pub struct Faulty<P: ?Sized, F> {
    inner: Arc<P>,
    plan: Arc<Plan>,
    fault: PhantomData<fn() -> F>,
}

/// Answers `Unknown` without having done anything: the caller cannot tell this from a lost answer.
pub type LosesRequests<P> = Faulty<P, RequestLost>;

pub trait Fault: 'static {
    /// Whether the call fails before anything is done.
    const BEFORE: bool;
    const KIND: Kind;
}

pub enum AnswerLost {}

impl Fault for AnswerLost {
    const BEFORE: bool = false;
    const KIND: Kind = Kind::Unknown;
}

pub enum RequestLost {}

impl Fault for RequestLost {
    const BEFORE: bool = true;
    const KIND: Kind = Kind::Unknown;
}

pub enum NotReached {}

impl Fault for NotReached {
    const BEFORE: bool = true;
    const KIND: Kind = Kind::Unavailable;
}

impl<P: ?Sized, F: Fault> Faulty<P, F> {
    /// The first call of each operation fails.
    pub fn first_of_each(inner: Arc<P>) -> Self {
        Self::planned(inner, Plan::first_of_each())
    }

    pub fn planned(inner: Arc<P>, plan: Plan) -> Self {
        Self { inner, plan: Arc::new(plan), fault: PhantomData }
    }

    /// The plan that decides which calls fail; a test may change it while it runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    async fn writing<T>(&self, operation: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        around::<F, T>(&self.plan, operation, call).await
    }

    async fn reading<T>(&self, operation: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        if F::BEFORE {
            return around::<F, T>(&self.plan, operation, call).await;
        }
        self.plan.pass_time().await;
        call.await
    }
}

async fn around<F: Fault, T>(plan: &Plan, operation: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    plan.pass_time().await;
    if !plan.should_fail(operation) {
        let done = call.await;
        plan.pass_time().await;
        return done;
    }
    if F::BEFORE {
        return Err(Error::new(F::KIND, operation, "planned by the test"));
    }
    // The result is dropped, so that nobody learns it.
    let _ = call.await;
    Err(Error::new(F::KIND, operation, "its answer was lost by the test"))
}

#[cfg(test)]
mod tests;
