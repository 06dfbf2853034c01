use std::sync::Arc;

use bytes::Bytes;
use gcloud_sdk::google::firestore::v1 as pb;
use gcloud_sdk::google::firestore::v1::firestore_client::FirestoreClient;
use gcloud_sdk::google::firestore::v1::structured_aggregation_query::{Aggregation, aggregation};
use gcloud_sdk::google::firestore::v1::structured_query::CollectionSelector;
use gcloud_sdk::google::firestore::v1::write::Operation;
use http::{HeaderMap, HeaderValue};
use prost::Message;
use testkit::skip;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::bill::{Book, Counts};
use super::call::Call;
use super::grpc_body::Messages;
use super::*;
use crate::firestore::firestore;

const SERVICE: &str = "/google.firestore.v1.Firestore";

fn reads(reads: u64) -> Counts {
    Counts { reads, ..Counts::default() }
}

fn ended_with(status: &'static str) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(status))])
}

fn name(path: &str) -> String {
    format!("projects/p/databases/(default)/documents/{path}")
}

fn document(path: &str) -> pb::Document {
    pb::Document { name: name(path), ..pb::Document::default() }
}

fn update(document: pb::Document) -> pb::Write {
    pb::Write { operation: Some(Operation::Update(document)), ..pb::Write::default() }
}

fn delete(name: String) -> pb::Write {
    pb::Write { operation: Some(Operation::Delete(name)), ..pb::Write::default() }
}

fn asked(call: &Call, message: &impl Message) {
    call.asked(Ok(message.encode_to_vec().into()));
}

fn answered(call: &Call, message: &impl Message) {
    call.answered(Ok(message.encode_to_vec().into()));
}

/// A call of this method, and the book in which it is counted.
fn call(method: &str) -> (Call, Arc<Book>) {
    let book = Arc::new(Book::default());
    (Call::new(&format!("{SERVICE}/{method}"), Arc::clone(&book)), book)
}

#[test]
fn messages_are_assembled_from_any_pieces() {
    let framed: Vec<u8> = [&[0, 0, 0, 0, 3][..], b"one", &[0, 0, 0, 0, 0], &[1, 0, 0, 0, 3], b"two"].concat();
    for size in 1..=framed.len() {
        let (mut messages, mut found) = (Messages::default(), Vec::new());
        for piece in framed.chunks(size) {
            messages.arrived(piece);
            found.extend(std::iter::from_fn(|| messages.next()));
        }
        assert_eq!(found, [Ok(Bytes::from("one")), Ok(Bytes::new()), Err("a compressed message")], "{size}");
    }
}

#[test]
fn writes_count_when_the_answer_confirms_them() {
    let (call, book) = call("Commit");
    let transform = pb::DocumentTransform { document: name("jobs/1"), field_transforms: Vec::new() };
    let mut with_transform = update(document("users/ann/lines/1"));
    with_transform.update_transforms = vec![pb::document_transform::FieldTransform::default(); 2];
    let transform = pb::Write { operation: Some(Operation::Transform(transform)), ..pb::Write::default() };
    let writes = vec![with_transform, transform, delete(name("jobs/3")), pb::Write::default()];
    asked(&call, &pb::CommitRequest { writes, ..pb::CommitRequest::default() });
    assert_eq!(book.since(0).total(), Counts::default());
    answered(&call, &pb::CommitResponse::default());
    let bill = book.since(0);
    assert_eq!(bill.total(), Counts { reads: 0, writes: 2, deletes: 1 });
    assert_eq!(bill.of_collection("lines"), Counts { reads: 0, writes: 1, deletes: 0 });
    assert_eq!(bill.of_collection("jobs"), Counts { reads: 0, writes: 1, deletes: 1 });
    assert_eq!(bill.not_understood, [] as [String; 0]);
}

#[test]
fn only_accepted_writes_of_a_batch_count() {
    let (call, book) = call("BatchWrite");
    let writes = vec![update(document("jobs/1")), update(document("jobs/2"))];
    asked(&call, &pb::BatchWriteRequest { writes, ..pb::BatchWriteRequest::default() });
    let status = [0, 5].map(|code| gcloud_sdk::google::rpc::Status { code, ..Default::default() });
    answered(&call, &pb::BatchWriteResponse { status: status.into(), ..pb::BatchWriteResponse::default() });
    assert_eq!(book.since(0).total().writes, 1);
}

#[test]
fn lookup_of_a_missing_document_costs_a_read() {
    let (call, book) = call("RunQuery");
    call.trailers(&HeaderMap::new());
    call.trailers(&ended_with("0"));
    call.trailers(&ended_with("0"));
    assert_eq!(book.since(0).total(), reads(1));

    let (call, book) = self::call("GetDocument");
    asked(&call, &pb::GetDocumentRequest { name: name("jobs/1"), ..pb::GetDocumentRequest::default() });
    call.trailers(&ended_with("5"));
    assert_eq!(book.since(0).of_collection("jobs"), reads(1));

    // A refused query has read nothing.
    let (call, book) = self::call("RunQuery");
    call.trailers(&ended_with("10"));
    assert_eq!(book.since(0).total(), reads(0));
}

#[test]
fn a_thousand_counted_entries_cost_as_much_as_one() {
    for (entries, cost) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2)] {
        let (call, book) = call("RunAggregationQuery");
        let value = pb::Value { value_type: Some(pb::value::ValueType::IntegerValue(entries)) };
        let result = pb::AggregationResult { aggregate_fields: [("count".to_owned(), value)].into() };
        answered(
            &call,
            &pb::RunAggregationQueryResponse { result: Some(result), ..pb::RunAggregationQueryResponse::default() },
        );
        assert_eq!(book.since(0).total(), reads(cost), "{entries}");
    }
}

