//! The folder that models are read from, and the models themselves: built in, or read once and kept.

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
    /// A folder that was named wins over what is built in.
    named: bool,
}

/// What was read in this process stays: engines want bytes that never go away, and each file once.
static READ: LazyLock<Mutex<HashMap<PathBuf, &'static [u8]>>> = LazyLock::new(Mutex::default);

impl Models {
    /// In the configured folder; without one, what is built in, then the cache folder.
    pub fn new(configured: &str) -> Self {
        Self::with(configured, |name| std::env::var_os(name))
    }

    pub(crate) fn with(configured: &str, variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let named = !configured.is_empty();
        let folder = if named { Some(PathBuf::from(configured)) } else { list::cache_folder(variable) };
        Self { folder, named }
    }

    /// The bytes of a file, checked. They stay in memory for as long as the process runs.
    pub fn bytes(&self, name: &str) -> Result<&'static [u8], ModelError> {
        let file = files().iter().find(|file| file.name == name);
        let file = file.ok_or_else(|| ModelError::Unknown(name.chars().take(100).collect()))?;
        let embedded = EMBEDDED.iter().find(|(embedded, _)| *embedded == name).map(|(_, bytes)| *bytes);
        match embedded {
            Some(bytes) if !self.named => Ok(bytes),
            // A folder may hold one model only, beside what is built in.
            Some(bytes) => self.read(file).or_else(|why| if why.is_missing() { Ok(bytes) } else { Err(why) }),
            None => self.read(file),
        }
    }

    fn read(&self, file: &File) -> Result<&'static [u8], ModelError> {
        let name = file.name;
        let folder = self.folder.as_ref().ok_or_else(|| ModelError::NoFolder { name: name.to_owned() })?;
        let path = folder.join(name);
        // Held while reading: of two who want it, one reads.
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = read.get(&path) {
            return Ok(bytes);
        }
        let bytes: &'static [u8] = checked(file, &path)?.leak();
        read.insert(path, bytes);
        Ok(bytes)
    }
}

fn checked(file: &File, path: &Path) -> Result<Vec<u8>, ModelError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => ModelError::Missing { name: file.name.to_owned(), path: path.to_owned() },
        _ => ModelError::Unreadable { path: path.to_owned(), source },
    };
    let opened = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more than there may be: whatever lies there, no more of it is read.
    opened.take(file.bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
    if !file.is(&bytes) {
        return Err(ModelError::Wrong { path: path.to_owned(), expected: file.sha256 });
    }
    Ok(bytes)
}
