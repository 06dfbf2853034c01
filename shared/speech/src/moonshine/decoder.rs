//! The network that turns features into tokens. Each step gives one token for every sequence of a batch.
//!
//! Reading the weights from memory takes most of the time of a step, and a batch reads them only once. The tokens of a
//! sequence do not depend on the other sequences of its batch.

use rten_gemm::GemmError;

use super::attention::{self, KeyValues, norm};
use super::byte_matrix::ByteMatrix;
use super::layer::{Layer, Scratch};
use super::linear::{Kernels, Linear};
use super::sequence::Sequence;
use super::weights::Weights;

/// A limit above the number of layers of any Moonshine model.
const MAX_LAYERS: usize = 64;
/// Tokens are scored with quantized numbers first. Tokens within this distance of the best are then scored exactly. It is
/// three times the largest error of quantization.
const CLOSE: i32 = 1_500;

pub(super) struct Decoder {
    layers: Vec<Layer>,
    norm: Vec<f32>,
    embeddings: ByteMatrix,
    scores: Linear,
}

impl Decoder {
    pub fn read(onnx: &[u8], kernels: &Kernels) -> Result<Self, String> {
        let weights = Weights::read(onnx)?;
        let embeddings = weights.bytes("model.decoder.embed_tokens.weight_merged_0")?;
        let width = embeddings.columns;
        if !attention::fits(width) {
            return Err(format!("a width of {width} does not fit this family of models"));
        }
        let present = (0..MAX_LAYERS).take_while(|layer| Layer::is_in(&weights, *layer));
        let layers =
            present.map(|layer| Layer::read(kernels, &weights, width, layer)).collect::<Result<Vec<_>, _>>()?;
        if layers.is_empty() {
            return Err("it has no layers".to_owned());
        }
        Ok(Self {
            layers,
            norm: weights.floats("model.decoder.norm.weight_merged_0", width)?,
            scores: Linear::transposed(kernels, &embeddings),
            embeddings,
        })
    }

    pub fn width(&self) -> usize {
        self.embeddings.columns
    }

    /// Begins a sequence for the given features, row by row.
    pub fn begin(&self, features: &[f32], scratch: &mut Scratch) -> Result<Sequence, GemmError> {
        // All rows have one scale, as in the model file. That is possible because they belong to one sequence.
        scratch.rows.quantize_alike(scratch.kernels.arithmetic, features, self.width());
        let mut feature_memory = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let mut memory = KeyValues::default();
            layer.cross_attention.key.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut memory.keys)?;
            layer.cross_attention.value.apply(
                &scratch.kernels,
                &scratch.rows,
                &mut scratch.whole,
                &mut memory.values,
            )?;
            feature_memory.push(memory);
        }
        let token_memory = self.layers.iter().map(|_| KeyValues::default()).collect();
        Ok(Sequence { feature_memory, token_memory, steps: 0 })
    }

    /// Computes the next token of each sequence from its last one.
    pub fn step(&self, batch: &mut [(&mut Sequence, u32)], scratch: &mut Scratch) -> Result<Vec<u32>, GemmError> {
        let width = self.width();
        scratch.state.clear();
        for (_, token) in batch.iter() {
            let row = self.embeddings.row(*token);
            scratch.state.extend(row.iter().map(|byte| self.embeddings.float(*byte)));
        }
        for (index, layer) in self.layers.iter().enumerate() {
            layer.attend_to_tokens(index, batch, scratch)?;
            layer.attend_to_features(index, batch, scratch)?;
            layer.feed_forward(scratch)?;
        }
        batch.iter_mut().for_each(|(sequence, _)| sequence.steps += 1);
        norm(&scratch.state, &self.norm, &mut scratch.normed);
        scratch.quantize(width);
        self.scores.whole(&scratch.kernels, &scratch.rows, &mut scratch.whole)?;
        let scores = scratch.whole.chunks_exact(self.embeddings.rows);
        Ok(scores.zip(scratch.normed.chunks_exact(width)).map(|(scores, state)| self.best(scores, state)).collect())
    }

    /// The token with the highest score. Exact scores are computed for those that are close to the best.
    fn best(&self, scores: &[i32], state: &[f32]) -> u32 {
        let close = scores.iter().copied().max().unwrap_or(0).saturating_sub(CLOSE);
        let close = scores.iter().enumerate().filter(|(_, score)| **score >= close).map(|(token, _)| token as u32);
        let exact = |token: &u32| {
            let row = self.embeddings.row(*token);
            row.iter().zip(state).map(|(byte, number)| self.embeddings.float(*byte) * number).sum::<f32>()
        };
        close.map(|token| (exact(&token), token)).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, token)| token)
    }
}

impl ByteMatrix {
    /// The embedding of a token, or that of the first one if there is no such token.
    fn row(&self, index: u32) -> &[u8] {
        let at = index as usize * self.columns;
        self.bytes.get(at..at + self.columns).unwrap_or(&self.bytes[..self.columns])
    }

    fn float(&self, byte: u8) -> f32 {
        (f32::from(byte) - f32::from(self.zero)) * self.scale
    }
}
