//! HTTP for the device engine: the implementation of its port over hyper and rustls.
//!
//! It sends one request and returns its answer, whatever the status is. It never follows a redirect, so that a token
//! does not leave the server that it is for. Every wait has a limit: connecting, the silence of a connection, and the
//! whole request. Of an answer it keeps at most as many bytes as the request allows.
#![deny(missing_docs)]

mod body;
mod certificates;
mod connector;
mod failure;
mod network;
mod proxy;
mod silence;
mod stream;

pub use certificates::CaFileError;
pub use network::{Network, Settings};
pub use proxy::{Proxy, ProxyError};
