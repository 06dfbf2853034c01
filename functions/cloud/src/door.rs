//! What is let in by the door, as it is configured.

use std::time::Duration;

use config::Config;
use edge::{Cors, RequestLimits, Requests, ServeLimits};

/// Cloud Run kills ten seconds after it asked: answers have these, what is left is for what is put back.
const LAST_ANSWERS: Duration = Duration::from_secs(6);

pub fn serve_limits(config: &Config) -> ServeLimits {
    let server = &config.server;
    ServeLimits {
        max_connections: server.max_connections,
        idle: Duration::from_secs(server.idle_seconds),
        body_silence: Duration::from_secs(server.body_silence_seconds),
        write_stall: Duration::from_secs(server.write_stall_seconds),
        h2_streams: server.h2_streams,
        shutdown: LAST_ANSWERS,
        requests: request_limits(config),
        ..ServeLimits::default()
    }
}

pub fn requests(config: &Config) -> Requests {
    Requests { limits: request_limits(config), cors: Cors::of(&config.server.cors_origins) }
}

fn request_limits(config: &Config) -> RequestLimits {
    let server = &config.server;
    RequestLimits {
        max_headers: server.max_headers,
        max_header_bytes: server.max_header_bytes,
        max_uri_bytes: server.max_uri_bytes,
        max_json_bytes: server.max_json_bytes,
    }
}
