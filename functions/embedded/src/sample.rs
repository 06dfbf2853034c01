//! Writes the sample recording that a new user sends first: real speech, in the data folder, with the current time in
//! its name.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use domain::Timestamp;
use local::folder::{durable, private};

/// Where it comes from is described in `assets/LICENCE.md`. It is not [`audio::SAMPLE`], which is shorter: that one shows that
/// an engine answers at all.
const SAMPLE: &[u8] = include_bytes!("../assets/sample.ogg");

/// Writes the sample and removes those of earlier starts.
pub fn write(data_dir: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let folder = data_dir.join("sample");
    durable::make_folder(&folder)?;
    for old in std::fs::read_dir(&folder)?.flatten() {
        let _ = std::fs::remove_file(old.path());
    }
    let seconds = now.millis().div_euclid(1000);
    let path = folder.join(format!("sample_{seconds}.ogg"));
    private::make_file(&path)?.write_all(SAMPLE)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_has_a_valid_upload_name_and_replaces_the_previous_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = write(folder.path(), Timestamp::from_secs(1_800_000_000)).unwrap();
        let second = write(folder.path(), Timestamp::from_secs(1_800_000_001)).unwrap();
        assert!(!first.exists());
        let name = second.file_name().unwrap().to_str().unwrap();
        let parsed = domain::name::parse(name).unwrap();
        assert_eq!(parsed.captured_at, Some(Timestamp::from_secs(1_800_000_001)));
        assert_eq!(std::fs::read(second).unwrap(), SAMPLE);
    }
}
