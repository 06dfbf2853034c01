//! What a sweep did: its answer, and what is counted of it.

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub enqueued: u64,
    pub recovered: u64,
    pub finished_effects: u64,
    pub expired: u64,
    pub blobs_deleted: u64,
    /// Deleted conversations whose texts were removed.
    pub forgotten: u64,
    /// Jobs that a clock wrote that ran ahead.
    pub corrected: u64,
}
