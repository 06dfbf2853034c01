//! The body of a request that is being received, with the faults that affect it.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::answer::Refusal;

/// The limit for a body that is read as a whole, which is any body but an object's.
pub const MAX_BODY: usize = 64 * 1024 * 1024;

pub struct Arriving {
    body: Incoming,
    /// The number of bytes until the ordered break.
    left: Option<u64>,
    broken: bool,
}

impl Arriving {
    pub fn new(body: Incoming, break_after: Option<u64>) -> Self {
        Self { body, left: break_after, broken: false }
    }

    /// The next bytes; `None` at the end, and where the body breaks off.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.left == Some(0) {
                self.broken = true;
                return None;
            }
            let frame = match self.body.frame().await? {
                Ok(frame) => frame,
                Err(_) => {
                    self.broken = true;
                    return None;
                }
            };
            let Ok(mut bytes) = frame.into_data() else { continue };
            if let Some(left) = &mut self.left {
                bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= bytes.len() as u64;
            }
            if !bytes.is_empty() {
                return Some(bytes);
            }
        }
    }

    /// Whether the body ended too early.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    pub async fn all(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await {
            all.extend_from_slice(&bytes);
            if all.len() > MAX_BODY {
                return Err(Refusal::invalid("the stand-in takes no more in one request"));
            }
        }
        Ok(all)
    }

    /// Reads the rest, so that the client gets to read the answer.
    pub async fn drain(&mut self) {
        while let Some(Ok(_)) = self.body.frame().await {}
    }
}
