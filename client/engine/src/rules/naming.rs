//! The file name of a new chunk (R5).

use std::time::Duration;

use domain::name::EARLIEST_MS;
use domain::{FrameFormat, Timestamp};

/// A name may be taken this often before the next free millisecond is found: more chunks than that never begin at once.
const MAX_TRIES: u64 = 100_000;

/// The time that a recording gets if the clock shows this: a clock that was never set shows a time that no name may contain.
pub fn plausible(now: Timestamp) -> Timestamp {
    now.max(Timestamp::from_millis(EARLIEST_MS))
}

/// A name that no other chunk has, with the time that it contains: of two chunks with the same name, the later one begins a
/// millisecond later.
pub fn free_name(
    format: FrameFormat,
    device: &str,
    captured_at: Timestamp,
    mut is_taken: impl FnMut(&str) -> bool,
) -> Option<(String, Timestamp)> {
    let first = plausible(captured_at);
    (0..MAX_TRIES).find_map(|ms| {
        let at = first + Duration::from_millis(ms);
        let name = format.file_name(device, at);
        (!is_taken(&name)).then_some((name, at))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::Format;

    use super::*;

    #[test]
    fn r05_names_follow_the_pattern_and_never_collide() {
        let mut taken = BTreeSet::new();
        for at in [1_748_300_000_000, 1_748_300_000_000, 1_748_300_000_001, 0, 0, -5] {
            let (name, time) =
                free_name(FrameFormat::BARE, "Phone mic!", Timestamp::from_millis(at), |name| taken.contains(name))
                    .unwrap();
            let parsed = domain::name::parse(&name).unwrap();
            assert_eq!(parsed.captured_at, Some(time), "{name}");
            assert_eq!(parsed.format, Format::Frames(FrameFormat::BARE));
            assert_eq!(parsed.stream.device, "phonemic");
            assert!(taken.insert(name));
        }
        assert!(taken.contains("audio_phonemic_opus_16000_1_fs160_1748300000.bin"));
        assert!(taken.contains("audio_phonemic_opus_16000_1_fs160_1748300000.001.bin"));
        assert!(taken.contains("audio_phonemic_opus_16000_1_fs160_1704067200.bin"), "a clock that was never set");
    }
}
