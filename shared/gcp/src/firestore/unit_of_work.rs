//! A unit of work: documents are read, changed and written back atomically.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use firestore::gcloud_sdk::google::firestore::v1::batch_get_documents_request::ConsistencySelector as GetAt;
use firestore::gcloud_sdk::google::firestore::v1::batch_get_documents_response::Result as Got;
use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::run_aggregation_query_request::ConsistencySelector as CountAt;
use firestore::gcloud_sdk::google::firestore::v1::run_query_request::ConsistencySelector as QueryAt;
use firestore::gcloud_sdk::google::firestore::v1::transaction_options::{Mode as Options, ReadOnly, ReadWrite};
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{
    Document, Precondition, TransactionOptions, Value, Write, WriteResult, write,
};
use firestore::gcloud_sdk::prost_types::Timestamp as UpdateTime;
use tokio::time::Instant;

use super::client::Client;
use super::fault::{Fault, Result};
use super::path::Path;
use super::query::{COUNT, Query};
use super::value::{Fields, reference};

/// The most documents that one request reads.
const MAX_GET: usize = 500;

/// For so long after a job's creation only its creator changes it: everybody else waits until it is due or has a task.
const RECENT: Duration = Duration::from_secs(5);

/// How the reads and writes of a unit are tied together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each read stands alone; nothing is written.
    Look,
    /// All reads see the state of one moment; nothing is written.
    Snapshot,
    /// A written document must be unchanged since it was read. This is enough, and fastest, where
    /// everything that matters is written too, or cannot change without something that is written. It takes
    /// no locks, so nobody waits.
    Optimistic,
    /// Everything that was read, including the results of queries, must be unchanged.
    Transaction,
}

pub struct Unit<'a> {
    client: &'a Arc<Client>,
    deadline: Instant,
    mode: Mode,
    /// The transaction's id; the first read begins the transaction.
    transaction: Option<Vec<u8>>,
    /// The id of an earlier try, which gives this one precedence.
    earlier_transaction: Vec<u8>,
    /// When each document was last changed; `None` if it did not exist.
    seen: HashMap<Path, Option<UpdateTime>>,
    writes: Vec<Write>,
    /// Whether cached documents may be used, if the commit demands that they are unchanged.
    pub uses_cache: bool,
    /// Cached documents that were used and are not yet guarded by a precondition of a write.
    from_cache: HashSet<Path>,
    /// Whether lines are read before they are written, because a new line turned out to exist.
    pub reads_first: bool,
}

impl<'a> Unit<'a> {
    pub fn new(client: &'a Arc<Client>, mode: Mode, earlier_transaction: Vec<u8>, deadline: Instant) -> Self {
        Self {
            client,
            deadline,
            mode,
            transaction: None,
            earlier_transaction,
            seen: HashMap::new(),
            writes: Vec::new(),
            uses_cache: false,
            from_cache: HashSet::new(),
            reads_first: false,
        }
    }

    pub fn is_transaction(&self) -> bool {
        self.mode == Mode::Transaction
    }

    /// Whether there is time for reads that could be made later as well.
    pub fn has_time(&self) -> bool {
        self.deadline.saturating_duration_since(Instant::now()) > self.client.settings.spare
    }

    pub async fn one(&mut self, path: &Path) -> Result<Option<Document>> {
        Ok(self.get(std::slice::from_ref(path)).await?.pop().flatten())
    }

    /// Reads documents and returns them in the given order.
    pub async fn get(&mut self, paths: &[Path]) -> Result<Vec<Option<Document>>> {
        let mut found = HashMap::new();
        let mut names = Vec::with_capacity(paths.len());
        for path in paths {
            match self.cached(path) {
                Some(document) => _ = found.insert(document.name.clone(), document),
                None => names.push(self.client.name(path)),
            }
        }
        names.sort_unstable();
        names.dedup();
        for names in names.chunks(MAX_GET) {
            let at = self.consistency().map(|at| match at {
                At::Begun(transaction) => GetAt::Transaction(transaction),
                At::New(options) => GetAt::NewTransaction(options),
            });
            for answer in self.client.get(names.to_vec(), at, self.deadline).await? {
                self.has_begun(answer.transaction);
                if let Some(Got::Found(document)) = answer.result {
                    self.client.cache.insert(&Path::of(&document), &document);
                    found.insert(document.name.clone(), document);
                }
            }
        }
        let mut documents = Vec::with_capacity(paths.len());
        for path in paths {
            let document = found.get(&self.client.name(path)).cloned();
            self.seen.insert(path.clone(), document.as_ref().and_then(|document| document.update_time));
            documents.push(document);
        }
        Ok(documents)
    }

