//! Settings of the HTTP server: limits on connections and requests, CORS, and the format of the log.

use edge::telemetry::{Format, Telemetry};
use edge::{Cors, RequestLimits, Requests, ServeLimits};

use crate::sections::{Config, LogFormat, secs};

impl Config {
    pub fn serve_limits(&self) -> ServeLimits {
        let server = &self.server;
        ServeLimits {
            max_connections: server.max_connections,
            idle: secs(server.idle_seconds),
            body_silence: secs(server.body_silence_seconds),
            write_stall: secs(server.write_stall_seconds),
            h2_streams: server.h2_streams,
            requests: self.request_limits(),
            ..ServeLimits::default()
        }
    }

    pub fn requests(&self) -> Requests {
        Requests { limits: self.request_limits(), cors: Cors::of(&self.server.cors_origins) }
    }

    fn request_limits(&self) -> RequestLimits {
        let server = &self.server;
        RequestLimits {
            max_headers: server.max_headers,
            max_header_bytes: server.max_header_bytes,
            max_uri_bytes: server.max_uri_bytes,
            max_json_bytes: server.max_json_bytes,
        }
    }

    pub fn telemetry(&self) -> Telemetry {
        let format = match self.log.format {
            LogFormat::Auto => Format::Auto,
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        };
        Telemetry { filter: self.log.level.clone(), format }
    }
}
