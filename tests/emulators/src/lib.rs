//! Emulators and stand-ins for Google Cloud in tests: Google's own and others, started and stopped here.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

pub mod fcm;
pub mod firestore;
pub mod keys;
pub mod log;
pub mod meter;
pub mod receiver;
pub mod storage;
pub mod tasks;
pub mod tokens;
pub mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

/// The longest wait in real time: a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A listener on a free port of this machine.
pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}
