//! The state of the routes that require a token. Each handler takes the part of it that it needs.

use std::sync::Arc;

use axum::extract::FromRef;
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

/// Says where in the state each part is that a handler may take.
macro_rules! parts {
    ($($part:ty: $($field:ident).+;)+) => {
        $(impl FromRef<ApiState> for $part {
            fn from_ref(state: &ApiState) -> Self {
                state.$($field).+.clone()
            }
        })+
    };
}

parts! {
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