    fn cached(&mut self, path: &Path) -> Option<Document> {
        if !self.uses_cache || self.mode != Mode::Optimistic {
            return None;
        }
        let document = self.client.cache.get(path)?;
        self.from_cache.insert(path.clone());
        Some(document)
    }

    /// Whether a document was found at this path, readable or not.
    pub fn exists(&self, path: &Path) -> bool {
        matches!(self.seen.get(path), Some(Some(_)))
    }

    /// Whether a cached document was used that no write demands unchanged.
    pub fn relies_on_cache(&self) -> bool {
        !self.from_cache.is_empty()
    }

    /// Relies on the cached document without a write that demands it unchanged, if it was written a moment ago. Clocks that
    /// differ only cost a read.
    pub fn rely_on_recent(&mut self, path: &Path, now: Timestamp) {
        let written = self.seen.get(path).and_then(|at| at.map(|at| Timestamp::from_secs(at.seconds)));
        if written.is_some_and(|at| at.until(now) < RECENT && now.until(at) < RECENT) {
            self.from_cache.remove(path);
        }
    }

    /// The first `limit` results of a query.
    pub async fn query(&mut self, query: Query, limit: usize) -> Result<Vec<Document>> {
        debug_assert!(
            (self.client.schema.may_query)(&query.shape),
            "{} is not in the list of queries",
            query.shape.name
        );
        let at = self.consistency().map(|at| match at {
            At::Begun(transaction) => QueryAt::Transaction(transaction),
            At::New(options) => QueryAt::NewTransaction(options),
        });
        let under = query.under.clone();
        let mut documents = Vec::new();
        for answer in self.client.query(&under, query.first(limit), at, self.deadline).await? {
            self.has_begun(answer.transaction);
            documents.extend(answer.document);
        }
        for document in &documents {
            // A document that was read before is written as it was then: its precondition stays.
            self.seen.entry(Path::of(document)).or_insert(document.update_time);
        }
        Ok(documents)
    }

    pub async fn count(&mut self, query: Query, limit: Option<usize>) -> Result<u64> {
        debug_assert!(
            (self.client.schema.may_query)(&query.shape),
            "{} is not in the list of queries",
            query.shape.name
        );
        let at = self.consistency().map(|at| match at {
            At::Begun(transaction) => CountAt::Transaction(transaction),
            At::New(options) => CountAt::NewTransaction(options),
        });
        let under = query.under.clone();
        let mut counted = None;
        for answer in self.client.aggregate(&under, query.count(limit), at, self.deadline).await? {
            self.has_begun(answer.transaction);
            let value = answer.result.and_then(|mut result| result.aggregate_fields.remove(COUNT));
            if let Some(ValueType::IntegerValue(number)) = value.and_then(|value| value.value_type) {
                counted = u64::try_from(number).ok();
            }
        }
        counted.ok_or_else(|| Fault::Unreachable("the count has no number".to_owned()))
    }

    /// A document's name as a value, to compare with or to start after.
    pub fn place(&self, path: &Path) -> Value {
        reference(self.client.name(path))
    }

    /// Writes the whole document.
    pub fn put(&mut self, path: &Path, fields: Fields) {
        debug_assert!(
            fields.0.keys().all(|field| (self.client.schema.may_write)(path.collection(), field)),
            "a field of {} is not in the list: it would be indexed",
            path.collection()
        );
        let name = self.client.name(path);
        let document = Document { name, fields: fields.0, create_time: None, update_time: None };
        self.write(path, write::Operation::Update(document));
    }

    /// Writes a document that must not exist yet.
    pub fn create(&mut self, path: &Path, fields: Fields) {
        self.seen.insert(path.clone(), None);
        self.put(path, fields);
    }

    pub fn delete(&mut self, path: &Path) {
        self.write(path, write::Operation::Delete(self.client.name(path)));
    }

    fn write(&mut self, path: &Path, operation: write::Operation) {
        debug_assert!(matches!(self.mode, Mode::Optimistic | Mode::Transaction), "{path:?} is only looked at");
        let condition = match self.seen.get(path) {
            // Deleting a document that does not exist does no harm.
            Some(None) if matches!(operation, write::Operation::Delete(_)) => None,
            // Without this condition, a create in a transaction would overwrite an existing document.
            Some(None) => Some(ConditionType::Exists(false)),
            Some(Some(at)) if self.mode == Mode::Optimistic => {
                self.from_cache.remove(path);
                Some(ConditionType::UpdateTime(*at))
            }
            _ => None,
        };
        let current_document = condition.map(|condition| Precondition { condition_type: Some(condition) });
        self.writes.push(Write { current_document, operation: Some(operation), ..Write::default() });
    }

