//! A file that only its owner may read, and that gets its name only when it is complete and durable.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf, absolute};

use super::{Error, Result};

const BUFFER: usize = 256 * 1024;

pub struct NewFile {
    out: BufWriter<File>,
    /// The temporary file. It is in the same folder as the final one, so that both are on the same disk.
    part: Part,
    to: PathBuf,
}

/// A temporary file that is removed when this is dropped.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // If it cannot be removed, its name still shows that it is incomplete.
        drop(fs::remove_file(&self.0));
    }
}

impl NewFile {
    /// Creates the file. No file of that name may exist, neither now nor when it is published.
    pub fn create(to: &Path) -> Result<Self> {
        let to = absolute(to).unwrap_or_else(|_| to.to_owned());
        let failed = |why| Error::File { path: to.clone(), why };
        let Some(name) = to.file_name() else { return Err(failed(io::ErrorKind::InvalidInput.into())) };
        if to.symlink_metadata().is_ok() {
            return Err(Error::Exists(to));
        }
        let mut part = std::ffi::OsString::from(".");
        part.push(name);
        part.push(format!(".{}.part", std::process::id()));
        let part = to.with_file_name(part);
        let file = private(&part).map_err(failed)?;
        Ok(Self { out: BufWriter::with_capacity(BUFFER, file), part: Part(part), to })
    }

    pub fn publish(mut self) -> Result<()> {
        let Self { out, part, to } = &mut self;
        let mut name = || {
            out.flush()?;
            out.get_ref().sync_all()?;
            // This claims the name and fails if it is taken. After that the name is ours to replace.
            private(to)?;
            fs::rename(&part.0, &*to)?;
            to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        name().map_err(|why: io::Error| match why.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists(to.clone()),
            _ => Error::File { path: to.clone(), why },
        })
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("afterword-archive-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn file_is_private_and_gets_its_name_only_when_complete() {
        let folder = folder("whole");
        let path = folder.join("file");
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(names(&folder), [] as [String; 0], "what broke off leaves nothing");
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        file.publish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(&folder).len()), (b"whole".to_vec(), 1));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn existing_file_is_never_replaced() {
        let folder = folder("taken");
        let path = folder.join("file");
        let file = NewFile::create(&path).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        assert!(matches!(NewFile::create(&path), Err(Error::Exists(_))));
        assert!(matches!(file.publish(), Err(Error::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
        fs::remove_dir_all(folder).unwrap();
    }
}
