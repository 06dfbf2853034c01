//! An answer on its way out, handed over piece by piece: so it is known whether its peer still takes it.
//!
//! hyper lets go of a body as soon as it was handed the last byte, however long that takes to leave. And in HTTP/2 a
//! peer holds answers up by a window of its own, while its socket is read as ever: no write ever stalls.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::activity::InFlight;
use crate::limits;

pub(super) struct Sending {
    body: Body,
    /// Of the body's last frame, what is still to be handed over.
    rest: Bytes,
    in_flight: InFlight,
    /// The peer makes room for it by a window of its own.
    has_window: bool,
}

impl Sending {
    pub(super) fn new(body: Body, in_flight: InFlight, has_window: bool) -> Self {
        let sending = Self { body, rest: Bytes::new(), in_flight, has_window };
        sending.peers_turn();
        sending
    }

    /// It is asked for more only when the peer has made room.
    fn peers_turn(&self) {
        if self.has_window {
            self.in_flight.peers_turn();
        }
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                self.in_flight.our_turn();
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
        self.peers_turn();
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
