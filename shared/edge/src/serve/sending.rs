//! Sends the body of an answer in pieces, so that it is known whether the peer still takes bytes.
//!
//! hyper drops a body as soon as it has received the last byte, however long the sending takes. In HTTP/2 a peer can
//! also hold up an answer by its flow-control window while it goes on reading from its socket, so that no write ever
//! stalls.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::activity::InFlight;
use crate::limits;

pub(super) struct OutgoingBody {
    body: Body,
    /// The part of the body's last frame that has not been handed to hyper yet.
    rest: Bytes,
    in_flight: InFlight,
    /// Whether the peer limits this answer by a flow-control window (HTTP/2).
    has_window: bool,
}

impl OutgoingBody {
    pub(super) fn new(body: Body, in_flight: InFlight, has_window: bool) -> Self {
        let outgoing = Self { body, rest: Bytes::new(), in_flight, has_window };
        outgoing.wait_for_peer();
        outgoing
    }

    /// hyper asks for the next piece only when the peer has made room for it.
    fn wait_for_peer(&self) {
        if self.has_window {
            self.in_flight.wait_for_peer();
        }
    }
}

impl HttpBody for OutgoingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                self.in_flight.wait_for_handler();
                return Poll::Pending;
            };
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let bytes = self.rest.len().min(limits::ANSWER_PIECE);
        let piece = self.rest.split_to(bytes);
        self.wait_for_peer();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
