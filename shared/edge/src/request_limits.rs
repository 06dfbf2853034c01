//! Limits on the head and the JSON body of one request.

use crate::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    pub max_headers: usize,
    pub max_header_bytes: usize,
    pub max_uri_bytes: usize,
    pub max_json_bytes: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_headers: limits::MAX_HEADERS,
            max_header_bytes: limits::MAX_HEADER_BYTES,
            max_uri_bytes: limits::MAX_URI_BYTES,
            max_json_bytes: limits::MAX_JSON_BYTES,
        }
    }
}
