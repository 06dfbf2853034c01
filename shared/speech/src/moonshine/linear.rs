//! Multiplication with weights of eight bits: numbers are quantized row by row, so that rows do not depend on what they
//! are computed beside.

use rten_gemm::{GemmError, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::SimdOp;
use rten_tensor::Layout;
use rten_tensor::NdTensorView;
use rten_vecmath::{ExtendInit, MinMax, Quantize};

use super::weights::Bytes;

/// The fastest multiplication of this machine.
pub(super) struct Kernels {
    gemm: GemmExecutor<u8, i8, i32>,
    /// The highest number that a quantized one becomes. Where two products are added in 16 bits, as processors without
    /// instructions for this do, they must fit.
    top: f32,
}

impl Default for Kernels {
    fn default() -> Self {
        let gemm = GemmExecutor::default();
        let top = if gemm.may_saturate() { 127.0 } else { 255.0 };
        Self { gemm, top }
    }
}

/// Quantized rows.
#[derive(Default)]
pub(super) struct Rows {
    width: usize,
    bytes: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<u8>,
    /// What the bytes of each row add up to.
    sums: Vec<i32>,
}

impl Rows {
    /// As ONNX's `DynamicQuantizeLinear`, for each row.
    pub fn quantize(&mut self, kernels: &Kernels, floats: &[f32], width: usize) {
        self.width = width;
        self.bytes.clear();
        self.bytes.reserve(floats.len());
        self.scales.clear();
        self.zeros.clear();
        self.sums.clear();
        for row in floats.chunks_exact(width) {
            let (low, high) = MinMax::new(row).dispatch();
            let (low, high) = (low.min(0.0), high.max(0.0));
            // A row of zeros has no range: any scale will do.
            let scale = if high > low { (high - low) / kernels.top } else { 1.0 };
            // Between 0 and 255 by its making.
            let zero = (-low / scale).round_ties_even() as u8;
            self.bytes.extend_init(|bytes| Quantize::new(row, &mut bytes[..width], 1.0 / scale, zero).dispatch());
            self.scales.push(scale);
            self.zeros.push(zero);
            self.sums.push(self.bytes[self.bytes.len() - width..].iter().map(|byte| i32::from(*byte)).sum());
        }
    }
}

pub(super) struct Linear {
    weights: PackedBMatrix<i8>,
    zero: i32,
    /// What the weights of each output add up to, zeros taken off.
    sums: Vec<i32>,
    scale: f32,
}

impl Linear {
    /// A matrix that has a row for each input and a column for each output.
    pub fn new(kernels: &Kernels, matrix: &Bytes) -> Self {
        Self::packed(kernels, matrix, false)
    }

    /// A matrix that has a row for each output.
    pub fn transposed(kernels: &Kernels, matrix: &Bytes) -> Self {
        Self::packed(kernels, matrix, true)
    }

    fn packed(kernels: &Kernels, matrix: &Bytes, transposed: bool) -> Self {
        // The kernels multiply with signed weights: both ends move down by half.
        let signed: Vec<i8> = matrix.bytes.iter().map(|byte| (byte ^ 0x80) as i8).collect();
        let view = NdTensorView::from_data([matrix.rows, matrix.columns], &signed[..]);
        let view = if transposed { view.transposed() } else { view };
        let zero = i32::from((matrix.zero ^ 0x80) as i8);
        let mut sums = vec![0; view.size(1)];
        for row in 0..view.size(0) {
            sums.iter_mut().zip(view.slice(row).iter()).for_each(|(sum, weight)| *sum += i32::from(*weight) - zero);
        }
        Self { weights: kernels.gemm.prepack_b(view), zero, sums, scale: matrix.scale }
    }

    pub fn outputs(&self) -> usize {
        self.weights.cols()
    }

    pub fn inputs(&self) -> usize {
        self.weights.rows()
    }

    /// The products as whole numbers: times the row's scale and the weights' they are what is meant.
    pub fn whole(&self, kernels: &Kernels, rows: &Rows, out: &mut Vec<i32>) -> Result<(), GemmError> {
        let count = rows.scales.len();
        out.clear();
        out.resize(count * self.outputs(), 0);
        let bytes = NdTensorView::from_data([count, rows.width], &rows.bytes[..]);
        let (bytes, weights) = (GemmInputA::Unpacked(bytes), GemmInputB::Packed(&self.weights));
        kernels.gemm.gemm(out, bytes, weights, GemmOptions::default())?;
        // The zeros of both sides, which the multiplication knows nothing of: neither of zeros that differ from row to
        // row, nor of those of packed weights.
        for (row, (sum, zero)) in out.chunks_exact_mut(self.outputs()).zip(rows.sums.iter().zip(&rows.zeros)) {
            let (off, zero) = (sum * self.zero, i32::from(*zero));
            row.iter_mut().zip(&self.sums).for_each(|(product, sum)| *product -= off + zero * sum);
        }
        Ok(())
    }

    pub fn apply(
        &self,
        kernels: &Kernels,
        rows: &Rows,
        whole: &mut Vec<i32>,
        out: &mut Vec<f32>,
    ) -> Result<(), GemmError> {
        self.whole(kernels, rows, whole)?;
        out.clear();
        for (row, scale) in whole.chunks_exact(self.outputs()).zip(&rows.scales) {
            let scale = scale * self.scale;
            out.extend(row.iter().map(|product| *product as f32 * scale));
        }
        Ok(())
    }
}
