//! The price of a call to Firestore: <https://cloud.google.com/firestore/pricing>, for the Standard edition.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gcloud_sdk::google::firestore::v1 as pb;
use gcloud_sdk::google::firestore::v1::batch_get_documents_response::Result as Got;
use gcloud_sdk::google::firestore::v1::run_aggregation_query_request::QueryType as CountOf;
use gcloud_sdk::google::firestore::v1::run_query_request::QueryType;
use gcloud_sdk::google::firestore::v1::structured_aggregation_query::QueryType as Counted;
use gcloud_sdk::google::firestore::v1::value::ValueType;
use gcloud_sdk::google::firestore::v1::write::Operation;
use http::HeaderMap;
use prost::{DecodeError, Message};

use super::bill::{Book, Counts};

/// An aggregation reads this many index entries for the price of one document.
const ENTRIES: u64 = 1_000;
const NOT_FOUND: &str = "5";

/// A call in progress.
pub struct Call {
    method: String,
    number: u64,
    book: Arc<Book>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The collection that is queried.
    collection: String,
    /// The writes that are counted if the answer confirms them.
    writes: Vec<(String, Counts)>,
    found: u64,
    ended: bool,
}

impl Call {
    pub fn new(path: &str, book: Arc<Book>) -> Self {
        let method = path.rsplit('/').next().unwrap_or_default().to_owned();
        if !matches!(
            method.as_str(),
            "BatchGetDocuments"
                | "GetDocument"
                | "RunQuery"
                | "RunAggregationQuery"
                | "Commit"
                | "BatchWrite"
                | "BeginTransaction"
                | "Rollback"
        ) {
            book.not_understood(format!("the meter does not know {path}"));
        }
        Self { method, number: book.number(), book, state: Mutex::default() }
    }

    pub fn asked(&self, message: Result<Bytes, &'static str>) {
        self.read(message, |call, state, bytes| call.remember(state, bytes));
    }

    pub fn answered(&self, message: Result<Bytes, &'static str>) {
        self.read(message, |call, state, bytes| call.count(state, bytes));
    }

    fn read(
        &self,
        message: Result<Bytes, &'static str>,
        what: impl FnOnce(&Self, &mut State, Bytes) -> Result<(), DecodeError>,
    ) {
        let done = message
            .map_err(str::to_owned)
            .and_then(|bytes| what(self, &mut self.state.lock().unwrap(), bytes).map_err(|error| error.to_string()));
        if let Err(why) = done {
            self.book.not_understood(format!("{}: {why}", self.method));
        }
    }

    fn remember(&self, state: &mut State, bytes: Bytes) -> Result<(), DecodeError> {
        match self.method.as_str() {
            "GetDocument" => state.collection = collection(&pb::GetDocumentRequest::decode(bytes)?.name),
            "RunQuery" => {
                if let Some(QueryType::StructuredQuery(query)) = pb::RunQueryRequest::decode(bytes)?.query_type {
                    state.collection = from(&query);
                }
            }
            "RunAggregationQuery" => {
                let asked = pb::RunAggregationQueryRequest::decode(bytes)?.query_type;
                if let Some(CountOf::StructuredAggregationQuery(query)) = asked
                    && let Some(Counted::StructuredQuery(query)) = query.query_type
                {
                    state.collection = from(&query);
                }
            }
            "Commit" => state.writes = pb::CommitRequest::decode(bytes)?.writes.iter().map(price).collect(),
            "BatchWrite" => state.writes = pb::BatchWriteRequest::decode(bytes)?.writes.iter().map(price).collect(),
            _ => {}
        }
        Ok(())
    }

    fn count(&self, state: &mut State, bytes: Bytes) -> Result<(), DecodeError> {
        match self.method.as_str() {
            "GetDocument" => self.reads(&state.collection, 1),
            "BatchGetDocuments" => match pb::BatchGetDocumentsResponse::decode(bytes)?.result {
                Some(Got::Found(document)) => self.reads(&collection(&document.name), 1),
                Some(Got::Missing(name)) => self.reads(&collection(&name), 1),
                None => {}
            },
            "RunQuery" => {
                let answer = pb::RunQueryResponse::decode(bytes)?;
                // Results that are skipped by an offset are read, and billed, all the same.
                let skipped = u64::try_from(answer.skipped_results).unwrap_or_default();
                let found = u64::from(answer.document.is_some()) + skipped;
                state.found += found;
                self.reads(&state.collection, found);
            }
            "RunAggregationQuery" => {
                if let Some(result) = pb::RunAggregationQueryResponse::decode(bytes)?.result {
                    let number = |value: &pb::Value| match value.value_type {
                        Some(ValueType::IntegerValue(number)) => u64::try_from(number).unwrap_or_default(),
                        _ => 0,
                    };
                    let entries = result.aggregate_fields.values().map(number).max().unwrap_or_default();
                    self.reads(&state.collection, entries.div_ceil(ENTRIES).max(1));
                }
            }
            "Commit" => {
                pb::CommitResponse::decode(bytes)?;
                state.writes.drain(..).for_each(|(collection, counts)| self.book(&collection, counts));
            }
            "BatchWrite" => {
                let status = pb::BatchWriteResponse::decode(bytes)?.status;
                for ((collection, counts), status) in state.writes.drain(..).zip(status) {
                    if status.code == 0 {
                        self.book(&collection, counts);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Handles the end of an answer, if these headers are its trailers.
    pub fn trailers(&self, headers: &HeaderMap) {
        let Some(status) = headers.get("grpc-status") else { return };
        let mut state = self.state.lock().unwrap();
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        let nothing = match self.method.as_str() {
            "RunQuery" => status == "0" && state.found == 0,
            "GetDocument" => status == NOT_FOUND,
            _ => false,
        };
        // A query without results costs as much as one with a single result.
        self.reads(&state.collection, u64::from(nothing));
    }

    fn reads(&self, collection: &str, reads: u64) {
        self.book(collection, Counts { reads, ..Counts::default() });
    }

    fn book(&self, collection: &str, counts: Counts) {
        if counts != Counts::default() {
            self.book.add(self.number, &self.method, collection, counts);
        }
    }
}

/// A transform of a document belongs to its write; a deletion has a price of its own.
fn price(write: &pb::Write) -> (String, Counts) {
    let (name, counts) = match &write.operation {
        Some(Operation::Update(document)) => (document.name.as_str(), Counts { writes: 1, ..Counts::default() }),
        Some(Operation::Transform(transform)) => {
            (transform.document.as_str(), Counts { writes: 1, ..Counts::default() })
        }
        Some(Operation::Delete(name)) => (name.as_str(), Counts { deletes: 1, ..Counts::default() }),
        _ => ("", Counts::default()),
    };
    (collection(name), counts)
}

fn from(query: &pb::StructuredQuery) -> String {
    query.from.first().map(|from| from.collection_id.clone()).unwrap_or_default()
}

/// The collection of a document.
fn collection(document: &str) -> String {
    document.rsplit('/').nth(1).unwrap_or_default().to_owned()
}
