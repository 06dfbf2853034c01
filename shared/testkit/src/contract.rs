//! Contract suites for the ports: one suite for each port, run by the in-memory, the embedded and the cloud adapters
//! alike. A behaviour is a function, and one macro for each port turns the functions into tests:
//!
//! ```ignore
//! testkit::store_contract!(async || Arc::new(memory::Store::new()));
//! ```
//!
//! The macro's argument is called anew for each test. It returns the port in an `Arc`, or a pair of the port and
//! something to keep until the test is over (a folder), or [`Fresh::missing`] if the port is not available here.

pub mod archive;
pub mod blobs;
pub mod damage;
pub mod direct;
pub mod feed;
pub mod push;
pub mod queue;
pub mod store;
pub mod uploads;

use std::any::Any;
use std::sync::Arc;

use flow::ports::{Blobs, Push, Store};

use self::archive::ArchivedStore;
use self::damage::DamagedStore;
use self::feed::FedStore;
use crate::skip;

/// A port made for one test.
pub struct Fresh<P: ?Sized> {
    port: std::result::Result<Arc<P>, String>,
    _kept: Box<dyn Any>,
}

impl<P: ?Sized> Fresh<P> {
    pub fn new(port: Arc<P>) -> Self {
        Self::keeping(port, ())
    }

    /// `kept` is dropped after the test.
    pub fn keeping(port: Arc<P>, kept: impl Any) -> Self {
        Self { port: Ok(port), _kept: Box::new(kept) }
    }

    /// The port is not available: the test is skipped, and says so.
    pub fn missing(why: impl Into<String>) -> Self {
        Self { port: Err(why.into()), _kept: Box::new(()) }
    }
}

macro_rules! fresh_from_arcs {
    ($($port:ident),*) => {$(
        impl<P: $port> From<Arc<P>> for Fresh<dyn $port> {
            fn from(port: Arc<P>) -> Self {
                Self::new(port)
            }
        }
        impl From<Arc<dyn $port>> for Fresh<dyn $port> {
            fn from(port: Arc<dyn $port>) -> Self {
                Self::new(port)
            }
        }
        impl<P: $port, K: Any> From<(Arc<P>, K)> for Fresh<dyn $port> {
            fn from((port, kept): (Arc<P>, K)) -> Self {
                Self::keeping(port, kept)
            }
        }
    )*};
}
fresh_from_arcs!(Store, ArchivedStore, DamagedStore, FedStore, Blobs, Push);

macro_rules! fresh_from_pairs {
    ($($pair:ty),*) => {$(
        impl From<Arc<$pair>> for Fresh<$pair> {
            fn from(port: Arc<$pair>) -> Self {
                Self::new(port)
            }
        }
        impl<K: Any> From<(Arc<$pair>, K)> for Fresh<$pair> {
            fn from((port, kept): (Arc<$pair>, K)) -> Self {
                Self::keeping(port, kept)
            }
        }
    )*};
}
fresh_from_pairs!(uploads::Receiving, direct::Direct, queue::TestQueue);

/// Runs one behaviour on a fresh port, on two threads so that concurrent calls really race.
pub fn check<P, S>(test: &str, make: impl AsyncFnOnce() -> S, behaviour: impl AsyncFnOnce(Arc<P>))
where
    P: ?Sized,
    S: Into<Fresh<P>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let fresh: Fresh<P> = make().await.into();
        match &fresh.port {
            Ok(port) => behaviour(port.clone()).await,
            Err(why) => skip::note(test, why),
        }
    });
}

/// Defines one test for each behaviour, in the groups of the suite.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ($suite:ident of $port:ident, $make:expr, [$($behaviour:ident),* $(,)?]) => {
        mod $suite {
            #[allow(unused_imports, reason = "the caller's names, for what makes a port")]
            use super::*;
            $(
                #[test]
                fn $behaviour() {
                    $crate::contract::check(stringify!($behaviour), $make, $crate::contract::$port::$behaviour);
                }
            )*
        }
    };
    ($suite:ident of $port:ident, $make:expr, $($group:ident: [$($behaviour:ident),* $(,)?]),* $(,)?) => {
        mod $suite {
            $(mod $group {
                #[allow(unused_imports, reason = "the caller's names, for what makes a port")]
                use super::super::*;
                $(
                    #[test]
                    fn $behaviour() {
                        let name = concat!(stringify!($group), "::", stringify!($behaviour));
                        $crate::contract::check(name, $make, $crate::contract::$port::$group::$behaviour);
                    }
                )*
            })*
        }
    };
}
