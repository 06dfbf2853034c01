//! Parses how the audio of a WAV, AIFF or CAF file is coded.

use super::super::linear::{Coding, Linear, MOST_CHANNELS};
use super::Format;
use crate::error::AudioError;

const EXTENSIBLE: u16 = 0xFFFE;
/// The greatest block. Real ones hold between some dozen and some thousand samples.
const MOST_BLOCK: u16 = 16 * 1024;

const WRONG: AudioError = AudioError::Unreadable("the file has a coding that cannot be read");

/// Whether a chunk of this kind is known to hold no audio.
pub(super) fn is_known(kind: [u8; 4]) -> bool {
    // `wavl` is not in the list, because it holds audio.
    const RIFF: [&[u8; 4]; 45] = [
        b"LIST", b"list", b"INFO", b"fact", b"fmt ", b"ds64", b"cue ", b"plst", b"labl", b"note", b"ltxt", b"smpl",
        b"inst", b"bext", b"iXML", b"axml", b"aXML", b"chna", b"umid", b"cart", b"levl", b"PEAK", b"peak", b"id3 ",
        b"ID3 ", b"_PMX", b"DISP", b"acid", b"strc", b"CSET", b"link", b"slnt", b"afsp", b"SyLp", b"Cr8r", b"minf",
        b"elm1", b"regn", b"DGDA", b"mext", b"qlty", b"LGWV", b"ResU", b"SMED", b"SAUR",
    ];
    const AIFF_AND_CAF: [&[u8; 4]; 26] = [
        b"COMM", b"NAME", b"AUTH", b"ANNO", b"MARK", b"APPL", b"INST", b"MIDI", b"AESD", b"COMT", b"SAXL", b"FVER",
        b"(c) ", b"basc", b"trns", b"cate", b"desc", b"info", b"chan", b"kuki", b"ovvw", b"strg", b"mark", b"midi",
        b"edct", b"uuid",
    ];
    is_padding(kind) || RIFF.contains(&&kind) || AIFF_AND_CAF.contains(&&kind)
}

/// Whether a chunk of this kind is unused space, which is filled with a single byte value.
pub(super) fn is_padding(kind: [u8; 4]) -> bool {
    matches!(&kind, b"JUNK" | b"junk" | b"PAD " | b"Pad " | b"FLLR" | b"free")
}

fn linear(coding: Option<Coding>, big_endian: bool, channels: u16, rate: u32) -> Result<Format, AudioError> {
    match coding {
        Some(coding) if (1..=MOST_CHANNELS).contains(&channels) => {
            Ok(Format::Linear(Linear { coding, big_endian, channels, rate }))
        }
        _ => Err(WRONG),
    }
}

/// Parses the `fmt ` chunk of a WAV file.
pub(super) fn wav(body: &[u8]) -> Result<Format, AudioError> {
    let word = |at: usize| body.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let (Some(tag), Some(channels), Some(low), Some(high), Some(block), Some(bits)) =
        (word(0), word(2), word(4), word(6), word(12), word(14))
    else {
        return Err(WRONG);
    };
    let rate = u32::from(low) | u32::from(high) << 16;
    let tag = if tag == EXTENSIBLE { word(24).unwrap_or(tag) } else { tag };
    let coding = match (tag, bits) {
        (1, 8) => Some(Coding::U8),
        (1, bits) => Coding::integer(bits),
        (3, bits) => Coding::float(bits),
        (6, 8) => Some(Coding::Alaw),
        (7, 8) => Some(Coding::Mulaw),
        (2 | 0x11, 4) => return adpcm(tag == 2, rate, channels, block),
        _ => None,
    };
    linear(coding, false, channels, rate)
}

/// Each block has a header for each channel, followed by half a byte for each sample.
fn adpcm(microsoft: bool, rate: u32, channels: u16, block: u16) -> Result<Format, AudioError> {
    let (header, in_header) = if microsoft { (7, 2) } else { (4, 1) };
    if !(1..=2).contains(&channels) {
        return Err(WRONG);
    }
    let header = header * channels;
    if block <= header || block > MOST_BLOCK {
        return Err(WRONG);
    }
    let samples = u64::from((block - header) * 2 / channels + in_header);
    Ok(Format::Adpcm { microsoft, rate, channels, block: usize::from(block), samples })
}

/// Parses the `COMM` chunk of an AIFF file, or of an AIFC file, where it is longer.
pub(super) fn aiff(body: &[u8]) -> Result<Format, AudioError> {
    let word = |at: usize| body.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let (Some(channels), Some(bits)) = (word(0), word(6)) else { return Err(WRONG) };
    let rate = body.get(8..18).map_or(0, extended);
    let whole = bits.checked_next_multiple_of(8).unwrap_or(0);
    let (coding, big_endian) = match body.get(18..22) {
        None | Some(b"NONE" | b"twos" | b"in24" | b"in32") => (Coding::integer(whole), true),
        Some(b"sowt") => (Coding::integer(whole), false),
        Some(b"raw ") => (Some(Coding::U8), true),
        Some(b"fl32" | b"FL32") => (Some(Coding::F32), true),
        Some(b"fl64" | b"FL64") => (Some(Coding::F64), true),
        Some(b"ulaw" | b"ULAW") => (Some(Coding::Mulaw), true),
        Some(b"alaw" | b"ALAW") => (Some(Coding::Alaw), true),
        Some(_) => (None, true),
    };
    linear(coding, big_endian, channels, rate)
}

/// Converts an 80-bit float: sign and exponent, then 64 bits.
fn extended(bytes: &[u8]) -> u32 {
    let (Some(&[high, low]), Some(bits)) =
        (bytes.first_chunk::<2>(), bytes.get(2..10).and_then(|b| b.first_chunk::<8>()))
    else {
        return 0;
    };
    let exponent = i32::from(u16::from_be_bytes([high, low]) & 0x7FFF) - 16_383;
    let mantissa = u64::from_be_bytes(*bits);
    match exponent {
        0..=31 => u32::try_from(mantissa >> (63 - exponent)).unwrap_or(0),
        _ => 0,
    }
}

/// Parses the `desc` chunk of a CAF file.
pub(super) fn caf(body: &[u8]) -> Result<Format, AudioError> {
    let word = |at: usize| body.get(at..at + 4).and_then(|b| b.first_chunk()).map(|b| u32::from_be_bytes(*b));
    let rate = body.first_chunk::<8>().map(|b| f64::from_be_bytes(*b)).ok_or(WRONG)?;
    let (Some(flags), Some(channels), Some(bits)) = (word(12), word(24), word(28)) else { return Err(WRONG) };
    let (channels, bits) = (u16::try_from(channels).map_err(|_| WRONG)?, u16::try_from(bits).map_err(|_| WRONG)?);
    let (is_float, big_endian) = (flags & 1 != 0, flags & 2 == 0);
    let coding = match body.get(8..12) {
        Some(b"lpcm") if is_float => Coding::float(bits),
        Some(b"lpcm") => Coding::integer(bits),
        Some(b"ulaw") => Some(Coding::Mulaw),
        Some(b"alaw") => Some(Coding::Alaw),
        _ => {
            return Err(AudioError::Unreadable(
                "the CAF file holds compressed audio, which cannot be read here; M4A can",
            ));
        }
    };
    // The conversion saturates, and NaN becomes 0; neither result is a possible rate.
    linear(coding, big_endian, channels, rate as u32)
}
