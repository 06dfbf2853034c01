//! Waiting with a limit: it ends with an answer, or with a failure that says what did not happen.

use std::fmt::Display;
use std::time::{Duration, Instant};

use testkit::SeededRandom;

/// How long a test waits for something that takes milliseconds on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The interval of polling another process, which cannot wake us.
const EVERY: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
pub async fn eventually<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_or(what, limit, async || ask().await.ok_or("")).await
}

/// Asks until there is an answer; on a timeout it reports the last error.
#[expect(clippy::disallowed_methods, reason = "another process is watched from outside: no port of ours wakes us")]
pub async fn eventually_or<T, E: Display>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let watch = Stopwatch::start();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(last) => assert!(watch.elapsed() < limit, "after {limit:?} still not: {what} {last}"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Measures durations for figures and limits; no order is derived from it.
#[derive(Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the duration of a run is what is measured here")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The time of this machine's clock, which the server uses too.
#[expect(
    clippy::disallowed_methods,
    reason = "recordings have to be stamped by the clock that the server checks them with"
)]
pub fn now_secs() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A generator whose printed seed replays a run: `AFTERWORD_SEED=7 cargo test …`.
pub fn random() -> SeededRandom {
    let given = std::env::var("AFTERWORD_SEED").ok().map(|text| text.parse().expect("AFTERWORD_SEED is a number"));
    let seed: u64 = given.unwrap_or_else(|| now_secs().unsigned_abs() ^ u64::from(std::process::id()) << 32);
    println!("AFTERWORD_SEED={seed}");
    SeededRandom::new(seed)
}
