//! Records when this script ran, which is about when the program was built: a clock before that time was never set.
//!
//! Cargo runs the script once, and again only if it or the variable changes. So a build that changes other files keeps an
//! earlier time, and nothing is compiled again for it.

use std::time::SystemTime;

/// The time of a reproducible build, in seconds since 1970.
const GIVEN: &str = "SOURCE_DATE_EPOCH";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={GIVEN}");
    let given = std::env::var(GIVEN).ok().and_then(|text| text.parse::<u64>().ok());
    println!("cargo::rustc-env=BUILT_AT={}", given.unwrap_or_else(now));
}

#[expect(clippy::disallowed_methods, reason = "a build has no clock port")]
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
