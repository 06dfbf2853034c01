//! `google.storage.v2.Storage` over gRPC: list, get, delete. The messages contain the fields that are used here, with
//! the numbers of Google's `storage.proto`.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use prost::Message;

use super::State;
use super::answer::{self, Body, Refusal};
use super::arriving::Arriving;
use super::bucket;
use super::call::Op;

const SERVICE: &str = "/google.storage.v2.Storage/";
const GRPC: &str = "application/grpc";
/// The compression flag, and the length of the message.
const PREFIX: usize = 5;
const MAX_PAGE: usize = 1000;

#[derive(Clone, PartialEq, Message)]
struct DeleteObjectRequest {
    #[prost(string, tag = "1")]
    bucket: String,
    #[prost(string, tag = "2")]
    object: String,
    #[prost(int64, tag = "4")]
    generation: i64,
    #[prost(int64, optional, tag = "5")]
    if_generation_match: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct GetObjectRequest {
    #[prost(string, tag = "1")]
    bucket: String,
    #[prost(string, tag = "2")]
    object: String,
    #[prost(int64, tag = "3")]
    generation: i64,
}

#[derive(Clone, PartialEq, Message)]
struct GetBucketRequest {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    bucket_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct ListObjectsRequest {
    #[prost(string, tag = "1")]
    parent: String,
    #[prost(int32, tag = "2")]
    page_size: i32,
    #[prost(string, tag = "3")]
    page_token: String,
    #[prost(string, tag = "6")]
    prefix: String,
    #[prost(string, tag = "10")]
    lexicographic_start: String,
}

#[derive(Clone, PartialEq, Message)]
struct ListObjectsResponse {
    #[prost(message, repeated, tag = "1")]
    objects: Vec<Object>,
    #[prost(string, tag = "3")]
    next_page_token: String,
}

#[derive(Clone, PartialEq, Message)]
struct ObjectChecksums {
    #[prost(fixed32, optional, tag = "1")]
    crc32c: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct Object {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    bucket: String,
    #[prost(string, tag = "27")]
    etag: String,
    #[prost(int64, tag = "3")]
    generation: i64,
    #[prost(int64, tag = "4")]
    metageneration: i64,
    #[prost(string, tag = "5")]
    storage_class: String,
    #[prost(int64, tag = "6")]
    size: i64,
    #[prost(string, tag = "13")]
    content_type: String,
    #[prost(message, optional, tag = "14")]
    create_time: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "16")]
    checksums: Option<ObjectChecksums>,
    #[prost(message, optional, tag = "17")]
    update_time: Option<prost_types::Timestamp>,
    #[prost(map = "string, string", tag = "22")]
    metadata: HashMap<String, String>,
}

impl From<bucket::Object> for Object {
    fn from(object: bucket::Object) -> Self {
        let written = prost_types::Timestamp::from(object.written);
        Self {
            bucket: format!("projects/_/buckets/{}", object.bucket),
            etag: format!("etag-{}", object.generation),
            generation: object.generation,
            metageneration: 1,
            storage_class: "STANDARD".to_owned(),
            size: i64::try_from(object.size).unwrap_or(i64::MAX),
            create_time: Some(written),
            update_time: Some(written),
            checksums: Some(ObjectChecksums { crc32c: Some(object.crc32c) }),
            metadata: object.metadata.into_iter().collect(),
            name: object.name,
            content_type: object.content_type,
        }
    }
}

pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()))
}

pub fn op(path: &str) -> Option<Op> {
    match path.strip_prefix(SERVICE)? {
        "ListObjects" => Some(Op::List),
        "GetObject" => Some(Op::Get),
        "DeleteObject" => Some(Op::Delete),
        "GetBucket" => Some(Op::Bucket),
        _ => None,
    }
}

pub async fn act(state: &State, op: Op, body: &mut Arriving) -> Result<Response<Body>, Refusal> {
    let framed = body.all().await?;
    let message = framed.get(PREFIX..).ok_or_else(|| Refusal::invalid("no message"))?;
    match op {
        Op::List => list(state, &read(message)?),
        Op::Get => {
            let GetObjectRequest { bucket, object, generation } = read(message)?;
            Ok(reply(&Object::from(state.buckets.find(bucket_id(&bucket)?, &object, Some(generation))?)))
        }
        Op::Delete => {
            let DeleteObjectRequest { bucket, object, generation, if_generation_match } = read(message)?;
            let condition = if_generation_match.or(Some(generation).filter(|wanted| *wanted != 0));
            state.buckets.remove(bucket_id(&bucket)?, &object, condition)?;
            Ok(reply(&()))
        }
        _ => {
            let GetBucketRequest { name } = read(message)?;
            let id = bucket_id(&name)?;
            state.buckets.has_bucket(id)?;
            Ok(reply(&Bucket { name: name.clone(), bucket_id: id.to_owned() }))
        }
    }
}

fn list(state: &State, asked: &ListObjectsRequest) -> Result<Response<Body>, Refusal> {
    let most = usize::try_from(asked.page_size).ok().filter(|most| *most > 0).unwrap_or(MAX_PAGE).min(MAX_PAGE);
    let bucket = bucket_id(&asked.parent)?;
    let (objects, more) =
        state.buckets.list(bucket, &asked.prefix, &asked.lexicographic_start, &asked.page_token, most)?;
    let next = objects.last().filter(|_| more).map(|last| last.name.clone());
    let objects = objects.into_iter().map(Object::from).collect();
    Ok(reply(&ListObjectsResponse { objects, next_page_token: next.unwrap_or_default() }))
}

fn bucket_id(name: &str) -> Result<&str, Refusal> {
    name.strip_prefix("projects/_/buckets/").ok_or_else(|| Refusal::invalid(format!("`{name}` is no bucket's name")))
}

fn read<M: Message + Default>(bytes: &[u8]) -> Result<M, Refusal> {
    M::decode(bytes).map_err(|why| Refusal::invalid(why.to_string()))
}

fn reply(message: &impl Message) -> Response<Body> {
    let mut framed = BytesMut::with_capacity(PREFIX + message.encoded_len());
    framed.put_u8(0);
    framed.put_u32(message.encoded_len() as u32);
    framed.extend_from_slice(&message.encode_to_vec());
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Ok(Frame::data(Bytes::from(framed))), Ok(Frame::trailers(trailers))];
    typed(Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()))
}

/// A refusal as a status in the headers.
pub fn refuse(refusal: &Refusal) -> Response<Body> {
    let code: u16 = match refusal.status.as_u16() {
        400 | 416 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        412 => 9,
        429 => 8,
        503 => 14,
        504 => 4,
        _ => 13,
    };
    let mut response = typed(answer::empty(StatusCode::OK));
    response.headers_mut().insert("grpc-status", code.into());
    if let Ok(message) = HeaderValue::from_str(&refusal.message) {
        response.headers_mut().insert("grpc-message", message);
    }
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

fn typed(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    response
}
