//! Documents read and written, as Google charges for them.

use std::sync::atomic::{AtomicU64, Ordering};

const READ: &str = "afterword_firestore_documents_read_total";
const WRITTEN: &str = "afterword_firestore_documents_written_total";

/// The counts of this process. The service's own figures cover all processes.
#[derive(Debug, Default)]
pub struct Spent {
    read: AtomicU64,
    written: AtomicU64,
}

impl Spent {
    pub fn read(&self, documents: usize) {
        self.read.fetch_add(documents as u64, Ordering::Relaxed);
        metrics::counter!(READ).increment(documents as u64);
    }

    pub fn write(&self, documents: usize) {
        self.written.fetch_add(documents as u64, Ordering::Relaxed);
        metrics::counter!(WRITTEN).increment(documents as u64);
    }

    /// The numbers of documents read and written.
    #[cfg(test)]
    pub fn so_far(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

/// Describes the metrics. Call it after the recorder is installed.
pub fn describe() {
    metrics::describe_counter!(READ, "Documents that Firestore read for this process, as it charges for them");
    metrics::describe_counter!(WRITTEN, "Documents that Firestore wrote or deleted for this process");
}
