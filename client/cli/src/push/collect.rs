//! Which files a user means: files, and everything in folders that is a recording by its name.

use std::fs;
use std::path::{Path, PathBuf};

use domain::name::SoundFile;

use crate::messages::Message;

/// The deepest folder that is looked into. A folder of recordings has a few levels; a link that leads back has no end.
const MAX_DEPTH: usize = 32;
/// The most files of one command.
pub const MAX_FILES: usize = 100_000;

/// The files of these paths, without doubles and in the order of their names.
pub fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Message> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable = |why: std::io::Error| Message::PathUnreadable { path: path.clone(), why: why.to_string() };
        // The engine remembers files by their path, and is started in any folder.
        let absolute = fs::canonicalize(path).map_err(unreadable)?;
        if absolute.is_dir() {
            let before = files.len();
            look_into(&absolute, 0, &mut files)?;
            if files.len() == before {
                return Err(Message::NoRecordings { path: path.clone() });
            }
        } else {
            files.push(absolute);
        }
    }
    files.sort();
    files.dedup();
    if files.len() > MAX_FILES {
        return Err(Message::TooManyFiles { most: MAX_FILES });
    }
    Ok(files)
}

fn look_into(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Message> {
    let unreadable = |why: std::io::Error| Message::PathUnreadable { path: folder.to_owned(), why: why.to_string() };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_hidden = name.to_string_lossy().starts_with('.');
        let kind = entry.file_type().map_err(unreadable)?;
        if is_hidden || files.len() > MAX_FILES {
            continue;
        } else if kind.is_dir() && depth < MAX_DEPTH {
            look_into(&path, depth + 1, files)?;
        } else if is_recording(&path) && fs::metadata(&path).is_ok_and(|meta| meta.is_file()) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether the name ends like that of a recording.
fn is_recording(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| extension == "bin" || extension.parse::<SoundFile>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_for_recordings_and_named_files_are_always_taken() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().canonicalize().unwrap().join(name);
        fs::create_dir_all(at("in/deep/.hidden")).unwrap();
        for name in [
            "in/b.WAV",
            "in/a.bin",
            "in/deep/c.opus",
            "in/deep/notes.txt",
            "in/.d.wav",
            "in/deep/.hidden/e.wav",
            "f.txt",
        ] {
            fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(at("in"), at("in/deep/again")).unwrap();
        let found = collect(&[at("in"), at("f.txt"), at("in/a.bin")]).unwrap();
        assert_eq!(found, ["f.txt", "in/a.bin", "in/b.WAV", "in/deep/c.opus"].map(at));
        assert!(matches!(collect(&[at("nowhere")]), Err(Message::PathUnreadable { .. })));
        fs::create_dir(at("empty")).unwrap();
        assert!(matches!(collect(&[at("empty")]), Err(Message::NoRecordings { .. })));
    }
}
