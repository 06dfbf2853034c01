//! Lists blobs in the order of their names, one page at a time, without reading folders that cannot
//! contain any of them.

use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use domain::Timestamp;
use flow::ports::BlobName;

use super::disk::is_absent;

pub struct Page<'a> {
    /// The folder below the root that is listed.
    pub folder: &'a str,
    pub prefix: &'a str,
    pub after: Option<&'a BlobName>,
    pub limit: usize,
    pub now: Timestamp,
}

type Listed = Vec<(BlobName, Duration)>;

pub fn list(root: &Path, page: &Page<'_>) -> io::Result<Listed> {
    let mut listed = Vec::new();
    let all = format!("{}/", page.folder);
    if page.may_hold(&all) {
        look_into(root, &all, page, &mut listed)?;
    }
    Ok(listed)
}

/// Adds the blobs of a folder, whose name ends with `/`.
fn look_into(root: &Path, folder: &str, page: &Page<'_>, listed: &mut Listed) -> io::Result<()> {
    for name in present(names(root, folder))?.unwrap_or_default() {
        if listed.len() >= page.limit {
            return Ok(());
        }
        if name.ends_with('/') {
            if page.may_hold(&name) {
                look_into(root, &name, page, listed)?;
            }
        } else if page.holds(&name)
            && let Some(about) = present(fs::metadata(root.join(&name)))?
        {
            listed.push((BlobName::listed(name), age(&about, page.now)?));
        }
    }
    Ok(())
}

/// The full names in a folder, sorted. Names of folders end with `/`, which is how they sort among the
/// names of blobs.
fn names(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        // The server never creates a name that is not UTF-8, so such a name is skipped.
        names.extend(full_name(folder, &entry?)?);
    }
    names.sort_unstable();
    Ok(names)
}

fn full_name(folder: &str, entry: &DirEntry) -> io::Result<Option<String>> {
    let is_folder = entry.file_type()?.is_dir();
    let name = entry.file_name().into_string().ok();
    Ok(name.map(|name| format!("{folder}{name}{}", if is_folder { "/" } else { "" })))
}

/// Maps "not found" to `None`, for files that disappear while they are listed.
fn present<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn age(about: &Metadata, now: Timestamp) -> io::Result<Duration> {
    let since_1970 = about.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok((Timestamp::default() + since_1970).until(now))
}

impl Page<'_> {
    fn holds(&self, name: &str) -> bool {
        name.starts_with(self.prefix) && self.after.is_none_or(|after| name > after.as_str())
    }

    /// Whether a folder may contain blobs of this page.
    fn may_hold(&self, folder: &str) -> bool {
        let in_prefix = folder.starts_with(self.prefix) || self.prefix.starts_with(folder);
        in_prefix && self.after.is_none_or(|after| folder > after.as_str() || after.as_str().starts_with(folder))
    }
}
