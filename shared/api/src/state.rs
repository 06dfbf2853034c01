//! The state of the routes that require a token. Each handler takes the part of it that it needs.

use std::sync::Arc;

use flow::ports::{Admission, Clock, DeviceStore, Feed, JobStore, LibraryStore};
use flow::{Services, Settings};

use crate::compat::CompatState;
use crate::events::StreamPermits;
use crate::view::session::Addresses;

#[derive(Clone)]
pub struct ApiState {
    pub services: Services,
    pub addresses: Addresses,
    pub compat: CompatState,
    pub stream_permits: StreamPermits,
}

/// Says where in a state each part is that a handler may take.
macro_rules! parts {
    ($state:ty; $($part:ty: $($field:ident).+;)+) => {
        $(impl axum::extract::FromRef<$state> for $part {
            fn from_ref(state: &$state) -> Self {
                state.$($field).+.clone()
            }
        })+
    };
}

pub(crate) use parts;

parts! {
    ApiState;
    // For use cases that change something: each works with all services.
    Services: services;
    Arc<dyn JobStore>: services.store;
    Arc<dyn LibraryStore>: services.store;
    Arc<dyn DeviceStore>: services.store;
    Arc<dyn Feed>: services.feed;
    Arc<dyn Admission>: services.admission;
    Arc<dyn Clock>: services.clock;
    Arc<Settings>: services.settings;
    Addresses: addresses;
    CompatState: compat;
    StreamPermits: stream_permits;
}
