//! Rows of numbers, quantized to eight bits.

use rten_simd::SimdOp;
use rten_vecmath::{ExtendInit, MinMax, Quantize};

use crate::arithmetic::Arithmetic;

/// The largest quantized value.
const TOP: f32 = 255.0;

#[derive(Default)]
pub(super) struct Rows {
    width: usize,
    each: Vec<Row>,
    bytes: Vec<u8>,
    halves: Vec<u8>,
    wide: Vec<i16>,
}

/// The quantization of a row: a byte represents the number `(byte - zero) * scale`.
#[derive(Clone, Copy, Default)]
pub(super) struct Row {
    pub scale: f32,
    pub zero: u8,
    /// The sum of the bytes.
    pub sum: i32,
}

impl Rows {
    /// Quantizes each row separately, as ONNX's `DynamicQuantizeLinear`. The result of a row does not depend on other rows.
    pub fn quantize(&mut self, arithmetic: Arithmetic, floats: &[f32], width: usize) {
        self.begin(floats.len(), width);
        for row in floats.chunks_exact(width) {
            self.add(row, range(row));
        }
        self.end(arithmetic);
    }

    /// Quantizes all rows with one scale, as ONNX's `DynamicQuantizeLinear`.
    pub fn quantize_alike(&mut self, arithmetic: Arithmetic, floats: &[f32], width: usize) {
        self.begin(floats.len(), width);
        let range = range(floats);
        for row in floats.chunks_exact(width) {
            self.add(row, range);
        }
        self.end(arithmetic);
    }

    fn begin(&mut self, count: usize, width: usize) {
        self.width = width;
        self.each.clear();
        self.bytes.clear();
        self.bytes.reserve(count);
    }

    fn add(&mut self, row: &[f32], (scale, zero): (f32, u8)) {
        let start = self.bytes.len();
        self.bytes.extend_init(|bytes| Quantize::new(row, &mut bytes[..row.len()], 1.0 / scale, zero).dispatch());
        let sum = self.bytes[start..].iter().map(|byte| i32::from(*byte)).sum();
        self.each.push(Row { scale, zero, sum });
    }

    /// Prepares the form of the rows that the arithmetic needs.
    fn end(&mut self, arithmetic: Arithmetic) {
        match arithmetic {
            Arithmetic::Vnni | Arithmetic::Neon => {}
            Arithmetic::Avx2 => {
                self.halves.clear();
                self.halves.extend(self.bytes.iter().map(|byte| byte / 2));
                self.halves.extend(self.bytes.iter().map(|byte| byte - byte / 2));
            }
            Arithmetic::Plain => {
                self.wide.clear();
                self.wide.extend(self.bytes.iter().map(|byte| i16::from(*byte)));
            }
        }
    }

    pub fn count(&self) -> usize {
        self.each.len()
    }

    pub fn each(&self) -> &[Row] {
        &self.each
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All rows with their bytes halved, followed by all rows with the other halves. The two halves of a byte add up to it.
    /// The sum of two products of a half and a weight, at most 128 times -128 each, fits into 16 bits.
    pub fn halves(&self) -> &[u8] {
        &self.halves
    }

    /// The bytes as 16-bit numbers.
    pub fn wide(&self) -> &[i16] {
        &self.wide
    }
}

/// The scale and the zero point for the range of these numbers.
fn range(floats: &[f32]) -> (f32, u8) {
    let (low, high) = MinMax::new(floats).dispatch();
    let (low, high) = (low.min(0.0), high.max(0.0));
    // If all numbers are zero, any scale will do.
    let scale = if high > low { (high - low) / TOP } else { 1.0 };
    // The result is between 0 and 255, because `scale` is derived from `low` and `high`.
    (scale, (-low / scale).round_ties_even() as u8)
}
