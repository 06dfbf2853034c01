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
mod port;
mod reading;
mod redirects;
mod run;
mod session;
mod settings;
mod shape;
mod spent;
mod step;
mod surroundings;
mod table;
mod turns;
mod unit;
mod value;
mod work;

use std::fmt::Display;
use std::sync::Arc;

pub use settings::Settings;
pub use spent::describe;

use client::Client;
use feed::News;
use run::Run;
use unit::Mode;

pub struct FirestoreStore {
    client: Arc<Client>,
    news: News,
}

impl FirestoreStore {
    /// Does not connect: that is done, and limited in time, by the first operation.
    pub fn new(settings: Settings) -> Self {
        Self { client: Arc::new(Client::new(settings)), news: News::default() }
    }

    fn run(&self, operation: &'static str, subject: impl Display, mode: Mode) -> Run<'_> {
        Run::new(&self.client, operation, subject, mode)
    }
}

#[cfg(test)]
mod tests;
