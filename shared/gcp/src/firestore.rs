//! The job store in Firestore: everything that must agree, in one transaction or one conditional commit for each
//! operation.

mod accept;
mod archive;
mod client;
mod deletion;
mod devices;
mod fault;
mod feed;
pub mod indexes;
mod memory;
mod path;
mod placement_context;
mod port;
mod reading;
mod redirects;
mod run;
mod schema;
mod session;
mod settings;
mod shape;
mod spent;
mod step;
mod table;
mod unit;
mod user_slots;
mod value;
mod work;

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use settings::Settings;
pub use spent::describe;

use client::Client;
use feed::News;
use run::Run;
use unit::Mode;

pub struct FirestoreStore {
    client: Arc<Client>,
    news: News,
    /// Behind whom the next look for stuck users begins; `None`: everybody was looked at, or nobody yet.
    looked_at: Mutex<Option<String>>,
}

impl FirestoreStore {
    /// Does not connect: that is done, and limited in time, by the first operation.
    pub fn new(settings: Settings) -> Self {
        Self {
            client: Arc::new(Client::new(settings, indexes::SCHEMA)),
            news: News::default(),
            looked_at: Mutex::default(),
        }
    }

    /// Asks every question that needs an index once: Firestore refuses those whose index is missing.
    pub async fn indexes(&self) -> flow::Result<()> {
        for shape in indexes::SHAPES {
            let mut run = self.run("store.indexes", shape.name, Mode::Look);
            loop {
                let mut unit = run.unit();
                let asked = unit.query(shape.ask_in_vain(), 1).await.map(drop);
                match run.settle(unit, asked).await {
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
