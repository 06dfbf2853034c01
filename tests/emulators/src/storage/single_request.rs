//! Sends one request to another service, on a connection of its own, and reads the whole answer.

use std::io;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

pub struct Answer {
    pub head: Parts,
    pub bytes: Bytes,
    pub trailers: Option<HeaderMap>,
    /// The connection ended before the body did.
    pub is_broken: bool,
}

/// Returns `Err` if there was no answer.
pub async fn rest(host: &str, request: Request<Full<Bytes>>) -> io::Result<Answer> {
    let stream = TokioIo::new(TcpStream::connect(host).await?);
    let (mut line, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    whole(line.send_request(request).await).await
}

pub async fn grpc(host: &str, mut request: Request<Full<Bytes>>) -> io::Result<Answer> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = format!("http://{host}{path}").parse().map_err(io::Error::other)?;
    let stream = TokioIo::new(TcpStream::connect(host).await?);
    let (mut line, connection) = http2::handshake(TokioExecutor::new(), stream).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    whole(line.send_request(request).await).await
}

async fn whole(answer: hyper::Result<http::Response<hyper::body::Incoming>>) -> io::Result<Answer> {
    let (head, mut body) = answer.map_err(io::Error::other)?.into_parts();
    let (mut bytes, mut trailers, mut is_broken) = (BytesMut::new(), None, false);
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(_) => {
                is_broken = true;
                break;
            }
        }
    }
    Ok(Answer { head, bytes: bytes.freeze(), trailers, is_broken })
}
