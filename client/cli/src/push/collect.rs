//! Which files a user means: files, and everything in folders that is a recording by its name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
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
        let absolute = real_path(path).map_err(unreadable)?;
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
    let files = without_doubles(files);
    if files.len() > MAX_FILES {
        return Err(Message::TooManyFiles { most: MAX_FILES });
    }
    Ok(files)
}

/// The path to which a link leads: the engine remembers files by their path, and is started in any folder. A link whose name
/// is that of a recording, to a file with another kind of name, stays a link: its name says what the file is.
fn real_path(path: &Path) -> std::io::Result<PathBuf> {
    let real = fs::canonicalize(path)?;
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if is_recording(path) && !is_recording(&real) && !real.is_dir() => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            Ok(fs::canonicalize(folder)?.join(name))
        }
        _ => Ok(real),
    }
}

/// The files in the order of their names, each once: hard links, and links beside what they lead to, are the same recording.
fn without_doubles(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.sort();
    files.dedup();
    let mut seen = BTreeSet::new();
    files.retain(|path| match fs::metadata(path) {
        Ok(meta) => seen.insert((meta.dev(), meta.ino())),
        // What is gone meanwhile is told when it is read.
        Err(_) => true,
    });
    files
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
            // A link that leads nowhere by now is left out.
            files.extend(if kind.is_symlink() { real_path(&path).ok() } else { Some(path) });
        }
    }
    Ok(())
}

/// Whether the name ends like that of a recording.
pub fn is_recording(path: &Path) -> bool {
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
        assert_eq!(collect(&[]).unwrap(), [] as [PathBuf; 0]);
        assert!(matches!(collect(&[at("empty")]), Err(Message::NoRecordings { .. })));
    }
    #[test]
    fn links_and_hard_links_to_the_same_file_are_one_recording() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().canonicalize().unwrap().join(name);
        fs::create_dir(at("in")).unwrap();
        fs::write(at("in/b.wav"), "b").unwrap();
        fs::write(at("in/content"), "c").unwrap();
        fs::hard_link(at("in/b.wav"), at("in/c.wav")).unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(at(to), at(name)).unwrap();
        link("in/b.wav", "in/a.wav");
        link("in/b.wav", "elsewhere.wav");
        link("in/content", "in/d.wav");
        link("in/nowhere", "in/e.wav");
        // The link `a.wav` comes first by its name, and the file itself is sent under its own name.
        assert_eq!(collect(&[at("in"), at("elsewhere.wav")]).unwrap(), ["in/b.wav", "in/d.wav"].map(at));
        assert_eq!(
            collect(&[at("in/d.wav"), at("in/a.wav"), at("in/c.wav")]).unwrap(),
            ["in/b.wav", "in/d.wav"].map(at)
        );
    }
}
