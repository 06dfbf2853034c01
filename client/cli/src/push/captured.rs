//! When a file was recorded: its name says it, or its metadata, or the time of its last change (R43).

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use domain::Timestamp;
use domain::name::{EARLIEST_MS, MAX_FUTURE};

use super::media_time;

/// The time of a recording, and where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    pub at: Option<Timestamp>,
    pub source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The name has it: nothing is sent beside it.
    Name,
    Metadata,
    /// The file was last changed then.
    Modified,
    /// Nothing has a time that can be: the server takes the time of arrival.
    Nothing,
}

impl Source {
    /// In words, for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Name => "from its name",
            Self::Metadata => "from its metadata",
            Self::Modified => "from the time of its last change",
            Self::Nothing => "nothing says when it was recorded: the time of arrival counts",
        }
    }

    /// In one word, for a program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Metadata => "metadata",
            Self::Modified => "modified",
            Self::Nothing => "nothing",
        }
    }
}

/// Finds the time of a file that was recorded before `now`.
pub fn captured(file: &Path, now: Timestamp) -> Captured {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if let Some(at) = domain::name::parse(name).ok().and_then(|parsed| parsed.captured_at) {
        return Captured { at: Some(at), source: Source::Name };
    }
    let found = [(media_time::of(file), Source::Metadata), (modified(file), Source::Modified)];
    let plausible = found.into_iter().find_map(|(at, source)| Some((at.filter(|at| is_plausible(*at, now))?, source)));
    let (at, source) = plausible.map_or((None, Source::Nothing), |(at, source)| (Some(at), source));
    Captured { at, source }
}

/// A clock that was never set counts from 1904 or 1970, and the server refuses what lies in the future.
fn is_plausible(at: Timestamp, now: Timestamp) -> bool {
    at.millis() >= EARLIEST_MS && now.until(at) <= MAX_FUTURE
}

fn modified(file: &Path) -> Option<Timestamp> {
    let since = fs::metadata(file).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn written(name: &str, bytes: &[u8], modified: SystemTime) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        (folder, path)
    }

    #[test]
    fn r43_time_comes_from_name_then_metadata_then_last_change() {
        let now = Timestamp::from_secs(1_800_000_000);
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        let mut wav = b"RIFF\x40\0\0\0WAVELIST\x20\0\0\0INFOICRD\x14\0\0\x002026-11-20T10:00:00Z".to_vec();
        wav.extend(b"data\0\0\0\0");
        let (_kept, named) = written("audio_a_opus_16000_1_fs160_1748300000.bin", b"x", at(1_790_000_000));
        let expected = Captured { at: Some(Timestamp::from_secs(1_748_300_000)), source: Source::Name };
        assert_eq!(captured(&named, now), expected);
        let (_kept, tagged) = written("memo.wav", &wav, at(1_790_000_000));
        let expected = Captured { at: Some("2026-11-20T10:00:00Z".parse().unwrap()), source: Source::Metadata };
        assert_eq!(captured(&tagged, now), expected);
        let (_kept, plain) = written("memo.wav", b"RIFF", at(1_790_000_000));
        let expected = Captured { at: Some(Timestamp::from_secs(1_790_000_000)), source: Source::Modified };
        assert_eq!(captured(&plain, now), expected);
    }

    #[test]
    fn times_of_clocks_that_were_never_set_or_run_ahead_are_left_out() {
        let now = Timestamp::from_secs(1_800_000_000);
        for secs in [0, 1_000_000_000, 1_800_000_301] {
            let (_kept, file) = written("memo.wav", b"RIFF", UNIX_EPOCH + Duration::from_secs(secs));
            assert_eq!(captured(&file, now), Captured { at: None, source: Source::Nothing }, "{secs}");
        }
    }
}
