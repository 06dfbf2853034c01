//! Writes Opus packets as an Ogg file (RFC 7845) that providers can read, without encoding them again.

use std::io;
use std::time::Duration;

use ogg::writing::{PacketWriteEndInfo as End, PacketWriter};

use crate::engine::Frames;

/// Samples at the start that a decoder drops: the encoder's look-ahead at 16 kHz, 6.5 ms. Ogg counts Opus samples at 48 kHz.
const PRE_SKIP: u16 = 312;
pub(super) const PRE_SKIP_MICROS: i64 = 6_500;
const GRANULES_A_SECOND: u64 = 48_000;
/// The serial number of the stream. Any number will do, because it is the only stream in the file.
const SERIAL: u32 = 0x4157_0001;
const VENDOR: &[u8] = b"afterword";

/// Writes the file. The decoded audio begins `lead` minus [`PRE_SKIP_MICROS`] before the audio and ends with it.
pub(super) fn remux(frames: Frames<'_>, duration: Duration) -> io::Result<Vec<u8>> {
    let sizes: usize = frames.packets.iter().map(|packet| packet.len() + 2).sum();
    let mut out = Vec::with_capacity(sizes + 1024);
    let mut writer = PacketWriter::new(&mut out);
    writer.write_packet(head(), SERIAL, End::EndPage, 0)?;
    writer.write_packet(tags(), SERIAL, End::EndPage, 0)?;
    let end = granules(frames.lead + duration);
    let (mut at, mut page_ends) = (0, GRANULES_A_SECOND);
    for (number, packet) in (1..).zip(frames.packets) {
        at += length(packet);
        let (info, granule) = match number == frames.packets.len() {
            true => (End::EndStream, at.min(end)),
            false if at >= page_ends => {
                page_ends = at + GRANULES_A_SECOND;
                (End::EndPage, at)
            }
            false => (End::NormalPacket, at),
        };
        writer.write_packet(packet.as_slice(), SERIAL, info, granule)?;
    }
    drop(writer);
    Ok(out)
}

fn head() -> Vec<u8> {
    let [skip_low, skip_high] = PRE_SKIP.to_le_bytes();
    let rate = crate::engine::SAMPLE_RATE.to_le_bytes();
    // Version 1, one channel, no gain, no channel mapping. The decoder mixes down packets in stereo.
    [&b"OpusHead"[..], &[1, 1, skip_low, skip_high], &rate, &[0, 0, 0]].concat()
}

fn tags() -> Vec<u8> {
    // The cast cannot truncate: the text is a short constant.
    let length = (VENDOR.len() as u32).to_le_bytes();
    [&b"OpusTags"[..], &length, VENDOR, &[0; 4]].concat()
}

/// The duration of a packet in samples at 48 kHz, from its first bytes (RFC 6716, 3.1 and 3.2).
pub(super) fn length(packet: &[u8]) -> u64 {
    let Some(&toc) = packet.first() else { return 0 };
    let config = toc >> 3;
    // Frame sizes in steps of 2.5 ms. SILK: 10, 20, 40, 60 ms; hybrid: 10, 20 ms; CELT: 2.5, 5, 10, 20 ms.
    let steps = match config {
        0..12 => [4, 8, 16, 24][usize::from(config & 3)],
        12..16 => [4, 8][usize::from(config & 1)],
        _ => 1 << (config & 3),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |count| u64::from(count & 0x3F)),
    };
    steps * frames * (GRANULES_A_SECOND / 400)
}

fn granules(time: Duration) -> u64 {
    // The product cannot overflow, even for days of audio.
    (time.as_micros() as u64) * GRANULES_A_SECOND / 1_000_000
}

#[cfg(test)]
mod tests;
