//! Whether a path lies in a folder, whatever links and mounts lead there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The folders of a data folder that may be links to another disk: the server follows them.
const MAY_BE_LINKS: [&str; 5] = ["blobs", "uploads", "partial", "secrets", "sample"];
/// The deepest tree, `blobs/uploads/<user>/<job>`, needs four levels.
const MAX_DEPTH: usize = 8;

/// The device and the number by which the system knows a folder: they are the same under each name that it has.
type Identity = (u64, u64);

/// Whether a folder that exists is `outer`, or lies in it or in a folder that a link or a bind mount shows elsewhere.
pub fn is_inside(folder: &Path, outer: &Path) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let above: BTreeSet<Identity> = folder.ancestors().filter_map(identity).collect();
    is_one_of(&above, outer, MAX_DEPTH)
}

fn identity(folder: &Path) -> Option<Identity> {
    fs::metadata(folder).ok().map(|about| (about.dev(), about.ino()))
}

/// Whether the folder, or one in it, is one of those above the path in question.
fn is_one_of(above: &BTreeSet<Identity>, folder: &Path, depth: usize) -> bool {
    if identity(folder).is_some_and(|identity| above.contains(&identity)) {
        return true;
    }
    // What cannot be read is somebody else's, such as `lost+found`.
    let Ok(entries) = fs::read_dir(folder) else { return false };
    depth > 0
        && entries.flatten().any(|entry| {
            let is_followed = MAY_BE_LINKS.iter().any(|name| entry.file_name() == *name) && depth > MAX_DEPTH - 2;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir() || (kind.is_symlink() && is_followed));
            is_folder && is_one_of(above, &entry.path(), depth - 1)
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_into_and_out_of_the_folder_are_seen() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for folder in ["data/blobs", "data/secrets/a", "large/uploads/user", "other"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        symlink(at("large/uploads"), at("data/blobs/uploads")).unwrap();
        symlink(at("data/secrets"), at("link")).unwrap();
        // Only the server's own folders are followed: nothing of the server is in this one.
        symlink(at("other"), at("data/other")).unwrap();
        for (folder, expected) in [
            ("data", true),
            ("data/secrets/a", true),
            ("link/a", true),
            ("large/uploads", true),
            ("large/uploads/user", true),
            ("large", false),
            ("other", false),
            ("", false),
        ] {
            assert_eq!(is_inside(&at(folder), &at("data")), expected, "{folder}");
        }
    }
}
