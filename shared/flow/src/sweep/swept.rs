//! The result of a sweep, which is returned and counted in metrics.

/// The number of repairs that a sweep made, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub enqueued: u64,
    pub recovered: u64,
    pub finished_effects: u64,
    pub expired: u64,
    pub blobs_deleted: u64,
    /// Deleted conversations whose texts were removed.
    pub forgotten: u64,
    /// Jobs that were written by a clock that ran ahead.
    pub corrected: u64,
}
