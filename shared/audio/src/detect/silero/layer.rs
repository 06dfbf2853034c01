//! A network layer as one matrix product over all windows of a batch.

use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};

use super::error::{ModelError, unexpected};

pub struct Layer {
    /// Packed once into the form that the matrix product needs.
    weights: PackedBMatrix<f32>,
    inputs: usize,
    outputs: usize,
    /// If there is a bias, values below zero become zero (ReLU).
    bias: Option<Vec<f32>>,
}

impl Layer {
    /// `weights` holds, for each input, the weights of all outputs.
    pub fn new(weights: Vec<f32>, inputs: usize, outputs: usize, bias: Option<Vec<f32>>) -> Self {
        let weights = NdTensor::from_data([inputs, outputs], weights);
        Self { weights: GemmExecutor::default().prepack_b(weights.view()), inputs, outputs, bias }
    }

    /// Computes the layer row by row.
    pub fn apply(
        &self,
        gemm: &GemmExecutor<f32, f32, f32>,
        rows: &[f32],
        out: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let count = rows.len() / self.inputs;
        out.resize(count * self.outputs, 0.0);
        let rows = GemmInputA::Unpacked(NdTensorView::from_data([count, self.inputs], rows));
        let bias = self.bias.as_deref().map(BiasVector::Row);
        let options = GemmOptions { bias, ..GemmOptions::default() };
        gemm.gemm(out, rows, GemmInputB::Packed(&self.weights), options).map_err(unexpected)?;
        if self.bias.is_some() {
            out.iter_mut().for_each(|number| *number = number.max(0.0));
        }
        Ok(())
    }
}

/// Collects every `step`th column of each window together with the columns before and after it; columns beyond the
/// window are zero. `columns` holds the columns of all windows, all of the same height.
pub fn neighbours(all: &[f32], windows: usize, columns: usize, step: usize, out: &mut Vec<f32>) {
    out.clear();
    let height = all.len() / (windows * columns).max(1);
    for window in all.chunks_exact((columns * height).max(1)) {
        for column in (0..columns).step_by(step) {
            let (from, to) = (column.saturating_sub(1), (column + 2).min(columns));
            if column == 0 {
                out.resize(out.len() + height, 0.0);
            }
            out.extend_from_slice(&window[from * height..to * height]);
            if column + 1 == columns {
                out.resize(out.len() + height, 0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolution_input_is_zero_padded() {
        let mut out = Vec::new();
        // Two windows of three columns, each two values high.
        let all: Vec<f32> = (1..=12u8).map(f32::from).collect();
        neighbours(&all, 2, 3, 2, &mut out);
        let expected: [[u8; 6]; 4] =
            [[0, 0, 1, 2, 3, 4], [3, 4, 5, 6, 0, 0], [0, 0, 7, 8, 9, 10], [9, 10, 11, 12, 0, 0]];
        assert_eq!(out, expected.as_flattened().iter().map(|number| f32::from(*number)).collect::<Vec<_>>());
    }

    #[test]
    fn layer_is_product_with_bias_and_without_negative_values() {
        let (gemm, mut out) = (GemmExecutor::default(), Vec::new());
        let layer = Layer::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3, Some(vec![0.5, 0.0, -100.0]));
        layer.apply(&gemm, &[1.0, 1.0, 0.0, -1.0], &mut out).unwrap();
        assert_eq!(out, [5.5, 7.0, 0.0, 0.0, 0.0, 0.0]);
        let bare = Layer::new(vec![1.0, 2.0], 2, 1, None);
        bare.apply(&gemm, &[1.0, -1.0], &mut out).unwrap();
        assert_eq!(out, [-1.0]);
    }
}
