//! A proxy in front of Firestore: it forwards every call unchanged, and counts on the wire what Google bills. A test
//! can order faults.

mod bill;
mod call;
mod grpc_body;
mod ordered_faults;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Either, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use bill::{Bill, Counts};
pub use ordered_faults::Refusal;
pub use tonic::Code;

use bill::Book;
use call::Call;
use grpc_body::{Side, Tapped};
use ordered_faults::{Fate, Orders};

/// The proxy; dropping it closes all connections.
pub struct Meter {
    endpoint: String,
    line: Arc<Line>,
    book: Arc<Book>,
    /// Entries before this index are not reported any more.
    from: AtomicUsize,
    serving: JoinHandle<()>,
}

impl Meter {
    /// Starts a meter in front of a Firestore at `http://host:port`.
    pub async fn to(upstream: &str) -> Self {
        let (listener, address) = crate::listen().await;
        let book = Arc::new(Book::default());
        let line = Arc::new(Line {
            upstream: upstream.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).http2_only(true).build(HttpConnector::new()),
            book: Arc::clone(&book),
            orders: Orders::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&line)));
        Self { endpoint: format!("http://{address}"), line, book, from: AtomicUsize::new(0), serving }
    }

    /// From now on every n-th answer to this method is lost, after Firestore has executed the call.
    pub fn lose_answers(&self, method: &str, every: usize) {
        self.line.orders.lose(method, every);
    }

    /// From now on calls of this method (of all, if empty) are refused in Firestore's name, and do not reach it.
    pub fn refuse(&self, method: &str, refusal: Refusal) {
        self.line.orders.refuse(method, refusal);
    }

    /// From now on calls of this method (of all, if empty) get no answer at all.
    pub fn silence(&self, method: &str) {
        self.line.orders.silence(method);
    }

    /// From now on calls of this method (of all, if empty) take this much longer.
    pub fn slow(&self, method: &str, by: Duration) {
        self.line.orders.slow(method, by);
    }

    /// Removes all ordered faults.
    pub fn heal(&self) {
        self.line.orders.clear();
    }

    /// The number of calls that the last order has affected.
    pub fn struck(&self) -> usize {
        self.line.orders.struck()
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Everything since the start, or since the last reset.
    pub fn bill(&self) -> Bill {
        self.since(self.from.load(Ordering::SeqCst))
    }

    /// A position to count from.
    pub fn mark(&self) -> usize {
        self.book.len()
    }

    pub fn since(&self, mark: usize) -> Bill {
        self.book.since(mark)
    }

    pub fn reset(&self) {
        self.from.store(self.mark(), Ordering::SeqCst);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The state that all connections share.
struct Line {
    upstream: String,
    client: Client<HttpConnector, Tapped>,
    book: Arc<Book>,
    orders: Orders,
}

async fn serve(listener: TcpListener, line: Arc<Line>) {
    // The connections are closed when this task is dropped.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let _ = stream.set_nodelay(true);
        let line = Arc::clone(&line);
        connections.spawn(async move {
            let service = service_fn(move |request| forward(Arc::clone(&line), request));
            let server = auto::Builder::new(TokioExecutor::new()).http2_only();
            // A client that closes its connection is not an error here.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error ends the call, as it would without the meter.
async fn forward(
    line: Arc<Line>,
    request: Request<Incoming>,
) -> Result<Response<Either<Tapped, Empty<Bytes>>>, Box<dyn Error + Send + Sync>> {
    let (mut head, body) = request.into_parts();
    let fate = line.orders.fate(head.uri.path());
    match &fate {
        Fate::Refused(refusal) => return Ok(refusal.response().map(Either::Right)),
        // Waits until the client closes the connection and this future is dropped.
        Fate::Silence => std::future::pending().await,
        Fate::Slow(by) => pause(*by).await,
        Fate::Passes | Fate::Lost => {}
    }
    let call = Arc::new(Call::new(head.uri.path(), Arc::clone(&line.book)));
    head.uri = format!("{}{}", line.upstream, head.uri.path()).parse::<Uri>().unwrap();
    let asked = Tapped::new(body, Side::Request, Arc::clone(&call));
    let (head, body) = line.client.request(Request::from_parts(head, asked)).await?.into_parts();
    // A refusal may consist of headers only.
    call.trailers(&head.headers);
    let answer = Tapped::new(body, Side::Answer, call);
    if matches!(fate, Fate::Lost) {
        // The whole answer has arrived, so the call was executed.
        answer.collect().await?;
        return Err("this answer is lost".into());
    }
    Ok(Response::from_parts(head, Either::Left(answer)))
}

#[expect(clippy::disallowed_methods, reason = "this is the time of a slow service, and no test waits for it")]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

#[cfg(test)]
mod tests;