#[test]
fn unreadable_messages_are_reported() {
    let (_, book) = call("ListDocuments");
    let (call, other) = call("Commit");
    call.answered(Err("a compressed message"));
    call.asked(Ok(Bytes::from_static(b"no message")));
    assert_eq!(book.since(0).not_understood, [format!("the meter does not know {SERVICE}/ListDocuments")]);
    assert_eq!(other.since(0).not_understood.len(), 2);
}

/// A client behind a meter in front of Google's emulator, and the name of its database.
async fn metered_client() -> Result<(Meter, FirestoreClient<Channel>, String), String> {
    let firestore = firestore()?;
    let meter = Meter::to(firestore.endpoint()).await;
    let channel = Endpoint::new(meter.endpoint().to_owned()).unwrap().connect().await.unwrap();
    let database = format!("projects/{}/databases/(default)", firestore.fresh_project());
    Ok((meter, FirestoreClient::new(channel), database))
}

#[tokio::test]
async fn calls_pass_unchanged_and_are_counted_by_method_and_collection() {
    let (meter, mut client, database) = match metered_client().await {
        Ok(metered_client) => metered_client,
        Err(why) => skip!(why),
    };
    let name = |id: usize| format!("{database}/documents/jobs/{id}");
    let document = |id| pb::Document { name: name(id), ..pb::Document::default() };
    let writes: Vec<_> = (0..3).map(|id| update(document(id))).collect();
    let commit = |writes| pb::CommitRequest { database: database.clone(), writes, ..pb::CommitRequest::default() };
    client.commit(commit(writes)).await.unwrap();
    assert_eq!(meter.bill().total(), Counts { reads: 0, writes: 3, deletes: 0 });

    // The commit is refused as a whole: nothing is written.
    let mut twice = update(document(0));
    twice.current_document =
        Some(pb::Precondition { condition_type: Some(pb::precondition::ConditionType::Exists(false)) });
    let refused = client.commit(commit(vec![update(document(7)), twice])).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    client.commit(commit(vec![delete(name(2))])).await.unwrap();
    assert_eq!(meter.bill().total(), Counts { reads: 0, writes: 3, deletes: 1 });

    let mark = meter.mark();
    let get = pb::BatchGetDocumentsRequest {
        database: database.clone(),
        documents: vec![name(0), name(1), name(2)],
        ..pb::BatchGetDocumentsRequest::default()
    };
    let mut stream = client.batch_get_documents(get).await.unwrap().into_inner();
    let mut answers = 0;
    while stream.message().await.unwrap().is_some() {
        answers += 1;
    }
    assert_eq!((answers, meter.since(mark).of_method("BatchGetDocuments")), (3, reads(3)));

    for (collection, found) in [("jobs", 2), ("nothing", 0)] {
        let mark = meter.mark();
        let query = query_of(collection);
        let query = pb::RunQueryRequest {
            parent: format!("{database}/documents"),
            query_type: Some(pb::run_query_request::QueryType::StructuredQuery(query)),
            ..pb::RunQueryRequest::default()
        };
        let mut stream = client.run_query(query).await.unwrap().into_inner();
        let mut documents = 0;
        while let Some(answer) = stream.message().await.unwrap() {
            documents += u64::from(answer.document.is_some());
        }
        assert_eq!((documents, meter.since(mark).of_collection(collection)), (found, reads(found.max(1))));
    }
    assert_eq!(count(&mut client, &database).await, 2);
    let bill = meter.bill();
    assert_eq!(bill.of_method("RunAggregationQuery"), reads(1));
    assert_eq!(bill.not_understood, [] as [String; 0]);
    let table = bill.to_string();
    assert!(table.contains("jobs               BatchGetDocuments         3      0       0\n"), "{table}");
    meter.reset();
    assert_eq!(meter.bill().total(), Counts::default());
}

fn query_of(collection: &str) -> pb::StructuredQuery {
    let from = CollectionSelector { collection_id: collection.to_owned(), all_descendants: false };
    pb::StructuredQuery { from: vec![from], ..pb::StructuredQuery::default() }
}

/// The number of jobs, by an aggregation.
async fn count(client: &mut FirestoreClient<Channel>, database: &str) -> i64 {
    let operator = Some(aggregation::Operator::Count(aggregation::Count::default()));
    let query = pb::StructuredAggregationQuery {
        aggregations: vec![Aggregation { alias: "count".to_owned(), operator }],
        query_type: Some(pb::structured_aggregation_query::QueryType::StructuredQuery(query_of("jobs"))),
    };
    let request = pb::RunAggregationQueryRequest {
        parent: format!("{database}/documents"),
        query_type: Some(pb::run_aggregation_query_request::QueryType::StructuredAggregationQuery(query)),
        ..pb::RunAggregationQueryRequest::default()
    };
    let mut stream = client.run_aggregation_query(request).await.unwrap().into_inner();
    let mut counted = None;
    while let Some(answer) = stream.message().await.unwrap() {
        let value = answer.result.and_then(|result| result.aggregate_fields.get("count").cloned());
        counted = value.and_then(|value| value.value_type).or(counted);
    }
    match counted {
        Some(pb::value::ValueType::IntegerValue(number)) => number,
        other => panic!("{other:?}"),
    }
}
