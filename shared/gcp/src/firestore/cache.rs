//! A cache of the jobs and recordings that this process saw last. A write that demands them unchanged
//! need not read them first: most steps of a job come from the process that made the step before.
//!
//! Correctness does not depend on it. If another process has written since, the write is refused, and
//! then the document is read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::prost::Message;
use firestore::gcloud_sdk::prost_types::Timestamp as UpdateTime;

use super::path::{JOBS, Path, RECORDINGS};

/// The most documents in the cache. Each has a few kilobytes: this is more than a process works on at a
/// time, and a few mebibytes at most.
const MAX_DOCUMENTS: usize = 256;
/// The longest document that is cached. A longer one, of hours of speech, is read each time.
const MAX_DOCUMENT_BYTES: usize = 32 * 1024;

#[derive(Default)]
pub struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Each document with the count of its last use.
    documents: HashMap<Path, (u64, Document)>,
    uses: u64,
}

impl Cache {
    pub fn get(&self, path: &Path) -> Option<Document> {
        self.with(|kept| {
            kept.uses += 1;
            let (used, document) = kept.documents.get_mut(path)?;
            *used = kept.uses;
            Some(document.clone())
        })
    }

    /// Stores a document that was read or has just been written. One without an update time cannot be
    /// demanded unchanged, so it is not stored.
    pub fn insert(&self, path: &Path, document: &Document) {
        if !is_cached(path) {
            return;
        }
        let (Some(at), true) = (document.update_time, document.encoded_len() <= MAX_DOCUMENT_BYTES) else {
            return self.forget(path);
        };
        self.with(|kept| {
            let is_older = |(_, known): &(u64, Document)| known.update_time.is_some_and(|known| key(at) < key(known));
            if kept.documents.get(path).is_some_and(is_older) {
                return;
            }
            kept.uses += 1;
            kept.documents.insert(path.clone(), (kept.uses, document.clone()));
            if kept.documents.len() > MAX_DOCUMENTS
                && let Some(least) =
                    kept.documents.iter().min_by_key(|(_, (used, _))| *used).map(|(path, _)| path.clone())
            {
                kept.documents.remove(&least);
            }
        });
    }

    pub fn forget(&self, path: &Path) {
        self.with(|kept| _ = kept.documents.remove(path));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether documents of this collection are cached: those that one worker writes again and again.
fn is_cached(path: &Path) -> bool {
    [JOBS, RECORDINGS].contains(&path.collection())
}

fn key(at: UpdateTime) -> (i64, i32) {
    (at.seconds, at.nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firestore::value::{Fields, bytes};

    fn document(seconds: i64, size: usize) -> Document {
        let update_time = Some(UpdateTime { seconds, nanos: 0 });
        Document { update_time, fields: Fields::default().with("body", bytes(vec![0; size])).0, ..Document::default() }
    }

    fn job(number: u128) -> Path {
        Path::job(domain::JobId(uuid::Uuid::from_u128(number)))
    }

    #[test]
    fn latest_version_stays_when_older_one_arrives_late() {
        let cache = Cache::default();
        cache.insert(&job(1), &document(2, 1));
        cache.insert(&job(1), &document(1, 1));
        assert_eq!(cache.get(&job(1)), Some(document(2, 1)));
        cache.insert(&job(1), &Document { update_time: None, ..document(3, 1) });
        assert_eq!(cache.get(&job(1)), None);
    }

    #[test]
    fn cache_is_bounded_and_evicts_least_recently_used() {
        let cache = Cache::default();
        for number in 0..MAX_DOCUMENTS as u128 {
            cache.insert(&job(number), &document(1, 1));
        }
        assert!(cache.get(&job(0)).is_some());
        cache.insert(&job(MAX_DOCUMENTS as u128), &document(1, 1));
        assert!(cache.get(&job(0)).is_some() && cache.get(&job(1)).is_none());
        cache.insert(&job(0), &document(2, MAX_DOCUMENT_BYTES));
        assert!(cache.get(&job(0)).is_none(), "what it was before is not kept instead");
        let ann = domain::Uid::new("ann").unwrap();
        cache.insert(&Path::timeline(&ann, "phone"), &document(1, 1));
        assert!(cache.get(&Path::timeline(&ann, "phone")).is_none());
    }
}
