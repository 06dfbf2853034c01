//! Writes Opus packets as an Ogg file (RFC 7845) that providers can read, without encoding them again.

use std::io;
use std::time::Duration;

use ogg::writing::{PacketWriteEndInfo as End, PacketWriter};

use crate::engine::Frames;
use crate::opus::{self, LOOK_AHEAD};

/// Ogg counts Opus samples at 48 kHz.
const GRANULES_A_SECOND: u64 = 48_000;
/// The serial number of the stream. Any number will do, because it is the only stream in the file.
const SERIAL: u32 = 0x4157_0001;
const VENDOR: &[u8] = b"afterword";

/// Writes the file. The decoded audio begins `lead` minus [`LOOK_AHEAD`] before the audio and ends with it.
pub(super) fn remux(frames: Frames<'_>, duration: Duration) -> io::Result<Vec<u8>> {
    let sizes: usize = frames.packets.iter().map(|packet| packet.len() + 2).sum();
    let mut out = Vec::with_capacity(sizes + 1024);
    let mut writer = PacketWriter::new(&mut out);
    writer.write_packet(head(), SERIAL, End::EndPage, 0)?;
    writer.write_packet(tags(), SERIAL, End::EndPage, 0)?;
    let end = granules(frames.lead + duration);
    let (mut at, mut page_ends) = (0, GRANULES_A_SECOND);
    for (number, packet) in (1..).zip(frames.packets) {
        at += granules(opus::duration(packet));
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
    // The cast cannot truncate: a look-ahead has 312 samples.
    let [skip_low, skip_high] = (granules(LOOK_AHEAD) as u16).to_le_bytes();
    let rate = crate::engine::SAMPLE_RATE.to_le_bytes();
    // Version 1, one channel, no gain, no channel mapping. The decoder mixes down packets in stereo.
    [&b"OpusHead"[..], &[1, 1, skip_low, skip_high], &rate, &[0, 0, 0]].concat()
}

fn tags() -> Vec<u8> {
    // The cast cannot truncate: the text is a short constant.
    let length = (VENDOR.len() as u32).to_le_bytes();
    [&b"OpusTags"[..], &length, VENDOR, &[0; 4]].concat()
}

fn granules(time: Duration) -> u64 {
    // The product cannot overflow, even for days of audio.
    (time.as_micros() as u64) * GRANULES_A_SECOND / 1_000_000
}

#[cfg(test)]
mod tests;
