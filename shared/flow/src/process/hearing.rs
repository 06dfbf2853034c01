//! Whether the engine hears at all: the clip that is built in, asked by one file for all that want to know.

use std::sync::atomic::{AtomicU64, Ordering};

use speech::Audio;
use tokio::sync::Mutex;

use super::delivery::Delivery;
use super::transcribe::Call;

/// What the clip came to the last time.
#[derive(Default)]
pub struct Hearing {
    /// Locked while it is asked.
    last: Mutex<bool>,
    asked: AtomicU64,
}

impl Hearing {
    /// An answer that comes after this was called: that of `ask`, or of somebody else's who asks already.
    async fn told(&self, ask: impl Future<Output = bool>) -> bool {
        let before = self.asked.load(Ordering::Relaxed);
        let mut last = self.last.lock().await;
        if self.asked.load(Ordering::Relaxed) == before {
            *last = ask.await;
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        *last
    }
}

impl Delivery<'_> {
    /// Whether the engine returns text for the clip, after this was asked. Files that ask at the same time share the
    /// answer.
    pub async fn proven_to_hear(&self) -> bool {
        self.hearing.told(self.ask_for_the_clip()).await
    }

    async fn ask_for_the_clip(&self) -> bool {
        let clip = audio::sample_samples();
        let heard = matches!(self.call(Audio::new(&clip), None).await, Call::Said(_));
        if !heard {
            tracing::error!(
                engine = self.engine.name(),
                "the speech engine returns nothing even for the built-in sample; jobs wait for it"
            );
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;
    use futures_util::future::{join, pending};
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_at_once_share_an_answer_and_who_comes_later_gets_a_new_one() {
        let (hearing, times) = (Hearing::default(), Cell::new(0));
        let ask = async |heard: bool| {
            times.set(times.get() + 1);
            yield_now().await;
            heard
        };
        assert_eq!(join(hearing.told(ask(true)), hearing.told(ask(false))).await, (true, true));
        assert_eq!(times.get(), 1);
        assert!(!hearing.told(ask(false)).await, "an engine may fall silent");
        assert_eq!(times.get(), 2);
    }

    #[tokio::test]
    async fn whoever_asks_and_is_dropped_leaves_the_question_to_the_next() {
        let hearing = Hearing::default();
        let mut first = Box::pin(hearing.told(pending()));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(hearing.told(async { true }));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert_eq!(second.now_or_never(), Some(true));
    }
}
