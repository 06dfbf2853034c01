//! Access to model files: embedded in the program, or read from a folder once and then kept in memory.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::error::ModelError;
use crate::{EMBEDDED, File, files, list};

/// Where this process looks for models.
#[derive(Clone, Debug)]
pub struct Models {
    folder: Option<PathBuf>,
    /// Whether the folder was configured. A configured folder wins over embedded files.
    named: bool,
}

/// All files that this process has read. Engines need bytes that live as long as the process, and each file is read once.
static READ: LazyLock<Mutex<HashMap<PathBuf, &'static [u8]>>> = LazyLock::new(Mutex::default);

impl Models {
    /// Uses the configured folder. If `configured` is empty, uses embedded files, then the cache folder.
    pub fn new(configured: &str) -> Self {
        Self::with(configured, |name| std::env::var_os(name))
    }

    pub(crate) fn with(configured: &str, variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let named = !configured.is_empty();
        let folder = if named { Some(PathBuf::from(configured)) } else { list::cache_folder(variable) };
        Self { folder, named }
    }

    /// The bytes of a file after its checksum was verified. They stay in memory for as long as the process runs.
    pub fn bytes(&self, name: &str) -> Result<&'static [u8], ModelError> {
        let file = files().iter().find(|file| file.name == name);
        let file = file.ok_or_else(|| ModelError::Unknown(name.chars().take(100).collect()))?;
        let embedded = EMBEDDED.iter().find(|(embedded, _)| *embedded == name).map(|(_, bytes)| *bytes);
        match embedded {
            Some(bytes) if !self.named => Ok(bytes),
            // A configured folder may hold only one model; the others then come from the embedded files.
            Some(bytes) => self.read(file).or_else(|why| if why.is_missing() { Ok(bytes) } else { Err(why) }),
            None => self.read(file),
        }
    }

    fn read(&self, file: &File) -> Result<&'static [u8], ModelError> {
        let name = file.name;
        let folder = self.folder.as_ref().ok_or_else(|| ModelError::NoFolder { name: name.to_owned() })?;
        let path = folder.join(name);
        // The lock is held while reading, so that concurrent callers read the file only once.
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = read.get(&path) {
            return Ok(bytes);
        }
        let bytes: &'static [u8] = read_verified(file, &path)?.leak();
        read.insert(path, bytes);
        Ok(bytes)
    }
}

fn read_verified(file: &File, path: &Path) -> Result<Vec<u8>, ModelError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => ModelError::Missing { name: file.name.to_owned(), path: path.to_owned() },
        _ => ModelError::Unreadable { path: path.to_owned(), source },
    };
    let opened = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // Reading stops one byte above the expected size, however large the file is.
    opened.take(file.bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
    if !file.is(&bytes) {
        return Err(ModelError::Wrong { path: path.to_owned(), expected: file.sha256 });
    }
    Ok(bytes)
}
