//! Faults on the way to Firestore that a test orders: refusals in the service's name, silence, lost answers.

use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use gcloud_sdk::google::rpc;
use http::Response;
use http::header::CONTENT_TYPE;
use http_body_util::Empty;
use prost::Message;

/// An answer in Firestore's name to a number of calls, which are not executed.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// A value of `google.rpc.Code`.
    pub code: i32,
    pub message: String,
    /// The pause that the answer asks for.
    pub retry_seconds: Option<i64>,
}

impl Refusal {
    pub fn new(code: tonic::Code, message: &str) -> Self {
        Self { code: code as i32, message: message.to_owned(), retry_seconds: None }
    }

    #[must_use]
    pub fn retry_after(self, seconds: i64) -> Self {
        Self { retry_seconds: Some(seconds), ..self }
    }

    /// An answer of trailers only (gRPC over HTTP/2, "Responses").
    pub(super) fn response(&self) -> Response<Empty<Bytes>> {
        let mut details = Vec::new();
        if let Some(seconds) = self.retry_seconds {
            let info = rpc::RetryInfo { retry_delay: Some(prost_types::Duration { seconds, nanos: 0 }) };
            let type_url = "type.googleapis.com/google.rpc.RetryInfo".to_owned();
            details.push(prost_types::Any { type_url, value: info.encode_to_vec() });
        }
        let status = rpc::Status { code: self.code, message: self.message.clone(), details };
        let words: String = url::form_urlencoded::byte_serialize(self.message.as_bytes()).collect();
        Response::builder()
            .header(CONTENT_TYPE, "application/grpc")
            .header("grpc-status", self.code)
            .header("grpc-message", words.replace('+', "%20"))
            .header("grpc-status-details-bin", STANDARD_NO_PAD.encode(status.encode_to_vec()))
            .body(Empty::new())
            .unwrap()
    }
}

/// How a call is handled.
pub(super) enum Fate {
    Passes,
    Refused(Refusal),
    /// The call is not forwarded, and not answered.
    Silence,
    /// The call is forwarded after this time.
    Slow(Duration),
    /// Firestore executes the call, but its answer does not arrive.
    Lost,
}

enum Fault {
    Refuses(Refusal),
    IsSilent,
    IsSlow(Duration),
    /// Every n-th answer is lost.
    Loses(usize),
}

struct Order {
    method: String,
    fault: Fault,
    seen: usize,
    struck: usize,
}

/// The current order, if there is one.
#[derive(Default)]
pub(super) struct Orders(Mutex<Option<Order>>);

impl Orders {
    pub fn refuse(&self, method: &str, refusal: Refusal) {
        self.set(method, Fault::Refuses(refusal));
    }

    pub fn silence(&self, method: &str) {
        self.set(method, Fault::IsSilent);
    }

    pub fn slow(&self, method: &str, by: Duration) {
        self.set(method, Fault::IsSlow(by));
    }

    pub fn lose(&self, method: &str, every: usize) {
        self.set(method, Fault::Loses(every));
    }

    pub fn clear(&self) {
        *self.0.lock().unwrap() = None;
    }

    pub fn struck(&self) -> usize {
        self.0.lock().unwrap().as_ref().map_or(0, |order| order.struck)
    }

    fn set(&self, method: &str, fault: Fault) {
        *self.0.lock().unwrap() = Some(Order { method: method.to_owned(), fault, seen: 0, struck: 0 });
    }

    /// An order without a method applies to all methods.
    pub fn fate(&self, path: &str) -> Fate {
        let mut order = self.0.lock().unwrap();
        let Some(order) = order.as_mut() else { return Fate::Passes };
        if !order.method.is_empty() && path.rsplit('/').next() != Some(order.method.as_str()) {
            return Fate::Passes;
        }
        order.seen += 1;
        let fate = match &order.fault {
            Fault::Refuses(refusal) => Fate::Refused(refusal.clone()),
            Fault::IsSilent => Fate::Silence,
            Fault::IsSlow(by) => Fate::Slow(*by),
            Fault::Loses(every) if order.seen.is_multiple_of(*every) => Fate::Lost,
            Fault::Loses(_) => return Fate::Passes,
        };
        order.struck += 1;
        fate
    }
}
