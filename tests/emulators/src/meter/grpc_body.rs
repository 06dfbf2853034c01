//! A body that is passed on unchanged while its gRPC messages are read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::call::Call;

/// A flag, and the length of the message that follows.
const PREFIX: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Request,
    Answer,
}

pub struct Tapped {
    body: Incoming,
    side: Side,
    call: Arc<Call>,
    messages: Messages,
}

impl Tapped {
    pub fn new(body: Incoming, side: Side, call: Arc<Call>) -> Self {
        Self { body, side, call, messages: Messages::default() }
    }

    fn read(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.messages.arrived(data);
            while let Some(message) = self.messages.next() {
                match self.side {
                    Side::Request => self.call.asked(message),
                    Side::Answer => self.call.answered(message),
                }
            }
        }
        if let (Some(trailers), Side::Answer) = (frame.trailers_ref(), self.side) {
            self.call.trailers(trailers);
        }
    }
}

impl Body for Tapped {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            // The frame is counted before it is passed on: a client that has acted on an answer finds it counted.
            this.read(frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Assembles messages from pieces that are cut anywhere.
#[derive(Default)]
pub struct Messages(BytesMut);

impl Messages {
    pub fn arrived(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    /// Returns `Err` for a compressed message, which cannot be read here.
    pub fn next(&mut self) -> Option<Result<Bytes, &'static str>> {
        let mut prefix = self.0.get(..PREFIX)?;
        let (flag, length) = (prefix.get_u8(), prefix.get_u32() as usize);
        if self.0.len() < PREFIX + length {
            return None;
        }
        self.0.advance(PREFIX);
        let message = self.0.split_to(length).freeze();
        Some(if flag == 0 { Ok(message) } else { Err("a compressed message") })
    }
}
