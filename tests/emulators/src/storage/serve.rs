//! Accepts connections, tells JSON REST from gRPC, and applies faults.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::answer::{Body, Refusal};
use super::arriving::Arriving;
use super::call::Call;
use super::fault::Fault;
use super::{Seen, State, grpc, relay, rest};

/// The connection is closed without an answer.
#[derive(Debug)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ordered by the test")
    }
}

impl std::error::Error for Cut {}

/// Small, so that a test can measure the memory of others.
const BUFFER: usize = 64 * 1024;

pub async fn serve(listener: TcpListener, state: Arc<State>) {
    // The connections are closed when this task is dropped, so that nobody talks to a stand-in that is gone.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let state = state.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(state.clone(), request));
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http1().max_buf_size(BUFFER);
            // A client that closes its connection, and a cut that was ordered, are both expected.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (mut head, body) = request.into_parts();
    let authorized = head.headers.contains_key(AUTHORIZATION);
    let is_grpc = grpc::is_grpc(&head.headers);
    let call = if is_grpc { None } else { Call::of(&head.method, &head.uri, &head.headers) };
    let op = if is_grpc { grpc::op(head.uri.path()) } else { call.as_ref().map(|call| call.op) };
    let Some(op) = op else {
        let unknown = Refusal::invalid(format!("the stand-in does not know {} {}", head.method, head.uri.path()));
        return Ok(if is_grpc { grpc::refuse(&unknown) } else { unknown.response() });
    };
    state.seen.lock().unwrap().push(Seen { op, authorized });
    let fault = state.orders.take(op);
    let mut body = Arriving::new(body, break_after(fault));
    let refuse = |refusal: &Refusal| if is_grpc { grpc::refuse(refusal) } else { refusal.response() };
    match fault {
        Some(Fault::Status(status)) => {
            body.drain().await;
            return Ok(refuse(&Refusal::ordered(status, None)));
        }
        Some(Fault::RetryAfter(status, seconds)) => {
            body.drain().await;
            return Ok(refuse(&Refusal::ordered(status, Some(seconds))));
        }
        Some(Fault::Cut) => return Err(Cut),
        Some(Fault::Stall) => state.orders.stall().await,
        _ => {}
    }
    let acted = match (&state.elsewhere, &call) {
        (Some(elsewhere), _) => relay::pass(elsewhere, &mut head, op, &mut body, fault).await.transpose().ok_or(Cut)?,
        (None, Some(call)) => rest::act(&state, call, &head.headers, &mut body, fault).await,
        (None, None) => grpc::act(&state, op, &mut body).await,
    };
    let acted = acted.unwrap_or_else(|why| refuse(&why));
    state.answered.send_modify(|all| all.push(op));
    match fault {
        Some(Fault::LoseAnswer | Fault::CutAfter(_)) => Err(Cut),
        Some(Fault::StatusAfter(_, status)) => {
            body.drain().await;
            Ok(refuse(&Refusal::ordered(status, None)))
        }
        _ => {
            // A client reads an early answer only if it can finish sending.
            body.drain().await;
            Ok(acted)
        }
    }
}

fn break_after(fault: Option<Fault>) -> Option<u64> {
    match fault {
        Some(Fault::StatusAfter(bytes, _) | Fault::CutAfter(bytes)) => Some(bytes),
        _ => None,
    }
}
