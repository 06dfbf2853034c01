//! Encodes samples as FLAC (RFC 9639): mono, 16 kHz, 16 bits. It is lossless and has half the size of a WAV file.
//!
//! The encoder uses a subset that every decoder knows: blocks of one size, fixed predictors and Rice codes. Blocks that
//! cannot be predicted are stored verbatim.

use crate::engine::SAMPLE_RATE;

const BLOCK: usize = 4096;
/// Samples in a partition of a block. Each partition has its own Rice parameter.
const PARTITION: usize = 256;
const PARTITIONS_LOG2: u64 = (BLOCK / PARTITION).ilog2() as u64;
const MAX_ORDER: usize = 4;
/// The largest Rice parameter: 15 is the escape code.
const MAX_PARAMETER: u32 = 14;

pub(super) fn flac(samples: &[i16]) -> Vec<u8> {
    let mut bits = Bits { bytes: Vec::with_capacity(samples.len() + 64), rest: 0, count: 0 };
    bits.bytes.extend_from_slice(b"fLaC");
    stream_info(samples.len(), &mut bits);
    for (number, block) in (0..).zip(samples.chunks(BLOCK)) {
        frame(number, block, &mut bits);
    }
    bits.bytes
}

/// Writes STREAMINFO, the only metadata block. Frame sizes and the checksum of the samples are 0, which means unknown.
fn stream_info(samples: usize, bits: &mut Bits) {
    bits.put(0x80, 8);
    bits.put(34, 24);
    bits.put(BLOCK as u64, 16);
    bits.put(BLOCK as u64, 16);
    bits.put(0, 24);
    bits.put(0, 24);
    bits.put(u64::from(SAMPLE_RATE), 20);
    bits.put(0, 3);
    bits.put(15, 5);
    bits.put(samples as u64, 36);
    (0..16).for_each(|_| bits.put(0, 8));
}

fn frame(number: u64, block: &[i16], bits: &mut Bits) {
    let start = bits.bytes.len();
    bits.put(0xFFF8, 16);
    // The block has 4096 samples, or a number that follows in the header; the rate is 16 kHz.
    let whole = block.len() == BLOCK;
    bits.put(if whole { 0xC5 } else { 0x75 }, 8);
    // The samples are mono and have 16 bits.
    bits.put(0x08, 8);
    bits.utf8(number);
    if !whole {
        bits.put(block.len() as u64 - 1, 16);
    }
    let check = crc8(&bits.bytes[start..]);
    bits.put(u64::from(check), 8);
    subframe(block, bits);
    bits.align();
    let check = crc16(&bits.bytes[start..]);
    bits.put(u64::from(check), 16);
}

fn subframe(block: &[i16], bits: &mut Bits) {
    let (order, residual) = predict(block);
    let coded: Vec<u32> = residual.iter().map(|&value| fold(value)).collect();
    // The first partition is shorter by the warm-up samples, which are not predicted.
    let partitions = |log2: u64| {
        let first = (block.len() >> log2) - order;
        std::iter::once(&coded[..first]).chain(coded[first..].chunks((block.len() >> log2).max(1)))
    };
    let log2 = if block.len() == BLOCK { PARTITIONS_LOG2 } else { 0 };
    let size = |log2| partitions(log2).map(|partition| 4 + cost(partition, parameter(partition))).sum::<u64>();
    if block.len() <= MAX_ORDER || 6 + 16 * order as u64 + size(log2) >= 16 * block.len() as u64 {
        bits.put(0x02, 8);
        block.iter().for_each(|&sample| bits.sample(sample));
        return;
    }
    bits.put(0x10 | (order as u64) << 1, 8);
    block[..order].iter().for_each(|&sample| bits.sample(sample));
    bits.put(log2, 6);
    for partition in partitions(log2) {
        let parameter = parameter(partition);
        bits.put(u64::from(parameter), 4);
        partition.iter().for_each(|&value| bits.rice(value, parameter));
    }
}

/// The predictor order with the smallest residual, and that residual: differences, or differences of differences.
fn predict(block: &[i16]) -> (usize, Vec<i32>) {
    let mut residual: Vec<i32> = block.iter().map(|&sample| i32::from(sample)).collect();
    let mut best = (0, residual.clone());
    let size = |values: &[i32]| values.iter().map(|value| u64::from(value.unsigned_abs())).sum::<u64>();
    let mut smallest = size(&residual);
    for order in 1..=MAX_ORDER.min(block.len().saturating_sub(1)) {
        residual = residual.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let now = size(&residual);
        if now < smallest {
            smallest = now;
            best = (order, residual.clone());
        }
    }
    best
}

/// Zigzag encoding: 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4.
fn fold(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

/// The Rice parameter with the fewest bits: the logarithm of the mean or one next to it.
fn parameter(partition: &[u32]) -> u32 {
    let sum: u64 = partition.iter().map(|&value| u64::from(value)).sum();
    let mean = sum / (partition.len() as u64).max(1);
    let about = (mean + 1).ilog2();
    let near = about.saturating_sub(1)..=(about + 1).min(MAX_PARAMETER);
    near.min_by_key(|&parameter| cost(partition, parameter)).unwrap_or(MAX_PARAMETER)
}

fn cost(partition: &[u32], parameter: u32) -> u64 {
    partition.iter().map(|&value| u64::from(value >> parameter) + 1 + u64::from(parameter)).sum()
}

/// A writer of bits, most significant first.
struct Bits {
    bytes: Vec<u8>,
    rest: u64,
    count: u32,
}

impl Bits {
    /// Writes at most 36 bits.
    fn put(&mut self, value: u64, count: u32) {
        self.rest = self.rest << count | value & ((1 << count) - 1);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.rest >> self.count) as u8);
        }
    }

    fn sample(&mut self, sample: i16) {
        self.put(u64::from(sample.cast_unsigned()), 16);
    }

    fn rice(&mut self, value: u32, parameter: u32) {
        let mut zeros = value >> parameter;
        while zeros >= 32 {
            self.put(0, 32);
            zeros -= 32;
        }
        self.put(1, zeros + 1);
        self.put(u64::from(value), parameter);
    }

    /// Writes a number of up to 36 bits in the coding of UTF-8.
    fn utf8(&mut self, number: u64) {
        if number < 0x80 {
            return self.put(number, 8);
        }
        // Each continuation byte holds six bits. The first byte has as many leading ones as there are bytes, then the rest.
        let more = (1..6).find(|&more| number >> (6 * more) < 1 << (6 - more)).unwrap_or(6);
        let ones = 0xFF00_u64 >> (more + 1) & 0xFF;
        self.put(ones | number >> (6 * more), 8);
        for left in (0..more).rev() {
            self.put(0x80 | number >> (6 * left) & 0x3F, 8);
        }
    }

    fn align(&mut self) {
        self.put(0, (8 - self.count % 8) % 8);
    }
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| crc << 8 ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests;
