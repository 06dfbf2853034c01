//! The number of bytes tells whether a batch is certainly too long.

use std::time::Duration;

use domain::Sha256Hex;

use super::*;

const PCM: &str = "audio_phone_pcm16_16000_1_fs160_1748300000.bin";
const BARE: &str = "bare_1748300000.bin";

fn file(name: &str, size: u64) -> StagedFile {
    StagedFile {
        name: name.to_owned(),
        blob: String::new(),
        size,
        sha256: Sha256Hex([0; 32]),
        crc32c: 0,
        stream: domain::name::parse(name).unwrap().stream,
        captured_at: None,
        silent: None,
    }
}

#[test]
fn batch_with_too_many_bytes_is_not_small() {
    let most = Duration::from_secs(600);
    assert!(is_small(&[file(PCM, 600 * 32_400)], most), "ten minutes with the lengths of their frames");
    assert!(!is_small(&[file(PCM, 600 * 32_400), file(PCM, 300 * 32_400)], most), "all of the batch counts");
    assert!(is_small(&[file(BARE, 600 * COMPRESSED_BYTES_A_SECOND)], most));
    assert!(!is_small(&[file(BARE, 1000 * COMPRESSED_BYTES_A_SECOND)], most));
    assert!(!is_small(&[file(BARE, u64::MAX), file(PCM, u64::MAX)], most));
    assert!(!is_small(&[], most));
    assert!(!is_small(&[file(BARE, 100)], Duration::ZERO));
}
