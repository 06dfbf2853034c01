//! Multiplication by 8-bit weights with exact results on every processor.

use rten_gemm::{GemmError, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::{AsView, Layout, NdTensorView};

use super::byte_matrix::ByteMatrix;
use super::plain;
use super::rows::Rows;
use crate::arithmetic::Arithmetic;

/// The number of rows whose halves all fit into one tile of the multiplication.
const FEW_ROWS: usize = 3;

/// The multiplication kernels of this machine.
pub(super) struct Kernels {
    pub arithmetic: Arithmetic,
    pub floats: GemmExecutor<f32, f32, f32>,
    bytes: GemmExecutor<u8, i8, i32>,
}

impl Kernels {
    pub fn new(arithmetic: Arithmetic) -> Self {
        Self { arithmetic, floats: GemmExecutor::default(), bytes: GemmExecutor::default() }
    }
}

pub(super) struct Linear {
    weights: Weights,
    inputs: usize,
    zero: i32,
    /// The sum of the weights of each output, after subtracting the zero point.
    sums: Vec<i32>,
    scale: f32,
}

enum Weights {
    /// In the layout of RTen's multiplication.
    Packed(PackedBMatrix<i8>),
    /// Stored by output: the weights of an output are contiguous.
    Outputs(Vec<i8>),
}

impl Linear {
    /// Creates weights from a matrix with a row for each input and a column for each output.
    pub fn new(kernels: &Kernels, matrix: &ByteMatrix) -> Self {
        Self::packed(kernels, matrix, false)
    }

    /// Creates weights from a matrix with a row for each output.
    pub fn transposed(kernels: &Kernels, matrix: &ByteMatrix) -> Self {
        Self::packed(kernels, matrix, true)
    }

    fn packed(kernels: &Kernels, matrix: &ByteMatrix, transposed: bool) -> Self {
        // The kernels need signed weights, so the range 0 to 255 is shifted to -128 to 127.
        let signed: Vec<i8> = matrix.bytes.iter().map(|byte| (byte ^ 0x80) as i8).collect();
        let view = NdTensorView::from_data([matrix.rows, matrix.columns], &signed[..]);
        let view = if transposed { view.transposed() } else { view };
        let zero = i32::from((matrix.zero ^ 0x80) as i8);
        let mut sums = vec![0; view.size(1)];
        for row in 0..view.size(0) {
            sums.iter_mut().zip(view.slice(row).iter()).for_each(|(sum, weight)| *sum += i32::from(*weight) - zero);
        }
        let weights = match kernels.arithmetic {
            Arithmetic::Plain => Weights::Outputs(view.transposed().to_vec()),
            Arithmetic::Vnni | Arithmetic::Avx2 | Arithmetic::Neon => Weights::Packed(kernels.bytes.prepack_b(view)),
        };
        Self { weights, inputs: view.size(0), zero, sums, scale: matrix.scale }
    }

    pub fn outputs(&self) -> usize {
        self.sums.len()
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The products as integers. They have to be multiplied by the scales of the row and of the weights.
    pub fn whole(&self, kernels: &Kernels, rows: &Rows, out: &mut Vec<i32>) -> Result<(), GemmError> {
        let count = rows.count() * self.outputs();
        out.clear();
        out.resize(count, 0);
        match (&self.weights, kernels.arithmetic) {
            (Weights::Outputs(weights), _) => plain::multiply(rows.wide(), weights, self.inputs, out),
            (Weights::Packed(weights), Arithmetic::Avx2) => in_halves(kernels, rows, weights, out)?,
            (Weights::Packed(weights), _) => multiply(kernels, rows.bytes(), weights, 0, out)?,
        }
        // Corrects for the zero points of both sides, because the multiplication supports neither zero points that differ
        // between rows nor those of packed weights.
        for (row, quantized) in out.chunks_exact_mut(self.outputs()).zip(rows.each()) {
            let (off, zero) = (quantized.sum * self.zero, i32::from(quantized.zero));
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
        for (row, quantized) in whole.chunks_exact(self.outputs()).zip(rows.each()) {
            let scale = quantized.scale * self.scale;
            out.extend(row.iter().map(|product| *product as f32 * scale));
        }
        Ok(())
    }
}

fn in_halves(kernels: &Kernels, rows: &Rows, weights: &PackedBMatrix<i8>, out: &mut Vec<i32>) -> Result<(), GemmError> {
    let count = out.len();
    if rows.count() <= FEW_ROWS {
        out.resize(2 * count, 0);
        multiply(kernels, rows.halves(), weights, 0, out)?;
        let (sums, others) = out.split_at_mut(count);
        sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += *other);
        out.truncate(count);
        return Ok(());
    }
    let (half, other) = rows.halves().split_at(rows.halves().len() / 2);
    multiply(kernels, half, weights, 0, out)?;
    multiply(kernels, other, weights, 1, out)
}

/// Multiplies into `out`. With `keep` 1, the products are added to `out`; with 0, they replace it.
fn multiply(
    kernels: &Kernels,
    rows: &[u8],
    weights: &PackedBMatrix<i8>,
    keep: i32,
    out: &mut [i32],
) -> Result<(), GemmError> {
    let rows = NdTensorView::from_data([rows.len() / weights.rows(), weights.rows()], rows);
    let (rows, weights) = (GemmInputA::Unpacked(rows), GemmInputB::Packed(weights));
    kernels.bytes.gemm(out, rows, weights, GemmOptions { beta: keep, ..GemmOptions::default() })
}

#[cfg(test)]
mod tests;
