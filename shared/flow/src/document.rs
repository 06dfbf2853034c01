//! Reading stored documents, and handling those that cannot be read.
//!
//! A damaged document does not affect others: it is left out of lists, counts as unknown when asked for by id, and stays
//! until a person removes it. A document of a newer version is not damaged: it is left out of lists too, but whoever asks
//! for it by id gets a temporary error, because a process of that version can read it.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::metrics;

/// The newest document format that this version can read. Raise it with a change that earlier versions cannot read, and
/// write it into the documents as `document_format`. Documents without that field have format 1.
pub const FORMAT: u32 = 1;
/// The most unreadable documents that a process reports one by one. Further ones are not reported until it restarts.
const REMEMBERED: usize = 10_000;

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error(transparent)]
    Damaged(#[from] serde_json::Error),
    #[error("it was written by a newer version (format {0}, this program knows {FORMAT})")]
    Newer(u32),
}

#[derive(Deserialize)]
struct Mark {
    document_format: u32,
}

/// Reads a document. Fields that a later version added or dropped are no damage as long as the type allows it.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(bytes).map_err(|error| match serde_json::from_slice(bytes) {
        Ok(Mark { document_format }) if document_format > FORMAT => Unreadable::Newer(document_format),
        _ => Unreadable::Damaged(error),
    })
}

static REPORTED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Reports a document that cannot be read: it is logged and counted the first time in this process. `of` is the table and
/// `id` the document in it.
pub fn report_unreadable(of: &'static str, id: &dyn Display, why: &dyn Display) {
    let name = format!("{of} {id}");
    if is_first_report(&mut REPORTED.lock().unwrap_or_else(PoisonError::into_inner), &name) {
        metrics::damaged(of);
        tracing::error!(
            document = name, cause = %why,
            remedy = "list them with `afterword admin damaged`; remove them with `admin remove`, or restore a backup",
            "a stored document cannot be read; it is left out, and stays until a person removes it"
        );
    }
}

fn is_first_report(reported: &mut HashSet<String>, name: &str) -> bool {
    if reported.len() >= REMEMBERED || reported.contains(name) {
        return false;
    }
    reported.insert(name.to_owned());
    if reported.len() == REMEMBERED {
        tracing::error!(
            documents = REMEMBERED,
            remedy = "list all of them with `afterword admin damaged`; a backup may be better than removing so many",
            "further unreadable documents are not reported one by one"
        );
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Thing {
        size: u32,
    }

    #[test]
    fn document_of_newer_version_is_not_taken_for_damaged() {
        assert_eq!(read::<Thing>(br#"{"size":3,"document_format":9}"#).unwrap(), Thing { size: 3 });
        assert!(matches!(read::<Thing>(br#"{"size":{"w":1},"document_format":9}"#), Err(Unreadable::Newer(9))));
        for damaged in
            ["", "{", r#"{"size":"x"}"#, r#"{"size":"x","document_format":1}"#, r#"{"document_format":"9"}"#, "7"]
        {
            assert!(matches!(read::<Thing>(damaged.as_bytes()), Err(Unreadable::Damaged(_))), "{damaged}");
        }
    }

    #[test]
    fn each_document_is_reported_once_and_their_number_is_bounded() {
        let mut reported = HashSet::new();
        assert!(
            is_first_report(&mut reported, "jobs 1")
                && !is_first_report(&mut reported, "jobs 1")
                && is_first_report(&mut reported, "jobs 2")
        );
        let first_reports =
            (0..2 * REMEMBERED).filter(|n| is_first_report(&mut reported, &format!("lines {n}"))).count();
        assert_eq!((first_reports, reported.len()), (REMEMBERED - 2, REMEMBERED));
    }
}
