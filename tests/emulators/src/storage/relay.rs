//! Forwards requests to another service, so that they can be counted and faults can be injected.

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;

use super::answer::{Body, Refusal};
use super::arriving::Arriving;
use super::call::Op;
use super::elsewhere::Elsewhere;
use super::fault::Fault;
use super::media::in_pieces;
use super::resumable::QUANTUM;
use super::single_request::Answer;
use super::{grpc, media};

/// Returns `None` if there was no answer.
pub async fn pass(
    elsewhere: &Elsewhere,
    head: &mut Parts,
    op: Op,
    body: &mut Arriving,
    fault: Option<Fault>,
) -> Result<Option<Response<Body>>, Refusal> {
    assert_ne!(fault, Some(Fault::StoreWrong), "another service cannot be made to store wrong bytes");
    // The service builds session URLs from this header, and they must lead here. Google's crate leaves out the port.
    head.headers.insert(HOST, elsewhere.known_as());
    if let Some(Ok(retry_test)) = elsewhere.retry_test().map(HeaderValue::try_from) {
        head.headers.insert("x-retry-test-id", retry_test);
    }
    let bytes = Bytes::from(body.all().await?);
    if body.is_broken() {
        if op == Op::Chunk {
            send_whole_quanta(elsewhere, head, &bytes).await;
        }
        return Err(Refusal::ordered(503, None));
    }
    let Some(answer) = send(elsewhere, head, head.headers.clone(), bytes).await else { return Ok(None) };
    if op == Op::Start {
        elsewhere.started(head.uri.query().unwrap_or(""), &answer.head.headers);
    }
    Ok(Some(returned(answer, grpc::is_grpc(&head.headers), fault)))
}

/// The other service would also receive the rest of an interrupted request, so it is sent only as many bytes as Google
/// keeps.
async fn send_whole_quanta(elsewhere: &Elsewhere, head: &Parts, came: &Bytes) {
    let kept = came.len() as u64 / QUANTUM * QUANTUM;
    let range = head.headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
    if let (Some(first), 1..) = (first, kept) {
        let range = format!("bytes {first}-{}/*", first + kept - 1);
        let mut headers = head.headers.clone();
        headers.remove("x-goog-hash");
        headers.insert(CONTENT_RANGE, HeaderValue::try_from(range).unwrap());
        send(elsewhere, head, headers, came.slice(..kept as usize)).await;
    }
}

async fn send(elsewhere: &Elsewhere, head: &Parts, headers: HeaderMap, bytes: Bytes) -> Option<Answer> {
    let is_grpc = grpc::is_grpc(&headers);
    let mut request = Request::builder().method(&head.method).uri(&head.uri).body(Full::new(bytes)).unwrap();
    *request.headers_mut() = headers;
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        request.headers_mut().remove(name);
    }
    if is_grpc {
        request.headers_mut().remove(HOST);
    }
    Box::pin(elsewhere.send(request, is_grpc)).await.ok()
}

/// The answer as it came, with the fault applied.
fn returned(answer: Answer, is_grpc: bool, fault: Option<Fault>) -> Response<Body> {
    let Answer { mut head, bytes, trailers, is_broken } = answer;
    for name in [CONNECTION, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    if is_grpc {
        let frames = [Some(Frame::data(bytes)), trailers.map(Frame::trailers)].into_iter().flatten().map(Ok);
        return Response::from_parts(head, StreamBody::new(stream::iter(frames)).boxed_unsync());
    }
    let (bytes, cut) = media::spoiled(bytes, fault);
    let cut = cut.or(is_broken.then_some(bytes.len() as u64));
    Response::from_parts(head, in_pieces(bytes, cut))
}