    /// Whether all of these documents are written.
    pub fn changes(&self, paths: &[Path]) -> bool {
        let is_written = |path: &Path| {
            let name = self.client.name(path);
            self.writes
                .iter()
                .any(|write| matches!(&write.operation, Some(write::Operation::Update(it)) if it.name == name))
        };
        paths.iter().all(is_written)
    }

    #[cfg(test)]
    pub fn begun(&self) -> Vec<u8> {
        self.transaction.clone().unwrap_or_default()
    }

    pub fn writes_nothing(&self) -> bool {
        self.writes.is_empty()
    }

    pub async fn commit(&mut self) -> Result<()> {
        debug_assert!(!self.relies_on_cache(), "{:?} is neither read nor demanded", self.from_cache);
        let transaction = self.transaction.take().unwrap_or_default();
        self.earlier_transaction.clone_from(&transaction);
        let writes = std::mem::take(&mut self.writes);
        let written = self.client.commit(writes.clone(), transaction.clone(), self.deadline).await;
        self.update_cache(writes, written.as_deref().unwrap_or_default());
        let written = written.map(drop).map_err(Fault::of_commit);
        if written.as_ref().is_err_and(|fault| !fault.is_contention()) && !transaction.is_empty() {
            // The commit may never have arrived: its locks would block others for a minute, so it is rolled back.
            self.transaction = Some(transaction);
        }
        written
    }

    /// Stores the written documents in the cache. A document whose write has no result is dropped from it.
    fn update_cache(&self, writes: Vec<Write>, results: &[WriteResult]) {
        let mut results = results.iter();
        for write in writes {
            let update_time = results.next().and_then(|result| result.update_time);
            match write.operation {
                Some(write::Operation::Update(document)) => {
                    let document = Document { update_time, ..document };
                    self.client.cache.insert(&Path::of(&document), &document);
                }
                Some(write::Operation::Delete(name)) => self.client.cache.forget(&Path::named(&name)),
                _ => {}
            }
        }
    }

    /// Releases the locks of a transaction. A failure is ignored: Firestore releases them too, only later.
    pub async fn release(&mut self) {
        // After the deadline nobody waits for this: the locks are then released in the background when the
        // unit is dropped.
        if let Some(transaction) = self.transaction.take_if(|_| Instant::now() < self.deadline) {
            self.earlier_transaction.clone_from(&transaction);
            if self.is_transaction() {
                let rollback = self.client.rollback(transaction.clone());
                if tokio::time::timeout_at(self.deadline, rollback).await.is_err() {
                    // It goes on in the background.
                    self.transaction = Some(transaction);
                }
            }
        }
    }

    /// The transaction's id, by which the next try shows that it is the same transaction.
    pub fn take_earlier_transaction(&mut self) -> Vec<u8> {
        if self.is_transaction() { std::mem::take(&mut self.earlier_transaction) } else { Vec::new() }
    }

    fn consistency(&self) -> Option<At> {
        let mode = match self.mode {
            Mode::Look | Mode::Optimistic => return None,
            Mode::Snapshot => Options::ReadOnly(ReadOnly::default()),
            Mode::Transaction => Options::ReadWrite(ReadWrite {
                retry_transaction: self.earlier_transaction.clone(),
                ..ReadWrite::default()
            }),
        };
        Some(match &self.transaction {
            Some(transaction) => At::Begun(transaction.clone()),
            None => At::New(TransactionOptions { mode: Some(mode) }),
        })
    }

    fn has_begun(&mut self, transaction: Vec<u8>) {
        if !transaction.is_empty() {
            self.transaction = Some(transaction);
        }
    }
}

impl Drop for Unit<'_> {
    /// The caller has gone: rolls back, so that the transaction's locks do not block others until it
    /// expires.
    fn drop(&mut self) {
        let open = self.transaction.take().filter(|_| self.mode == Mode::Transaction);
        if let (Some(transaction), Ok(runtime)) = (open, tokio::runtime::Handle::try_current()) {
            let client = Arc::clone(self.client);
            runtime.spawn(async move { client.rollback(transaction).await });
        }
    }
}

enum At {
    Begun(Vec<u8>),
    New(TransactionOptions),
}
