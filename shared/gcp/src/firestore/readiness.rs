//! Whether the database answers reads and commits.

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, Write, write};
use firestore::gcloud_sdk::tonic::Code;
use flow::Result;
use flow::ports::JobStore;
use tokio::time::Instant;

use super::FirestoreStore;
use super::client::Client;
use super::fault::{self, Fault};
use super::path::Path;
use super::port::NO_JOB;
use super::unit_of_work::Mode;

impl FirestoreStore {
    pub async fn can_read(&self) -> Result<()> {
        self.job(NO_JOB).await.map(drop)
    }

    /// Commits what must be refused, because a document that does not exist is demanded to exist. So nothing is written,
    /// and yet the database has to take the commit, judge the permission to write and to delete, and answer.
    pub async fn can_commit(&self) -> Result<()> {
        let mut run = self.run("store.can_commit", "", Mode::Look);
        let deadline = Instant::now() + self.client.settings.operation;
        loop {
            let unit = run.unit();
            let tried = refused_commit(&self.client, deadline).await;
            if let Some(answer) = run.conclude(unit, tried).await {
                return answer;
            }
        }
    }
}

async fn refused_commit(client: &Client, deadline: Instant) -> fault::Result<()> {
    let name = client.name(&Path::job(NO_JOB));
    let document = Document { name: name.clone(), ..Document::default() };
    let operations = [write::Operation::Update(document), write::Operation::Delete(name)];
    let if_it_exists = Precondition { condition_type: Some(ConditionType::Exists(true)) };
    let write =
        |operation| Write { operation: Some(operation), current_document: Some(if_it_exists), ..Write::default() };
    match client.commit(operations.into_iter().map(write).collect(), Vec::new(), deadline).await {
        Ok(_) => {
            Err(Fault::Unconfigured("the database has written in spite of a condition that was not met".to_owned()))
        }
        // A missing database has the same code.
        Err(Fault::Refused { code: Code::NotFound, message, .. }) if message.contains(" to update") => Ok(()),
        Err(Fault::Refused { code: Code::FailedPrecondition | Code::AlreadyExists, .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}
