//! Encodes samples as FLAC: mono, 16 kHz, 16 bits. It is lossless and has about half the size of a WAV file.

use std::io::Cursor;

use flac_codec::Error;
use flac_codec::encode::{FlacSampleWriter, Options};

use crate::engine::SAMPLE_RATE;

/// Samples that are widened and handed to the encoder at once: one of its blocks, so that it keeps nothing back.
const BLOCK: usize = 4096;

/// A file needs at least one sample.
pub(super) fn flac(samples: &[i16]) -> Result<Vec<u8>, Error> {
    // Padding and a table for seeking are of use to players only.
    let options = Options::best().no_padding().no_seektable();
    let mut file = Cursor::new(Vec::with_capacity(samples.len() + 1024));
    let mut writer = FlacSampleWriter::new(&mut file, options, SAMPLE_RATE, 16, 1, Some(samples.len() as u64))?;
    for block in samples.chunks(BLOCK) {
        writer.write(&block.iter().map(|&sample| i32::from(sample)).collect::<Vec<_>>())?;
    }
    writer.finalize()?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests;
