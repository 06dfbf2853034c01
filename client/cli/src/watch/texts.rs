//! Texts beside recordings. Each is written whole or not at all, and nothing is replaced that this program did not write.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ledger::{Ledger, Text};
use crate::messages::Message;

/// A file that is larger than this was not written here.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// Why a text is not written.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// Both names are those of files that were not written here.
    #[error("{} and {} exist and were not written by this program: they are left as they are", .0.display(), .1.display())]
    Taken(PathBuf, PathBuf),
    /// The disk refuses. It may be full, or read-only, for a while.
    #[error("{} cannot be written: {why}", path.display())]
    Disk { path: PathBuf, why: io::Error },
    #[error(transparent)]
    Ledger(Message),
}

/// Writes the text of a recording in the format of this extension. Returns where it is.
pub fn write(ledger: &Ledger, recording: &Path, extension: &str, text: &str) -> Result<PathBuf, TextError> {
    let short = recording.with_extension(extension);
    // Another recording may have the same name but for its extension, or the user has notes of this name.
    let long = PathBuf::from(format!("{}.{extension}", recording.display()));
    for target in [&short, &long] {
        if put(ledger, recording, target, text)? {
            return Ok(target.clone());
        }
    }
    Err(TextError::Taken(short, long))
}

/// Whether a text could be written beside the recording now: its words need not be fetched otherwise.
pub fn can_write(recording: &Path) -> bool {
    let probe = temporary(recording);
    let can = write_durably(&probe, "").is_ok();
    let _ = fs::remove_file(&probe);
    can
}

/// Writes the text to this path; whether the path may be used.
fn put(ledger: &Ledger, recording: &Path, target: &Path, text: &str) -> Result<bool, TextError> {
    let disk = |why| TextError::Disk { path: target.to_owned(), why };
    let (path, recording) = (target.display().to_string(), recording.display().to_string());
    let known = ledger.text(&path).map_err(TextError::Ledger)?.filter(|known| known.recording == recording);
    let found = digest_of(target).map_err(disk)?;
    let new = hex(&Sha256::digest(text));
    let is_ours = |found: &String| {
        // An empty file is what a kill leaves between the two steps below.
        known
            .as_ref()
            .is_some_and(|known| [&known.digest, &known.digest_before, &hex(&Sha256::digest(""))].contains(&found))
    };
    if found.as_ref().is_some_and(|found| !is_ours(found)) {
        return Ok(false);
    }
    if found.as_ref() == Some(&new) {
        return Ok(true);
    }
    let temporary = temporary(target);
    write_durably(&temporary, text).map_err(disk)?;
    // The ledger knows both contents before the file changes: a kill leaves one of them.
    let digest_before = known.map(|known| known.digest).unwrap_or_default();
    let row = Text { recording, digest: new, digest_before: found.clone().unwrap_or(digest_before) };
    ledger.put_text(&path, &row).map_err(TextError::Ledger)?;
    if found.is_none() {
        // A file that somebody else creates at this moment is not replaced.
        match OpenOptions::new().write(true).create_new(true).open(target) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let _ = fs::remove_file(&temporary);
                return Ok(false);
            }
            Err(error) => return Err(disk(error)),
        }
    }
    fs::rename(&temporary, target).map_err(disk)?;
    // Not every network mount can do this; the text can be fetched again.
    let _ = target.parent().map(File::open).transpose().map(|folder| folder.map(|folder| folder.sync_all()));
    Ok(true)
}

/// A hidden name: neither this program nor a person takes it for a text.
fn temporary(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.afterword"))
}

fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    // What a kill left behind.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// The digest of a file; `None` if there is none.
fn digest_of(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            return Ok(None);
        }
        // A link that leads nowhere, or a file that cannot be read, is not ours.
        Err(_) => return Ok(Some(String::new())),
    };
    if !file.metadata()?.is_file() {
        return Ok(Some(String::new()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(hex(&Sha256::digest(&bytes))))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        folder: tempfile::TempDir,
        ledger: Ledger,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("in")).unwrap();
            let ledger = Ledger::open(&folder.path().join("watch.db")).unwrap();
            Self { folder, ledger }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join("in").join(name)
        }

        fn write(&self, recording: &str, text: &str) -> Result<PathBuf, TextError> {
            write(&self.ledger, &self.at(recording), "md", text)
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.at(name)).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let names = fs::read_dir(self.at("")).unwrap();
            let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn text_is_replaced_as_long_as_nobody_else_changes_it() {
        let bench = Bench::new();
        assert_eq!(bench.write("memo.wav", "first").unwrap(), bench.at("memo.md"));
        assert_eq!(bench.write("memo.wav", "second").unwrap(), bench.at("memo.md"));
        assert_eq!((bench.read("memo.md").as_str(), bench.names()), ("second", vec!["memo.md".to_owned()]));
        fs::write(bench.at("memo.md"), "with my notes").unwrap();
        assert_eq!(bench.write("memo.wav", "third").unwrap(), bench.at("memo.wav.md"));
        assert_eq!((bench.read("memo.md").as_str(), bench.read("memo.wav.md").as_str()), ("with my notes", "third"));
        fs::write(bench.at("memo.wav.md"), "mine, too").unwrap();
        assert!(matches!(bench.write("memo.wav", "fourth").unwrap_err(), TextError::Taken(..)));
        assert_eq!((bench.read("memo.wav.md").as_str(), bench.names().len()), ("mine, too", 2));
    }

    #[test]
    fn recordings_with_the_same_stem_have_texts_of_their_own() {
        let bench = Bench::new();
        bench.write("memo.wav", "of the wav").unwrap();
        assert_eq!(bench.write("memo.mp3", "of the mp3").unwrap(), bench.at("memo.mp3.md"));
        assert_eq!(bench.write("memo.mp3", "of the mp3, again").unwrap(), bench.at("memo.mp3.md"));
        assert_eq!(bench.read("memo.md"), "of the wav");
    }

    #[test]
    fn links_and_folders_of_the_name_are_left_as_they_are() {
        let bench = Bench::new();
        fs::write(bench.at("elsewhere"), "elsewhere").unwrap();
        std::os::unix::fs::symlink(bench.at("elsewhere"), bench.at("memo.md")).unwrap();
        fs::create_dir(bench.at("memo.wav.md")).unwrap();
        assert!(matches!(bench.write("memo.wav", "text").unwrap_err(), TextError::Taken(..)));
        std::os::unix::fs::symlink(bench.at("nowhere"), bench.at("other.md")).unwrap();
        assert_eq!(bench.write("other.wav", "text").unwrap(), bench.at("other.wav.md"));
        assert_eq!(bench.read("elsewhere"), "elsewhere");
        assert!(!bench.at("nowhere").exists());
    }

    #[test]
    fn kill_at_any_step_leaves_a_text_that_the_next_run_completes() {
        let bench = Bench::new();
        // After the temporary file: nothing is known of it.
        fs::write(bench.at(".memo.md.afterword"), "ha").unwrap();
        bench.write("memo.wav", "first").unwrap();
        // After the ledger: the file has its content of before.
        let (path, recording) = (bench.at("memo.md").display().to_string(), bench.at("memo.wav").display().to_string());
        let known = bench.ledger.text(&path).unwrap().unwrap();
        let next = Text { recording, digest: "next".to_owned(), digest_before: known.digest };
        bench.ledger.put_text(&path, &next).unwrap();
        bench.write("memo.wav", "second").unwrap();
        // After the empty file that takes the name.
        fs::write(bench.at("memo.md"), "").unwrap();
        bench.write("memo.wav", "third").unwrap();
        assert_eq!((bench.read("memo.md").as_str(), bench.names()), ("third", vec!["memo.md".to_owned()]));
    }

    #[test]
    fn folder_that_is_gone_is_an_error_that_may_pass() {
        let bench = Bench::new();
        fs::remove_dir(bench.at("")).unwrap();
        assert!(!can_write(&bench.at("memo.wav")));
        assert!(matches!(bench.write("memo.wav", "text").unwrap_err(), TextError::Disk { .. }));
        fs::create_dir(bench.at("")).unwrap();
        assert!(can_write(&bench.at("memo.wav")) && bench.names().is_empty());
    }
}
