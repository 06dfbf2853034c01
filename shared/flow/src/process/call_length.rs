//! The length of engine calls, bounded by the time of a delivery: a call has to end before the host ends the delivery, or
//! each delivery would begin the same call anew and get no answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use speech::{Audio, CALL_ALLOWANCE, Capabilities, Engine, EngineError, Hints, Transcript};

/// The most time of a delivery that is kept for reading and cutting audio before a call.
const MOST_TIME_BEFORE_CALLS: Duration = Duration::from_secs(60);

/// The time in which a call with the built-in sample fails. Such a call follows when all other calls have failed.
pub const SAMPLE_CALL: Duration = Duration::from_secs(CALL_ALLOWANCE.as_secs() + 10);

/// Audio is cut no shorter than this, however short a delivery is: engines understand speech by its context.
const SHORTEST_SPAN: Duration = Duration::from_secs(30);

/// Lengths are rounded down to a multiple of this, so that the times of deliveries, which differ by milliseconds, do not
/// lead to different pieces of the same segment.
const STEP: Duration = Duration::from_secs(10);

/// The longest audio of a call in a delivery of this length. The call fails in time even if the engine uses up all of its
/// allowance, and the built-in sample can then show whether the engine works at all.
pub fn longest_span(delivery: Duration) -> Duration {
    let before = (delivery / 4).min(MOST_TIME_BEFORE_CALLS);
    let span = delivery.saturating_sub(before + CALL_ALLOWANCE + SAMPLE_CALL);
    Duration::from_secs(span.as_secs() - span.as_secs() % STEP.as_secs()).max(SHORTEST_SPAN)
}

/// An engine that gets no longer audio than fits into a delivery.
pub struct BoundedLength {
    engine: Arc<dyn Engine>,
    /// The longest segment that is planned. It is the same for all deliveries of an instance, because a plan is made over
    /// several of them.
    planned: Duration,
    /// The longest audio of a call. Segments of an older plan are cut when they are sent.
    sent: Duration,
}

impl BoundedLength {
    /// `usual` is the longest time of any delivery, and `this` the time of the one that makes the calls.
    pub fn around(engine: Arc<dyn Engine>, usual: Duration, this: Duration) -> Self {
        Self { engine, planned: longest_span(usual), sent: longest_span(this.min(usual)) }
    }
}

#[async_trait]
impl Engine for BoundedLength {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        let unbounded = self.engine.capabilities();
        Capabilities {
            preferred_span: unbounded.preferred_span.min(self.planned),
            max_span: unbounded.max_span.min(self.sent),
            ..unbounded
        }
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        self.engine.transcribe(audio, hints).await
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.engine.ready().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_call_and_the_sample_after_it_fail_before_the_delivery_ends() {
        for (delivery, span) in [(280, 150), (880, 750), (1500, 1370), (1579, 1440), (150, 40), (40, 30), (0, 30)] {
            assert_eq!(longest_span(Duration::from_secs(delivery)), Duration::from_secs(span), "{delivery} s");
        }
        for seconds in 170..4000 {
            let delivery = Duration::from_secs(seconds);
            let before = (delivery / 4).min(MOST_TIME_BEFORE_CALLS);
            let calls = CALL_ALLOWANCE + longest_span(delivery) + SAMPLE_CALL;
            assert!(before + calls <= delivery, "{seconds} s");
        }
    }
}
