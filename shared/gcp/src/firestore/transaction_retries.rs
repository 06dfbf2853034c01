//! Retries: within one deadline, an operation is repeated when another writer was first or when its
//! answer was lost.
//!
//! Every operation of the port recognises its own effect. So after a commit with unknown outcome the
//! operation is simply done again: it reads what was written.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use flow::{Error, Kind};
use tokio::time::Instant;

use super::client::Client;
use super::fault::{Fault, Result};
use super::unit_of_work::{Mode, Unit};
use flow::patience::TimedCall;

/// The most tries under contention. In each round, one writer succeeds, so 60 tries suffice for 50 writers.
const MAX_TRIES: u32 = 60;
/// The most tries after errors of the service: more would only add to its load.
const MAX_FAULTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The first pause after waiting for a lock. All that waited are released at the same moment, and each
/// needs the lock for longer.
const FIRST_PAUSE_OF_LOCKED: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait that is done here. A longer one is passed on to the caller, so that no request is
/// held open for it.
const MAX_WAIT: Duration = Duration::from_secs(2);

pub struct Run<'a> {
    client: &'a Arc<Client>,
    operation: &'static str,
    subject: String,
    mode: Mode,
    timed: TimedCall,
    deadline: Instant,
    tries: u32,
    faults: u32,
    /// Whether an earlier try may have taken effect.
    in_doubt: bool,
    /// Whether to look first: a document that was thought to be new may exist.
    reads_first: bool,
    /// Whether to use the cache: it has not misled this operation yet.
    uses_cache: bool,
    earlier_transaction: Vec<u8>,
}

impl<'a> Run<'a> {
    pub fn new(client: &'a Arc<Client>, operation: &'static str, subject: impl Display, mode: Mode) -> Self {
        let timed = TimedCall::begin(client.settings.operation);
        Self {
            client,
            operation,
            subject: subject.to_string(),
            mode,
            deadline: Instant::now() + timed.limit,
            timed,
            tries: 0,
            faults: 0,
            in_doubt: false,
            reads_first: false,
            uses_cache: true,
            earlier_transaction: Vec::new(),
        }
    }

    /// The unit of work for the next try.
    pub fn unit(&mut self) -> Unit<'a> {
        let mut unit =
            Unit::new(self.client, self.mode.clone(), std::mem::take(&mut self.earlier_transaction), self.deadline);
        (unit.reads_first, unit.uses_cache) = (self.reads_first, self.uses_cache);
        unit
    }

    /// Commits what a try decided. `None` means to try again; the pause before that has already passed.
    pub async fn conclude<T>(&mut self, unit: Unit<'a>, decided: Result<T>) -> Option<flow::Result<T>> {
        let concluded = self.commit(unit, decided).await;
        concluded.iter().for_each(|result| self.timed.ended(result));
        concluded
    }

    async fn commit<T>(&mut self, mut unit: Unit<'a>, decided: Result<T>) -> Option<flow::Result<T>> {
        if unit.relies_on_cache() && !matches!(decided, Err(Fault::NeedsTransaction)) {
            // No write demands that all cached documents are unchanged, so the commit would not notice a change:
            // the next try reads them.
            self.uses_cache = false;
            return None;
        }
        self.uses_cache = false;
        let fault = match decided {
            Ok(answer) if unit.writes_nothing() => {
                unit.release().await;
                return Some(Ok(answer));
            }
            Ok(answer) => match unit.commit().await {
                Ok(()) => return Some(Ok(answer)),
                Err(fault) => {
                    self.in_doubt |= fault.is_in_doubt();
                    unit.release().await;
                    fault
                }
            },
            Err(fault) => {
                unit.release().await;
                fault
            }
        };
        self.earlier_transaction = unit.take_earlier_transaction();
        self.after(fault).await.map(Err)
    }

    /// Pauses before the next try, or returns the final error.
    async fn after(&mut self, fault: Fault) -> Option<Error> {
        if matches!(fault, Fault::NeedsTransaction) && self.mode != Mode::Transaction {
            self.mode = Mode::Transaction;
            return None;
        }
        self.tries += 1;
        self.faults += u32::from(!fault.is_contention());
        self.reads_first |= fault.is_contention();
        let pause = self.pause(&fault);
        let is_sent_away = fault.retry_after().is_some_and(|wish| wish > MAX_WAIT);
        let is_over = is_sent_away
            || self.tries >= MAX_TRIES
            || self.faults >= MAX_FAULTS
            || Instant::now() + pause >= self.deadline;
        if !fault.may_pass() || is_over {
            return Some(self.error(fault));
        }
        tracing::debug!(operation = self.operation, tries = self.tries, %fault, "trying again");
        sleep(pause).await;
        None
    }

    /// A random pause that grows with each try, so that writers that met do not meet again.
    fn pause(&self, fault: &Fault) -> Duration {
        let first = if self.mode == Mode::Transaction { FIRST_PAUSE_OF_LOCKED } else { FIRST_PAUSE };
        let longest = first.saturating_mul(1 << self.tries.min(6)).min(MAX_PAUSE);
        let by_chance = longest.mul_f64(0.1 + 0.9 * by_chance());
        fault.retry_after().map_or(by_chance, |asked| asked + by_chance)
    }

    fn error(&self, fault: Fault) -> Error {
        let kind = if self.in_doubt { Kind::Unknown } else { fault.kind() };
        let wait = fault.retry_after();
        let error = Error::new(kind, self.operation, &self.subject).because(fault.into_source(&self.client.service));
        // This operation was tried as long as it may be.
        let error = error.after_retries();
        match wait {
            Some(wait) => error.after(wait),
            None => error,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this adapter's own pauses, in real time whatever a test's clock says")]
async fn sleep(pause: Duration) {
    tokio::time::sleep(pause).await;
}

/// A random number in `0.0..1.0`. The system's randomness does not fail in practice; if it did, the
/// pauses would only be equal.
pub fn by_chance() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.5,
    }
}
