//! Which chunks go together, and on which way (R16, R17, R20).

use crate::chunk::Chunk;

use super::limits::UploadLimits;

/// The most files of a batch, whatever the server allows.
pub const MAX_FILES: usize = 5;
/// The most bytes of a batch, whatever the server allows.
pub const MAX_BYTES: u64 = 25 << 20;
/// A file above this goes by the resumable protocol.
pub const MULTIPART_FILE_BYTES: u64 = 4 << 20;
/// After this many failures of a batch, it is split.
const FAILURES_BEFORE_SPLIT: u32 = 2;

/// How a batch travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// All files in one request.
    Multipart,
    /// Names and digests first, then the bytes of each file, from where the server has them.
    Resumable,
    /// The same, for one large file: with others, its session would depend on which others are pending.
    ResumableAlone,
}

/// The way of a chunk (R17).
pub fn route(chunk: &Chunk, limits: &UploadLimits) -> Route {
    let multipart = limits.max_file_bytes.min(limits.max_batch_bytes);
    if chunk.bytes > MULTIPART_FILE_BYTES {
        Route::ResumableAlone
    } else if chunk.transfer.attempts > 0 || chunk.transfer.resumable || chunk.bytes > multipart {
        Route::Resumable
    } else {
        Route::Multipart
    }
}

/// Whether no way is open to a file of this size.
pub fn is_too_large(chunk: &Chunk, limits: &UploadLimits) -> bool {
    chunk.bytes > limits.resumable_max_file_bytes
}

/// Cuts a batch from chunks of one owner, session and conversation, newest first. The first chunk is always in it.
pub fn cut(chunks: Vec<Chunk>, limits: &UploadLimits) -> (Route, Vec<Chunk>) {
    let Some(first) = chunks.first() else { return (Route::Multipart, Vec::new()) };
    let way = route(first, limits);
    let mut most = MAX_FILES.min(usize::try_from(limits.max_files).unwrap_or(MAX_FILES)).max(1);
    if way == Route::ResumableAlone {
        most = 1;
    }
    // A batch that is sent in several requests is bounded by their number alone.
    let most_bytes = if way == Route::Multipart { MAX_BYTES.min(limits.max_batch_bytes) } else { MAX_BYTES };
    let (mut batch, mut bytes): (Vec<Chunk>, u64) = (Vec::new(), 0);
    for chunk in chunks {
        let limit = chunk.transfer.batch_limit.map_or(most, |limit| most.min(limit.max(1) as usize));
        let fits = bytes + chunk.bytes <= most_bytes
            && batch.len() < limit
            && route(&chunk, limits) == way
            && !batch.iter().any(|other| other.name == chunk.name);
        if batch.is_empty() || fits {
            most = limit;
            bytes += chunk.bytes;
            batch.push(chunk);
        }
        if batch.len() >= most {
            break;
        }
    }
    (way, batch)
}

/// The largest batch in which a chunk goes from now on, after it failed in one of this size (R20).
pub fn limit_after_failure(attempts: u32, batch_files: usize) -> Option<u32> {
    (attempts >= FAILURES_BEFORE_SPLIT && batch_files > 1).then(|| half(batch_files))
}

/// Half of a batch, rounded up.
pub fn half(batch_files: usize) -> u32 {
    u32::try_from(batch_files.div_ceil(2)).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::chunk;

    const MIB: u64 = 1 << 20;

    fn sized(id: i64, bytes: u64) -> Chunk {
        Chunk { bytes, ..chunk(id) }
    }

    fn ids(batch: &[Chunk]) -> Vec<i64> {
        batch.iter().map(|chunk| chunk.id.0).collect()
    }

    fn wide() -> UploadLimits {
        UploadLimits {
            max_file_bytes: 200 * MIB,
            max_batch_bytes: 256 * MIB,
            max_files: 20,
            resumable_max_file_bytes: 2048 * MIB,
        }
    }

    #[test]
    fn r16_batch_has_at_most_five_files_and_25_mib_and_keeps_to_the_server_limits() {
        let many = |n: i64, bytes| (1..=n).map(|id| sized(id, bytes)).collect::<Vec<_>>();
        assert_eq!(ids(&cut(many(7, 10), &wide()).1), [1, 2, 3, 4, 5]);
        assert_eq!(ids(&cut(many(7, 10), &UploadLimits { max_files: 2, ..wide() }).1), [1, 2]);
        let large = UploadLimits { max_batch_bytes: 7 * MIB, ..wide() };
        assert_eq!(ids(&cut(vec![sized(1, 4 * MIB), sized(2, 4 * MIB), sized(3, 3 * MIB)], &large).1), [1, 3]);
        assert_eq!(ids(&cut(vec![sized(1, 4 * MIB); 1], &UploadLimits { max_batch_bytes: 1, ..wide() }).1), [1]);
        assert_eq!(cut(Vec::new(), &wide()).1, []);
    }

    #[test]
    fn r05_no_batch_holds_one_name_twice() {
        let twins = vec![
            Chunk { name: "a_1748300000.bin".into(), ..chunk(1) },
            Chunk { name: "a_1748300000.bin".into(), ..chunk(2) },
        ];
        assert_eq!(ids(&cut(twins, &wide()).1), [1]);
    }

    #[test]
    fn r17_large_files_and_files_after_a_failure_are_resumable() {
        let with = |id, change: fn(&mut Chunk)| {
            let mut one = chunk(id);
            change(&mut one);
            one
        };
        assert_eq!(route(&sized(1, 4 * MIB), &wide()), Route::Multipart);
        assert_eq!(route(&sized(1, 4 * MIB + 1), &wide()), Route::ResumableAlone);
        assert_eq!(route(&with(1, |one| one.transfer.attempts = 1), &wide()), Route::Resumable);
        assert_eq!(route(&with(1, |one| one.transfer.resumable = true), &wide()), Route::Resumable);
        assert_eq!(route(&sized(1, 10), &UploadLimits { max_file_bytes: 9, ..wide() }), Route::Resumable);
        let mixed = vec![chunk(1), with(2, |one| one.transfer.attempts = 1), sized(3, 5 * MIB), chunk(4)];
        assert_eq!(ids(&cut(mixed, &wide()).1), [1, 4], "a batch has one way");
        assert_eq!(ids(&cut(vec![sized(1, 5 * MIB), sized(2, 5 * MIB)], &wide()).1), [1]);
        assert!(is_too_large(&sized(1, 2048 * MIB + 1), &wide()) && !is_too_large(&sized(1, 2048 * MIB), &wide()));
    }

    #[test]
    fn r20_batch_that_failed_twice_is_split_in_halves() {
        for (attempts, files, limit) in
            [(1, 5, None), (2, 5, Some(3)), (3, 3, Some(2)), (4, 2, Some(1)), (5, 1, None), (2, 4, Some(2))]
        {
            assert_eq!(limit_after_failure(attempts, files), limit, "{attempts} {files}");
        }
        let limited = |id, limit| {
            let mut one = chunk(id);
            one.transfer.batch_limit = limit;
            one
        };
        let batch = vec![limited(1, Some(3)), limited(2, Some(3)), limited(3, Some(3)), limited(4, Some(3))];
        assert_eq!(ids(&cut(batch, &wide()).1), [1, 2, 3]);
        let batch = vec![limited(1, None), limited(2, Some(1)), limited(3, None)];
        assert_eq!(ids(&cut(batch, &wide()).1), [1, 3], "one that goes alone does not join the others");
    }
}
