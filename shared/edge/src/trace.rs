//! W3C trace context: the `traceparent` that is passed on from the client to the worker.

use std::fmt;
use std::str::FromStr;

use flow::ports::Random;

const SAMPLED: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl Traceparent {
    /// A new span in the trace of `parent`, or in a new trace.
    pub fn continued(parent: Option<Self>, random: &dyn Random) -> Self {
        // A random UUID has version and variant bits set, so neither half is ever zero, which the format forbids.
        let (_, span_id) = random.uuid().as_u64_pair();
        match parent {
            Some(parent) => Self { span_id, ..parent },
            None => Self { trace_id: random.uuid().as_u128(), span_id, flags: SAMPLED },
        }
    }

    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a traceparent")]
pub struct InvalidTraceparent;

impl FromStr for Traceparent {
    type Err = InvalidTraceparent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceparent> {
        let mut parts = text.split('-');
        let mut field = |digits| parts.next().and_then(|part| lower_hex(part, digits)).ok_or(InvalidTraceparent);
        let version = field(2)?;
        let trace_id = field(32)?;
        let span_id = u64::try_from(field(16)?).map_err(|_| InvalidTraceparent)?;
        let flags = u8::try_from(field(2)?).map_err(|_| InvalidTraceparent)?;
        // Later versions may add fields at the end; version 0 has none, and ff is forbidden.
        let more = parts.next().is_some();
        if version == 0xff || (version == 0 && more) || trace_id == 0 || span_id == 0 {
            return Err(InvalidTraceparent);
        }
        Ok(Self { trace_id, span_id, flags })
    }
}

fn lower_hex(part: &str, digits: usize) -> Option<u128> {
    let lower = part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    lower.then(|| u128::from_str_radix(part, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::CountingRandom;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn trace_of_the_parent_is_continued_with_a_new_span() {
        let parent: Traceparent = GIVEN.parse().unwrap();
        assert_eq!(parent.to_string(), GIVEN);
        let ours = Traceparent::continued(Some(parent), &CountingRandom::default());
        assert_eq!(ours.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(ours.span_id, parent.span_id);
        assert!(ours.to_string().ends_with("-01"));
    }

    #[test]
    fn trace_is_started_without_a_parent() {
        let random = CountingRandom::default();
        let (one, two) = (Traceparent::continued(None, &random), Traceparent::continued(None, &random));
        assert_ne!(one.trace_id, two.trace_id);
        assert_eq!(one.to_string().parse(), Ok(one));
    }

    #[test]
    fn malformed_parents_are_ignored() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<Traceparent>(), Err(InvalidTraceparent), "{text}");
        }
        assert!("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later".parse::<Traceparent>().is_ok());
    }
}
