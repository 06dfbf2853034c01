//! Whether a chunk is worth keeping (R4).

use std::time::Duration;

/// Whether the chunk is kept: `unsynced` is the audio that the live socket did not take.
pub fn is_kept(unsynced: Duration, min_unsynced: Duration, keep_everything: bool) -> bool {
    keep_everything || (unsynced > Duration::ZERO && unsynced >= min_unsynced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r04_store_gate_keeps_exactly_the_minimum_and_never_nothing() {
        let ms = Duration::from_millis;
        for (unsynced, minimum, everything, kept) in [
            (0, 0, false, false),
            (10, 0, false, true),
            (9_990, 10_000, false, false),
            (10_000, 10_000, false, true),
            (10_010, 10_000, false, true),
            (0, 10_000, true, true),
            (0, 0, true, true),
        ] {
            assert_eq!(is_kept(ms(unsynced), ms(minimum), everything), kept, "{unsynced} of {minimum}, {everything}");
        }
    }
}
