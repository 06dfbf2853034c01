//! The job store in Firestore: everything that must be consistent is one transaction or one conditional
//! commit for each operation.

mod accept;
mod archive;
mod billed_documents;
mod cache;
mod client;
mod deletion;
mod devices;
mod fault;
mod feed;
pub mod indexes;
mod path;
mod placement_context;
mod port;
mod query;
mod readiness;
mod reading;
mod redirects;
mod schema;
mod session;
mod settings;
mod step;
mod table;
mod transaction_retries;
mod unit_of_work;
mod user_slots;
mod value;
mod worker_writes;
mod writes;

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use billed_documents::describe;
pub use settings::Settings;

use client::Client;
use feed::ChangeFeed;
use transaction_retries::Run;
use unit_of_work::Mode;

pub struct FirestoreStore {
    client: Arc<Client>,
    change_feed: ChangeFeed,
    /// The user after whom the next search for stuck users begins; `None` to begin with the first.
    looked_at: Mutex<Option<String>>,
}

impl FirestoreStore {
    /// Creates the store without connecting. The first operation connects, with a time limit.
    pub fn new(settings: Settings) -> Self {
        Self {
            client: Arc::new(Client::new(settings, indexes::SCHEMA)),
            change_feed: ChangeFeed::default(),
            looked_at: Mutex::default(),
        }
    }

    /// Runs every query that needs an index once: Firestore refuses queries whose index is missing.
    pub async fn indexes(&self) -> flow::Result<()> {
        for shape in indexes::SHAPES {
            let mut run = self.run("store.indexes", shape.name, Mode::Look);
            loop {
                let mut unit = run.unit();
                let asked = unit.query(shape.empty_query(), 1).await.map(drop);
                match run.conclude(unit, asked).await {
                    Some(Ok(())) => break,
                    Some(Err(error)) => return Err(error),
                    None => {}
                }
            }
        }
        Ok(())
    }

    fn looked_at(&self) -> MutexGuard<'_, Option<String>> {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, operation: &'static str, subject: impl Display, mode: Mode) -> Run<'_> {
        Run::new(&self.client, operation, subject, mode)
    }
}

#[cfg(test)]
mod tests;
