//! The sample recording that a newcomer sends first: real speech, written into the data folder, stamped now.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use domain::Timestamp;
use local::folder::{durable, private};

/// Writes the sample and removes those of earlier starts.
pub fn write(data_dir: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let folder = data_dir.join("sample");
    durable::make_folder(&folder)?;
    for old in std::fs::read_dir(&folder)?.flatten() {
        let _ = std::fs::remove_file(old.path());
    }
    let seconds = now.millis().div_euclid(1000);
    let name = format!("{}_{seconds}.bin", audio::SAMPLE_NAME_STEM);
    let path = folder.join(name);
    private::make_file(&path)?.write_all(audio::SAMPLE)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_has_a_name_that_an_upload_takes_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let first = write(folder.path(), Timestamp::from_secs(1_800_000_000)).unwrap();
        let second = write(folder.path(), Timestamp::from_secs(1_800_000_001)).unwrap();
        assert!(!first.exists());
        let name = second.file_name().unwrap().to_str().unwrap();
        let parsed = domain::name::parse(name).unwrap();
        assert_eq!(parsed.captured_at, Some(Timestamp::from_secs(1_800_000_001)));
        assert_eq!(std::fs::read(second).unwrap(), audio::SAMPLE);
    }
}
