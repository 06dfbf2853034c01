//! Reads `models.list`, the list of model files. The build script uses this module too.

use std::path::Path;

use sha2::{Digest, Sha256};

/// A file of a model, or its licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Path in the folder of models, such as `silero/LICENSE`.
    pub name: &'static str,
    pub bytes: u64,
    /// Hexadecimal, in lower case.
    pub sha256: &'static str,
    /// The package and version that the file comes from.
    pub package: &'static str,
}

impl File {
    pub fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.bytes && hex::encode(Sha256::digest(bytes)) == self.sha256
    }

    /// The model that the file belongs to, which is the name of its folder.
    pub fn model(&self) -> &'static str {
        self.name.split('/').next().unwrap_or(self.name)
    }

    pub fn is_licence(&self) -> bool {
        self.name.contains("/LICENSE") || self.name.ends_with("/package.json")
    }
}

/// Every file of the list. Lines that are not valid are skipped; a test ensures that the list has none.
pub fn parse(list: &'static str) -> Vec<File> {
    list.lines().filter(|line| !line.starts_with('#')).filter_map(file).collect()
}

fn file(line: &'static str) -> Option<File> {
    let mut fields = line.split_whitespace();
    let (name, bytes, sha256) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?);
    let (_registry, package, _path) = (fields.next()?, fields.next()?, fields.next()?);
    Some(File { name, bytes, sha256, package })
}

/// The folder of models if none is configured. `scripts/setup-models` uses the same one.
pub fn cache_folder(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<std::path::PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(folder) = set("AFTERWORD_MODELS") {
        return Some(folder.into());
    }
    let cache = |folder: std::ffi::OsString| Path::new(&folder).join("afterword").join("models");
    set("XDG_CACHE_HOME").map(cache).or_else(|| set("HOME").map(|home| cache(Path::new(&home).join(".cache").into())))
}
