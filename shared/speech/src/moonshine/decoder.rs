//! The network that turns features into tokens, one token a step, several speeches side by side.
//!
//! The weights are read from memory anew in each step, which takes most of its time: speeches that go side by side read
//! them once. What a speech says does not depend on those beside it.

use rten_gemm::GemmError;

use super::attention::{self, Memory, norm};
use super::byte_matrix::ByteMatrix;
use super::layer::{Layer, Room};
use super::linear::{Kernels, Linear};
use super::speech::Speech;
use super::weights::Weights;

/// More than any model of the family has.
const MOST_LAYERS: usize = 64;
/// Words are scored with quantized numbers first. Those that come this close to the best are scored exactly: three times
/// what quantizing costs at most.
const CLOSE: i32 = 1_500;

pub(super) struct Decoder {
    layers: Vec<Layer>,
    norm: Vec<f32>,
    pieces: ByteMatrix,
    scores: Linear,
}

impl Decoder {
    pub fn read(onnx: &[u8], kernels: &Kernels) -> Result<Self, String> {
        let weights = Weights::read(onnx)?;
        let pieces = weights.bytes("model.decoder.embed_tokens.weight_merged_0")?;
        let width = pieces.columns;
        if !attention::fits(width) {
            return Err(format!("a width of {width} does not fit this family of models"));
        }
        let there = (0..MOST_LAYERS).take_while(|layer| Layer::is_in(&weights, *layer));
        let layers = there.map(|layer| Layer::read(kernels, &weights, width, layer)).collect::<Result<Vec<_>, _>>()?;
        if layers.is_empty() {
            return Err("it has no layers".to_owned());
        }
        Ok(Self {
            layers,
            norm: weights.floats("model.decoder.norm.weight_merged_0", width)?,
            scores: Linear::transposed(kernels, &pieces),
            pieces,
        })
    }

    pub fn width(&self) -> usize {
        self.pieces.columns
    }

    /// A speech whose features are these, row by row.
    pub fn begin(&self, features: &[f32], room: &mut Room) -> Result<Speech, GemmError> {
        // One scale for all of them, as the file has it: a speech has its features to itself.
        room.rows.quantize_alike(room.kernels.arithmetic, features, self.width());
        let mut heard = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let mut memory = Memory::default();
            layer.heard.key.apply(&room.kernels, &room.rows, &mut room.whole, &mut memory.keys)?;
            layer.heard.value.apply(&room.kernels, &room.rows, &mut room.whole, &mut memory.values)?;
            heard.push(memory);
        }
        let spoken = self.layers.iter().map(|_| Memory::default()).collect();
        Ok(Speech { heard, spoken, steps: 0 })
    }

    /// The next token of each speech behind the one that it said last.
    pub fn step(&self, said: &mut [(&mut Speech, u32)], room: &mut Room) -> Result<Vec<u32>, GemmError> {
        let width = self.width();
        room.state.clear();
        for (_, token) in said.iter() {
            let row = self.pieces.row(*token);
            room.state.extend(row.iter().map(|byte| self.pieces.float(*byte)));
        }
        for (index, layer) in self.layers.iter().enumerate() {
            layer.speak(index, said, room)?;
            layer.hear(index, said, room)?;
            layer.think(room)?;
        }
        said.iter_mut().for_each(|(speech, _)| speech.steps += 1);
        norm(&room.state, &self.norm, &mut room.normed);
        room.quantize(width);
        self.scores.whole(&room.kernels, &room.rows, &mut room.whole)?;
        let scores = room.whole.chunks_exact(self.pieces.rows);
        Ok(scores.zip(room.normed.chunks_exact(width)).map(|(scores, state)| self.best(scores, state)).collect())
    }

    /// The piece that fits the state best, by exact numbers among those that come close.
    fn best(&self, scores: &[i32], state: &[f32]) -> u32 {
        let close = scores.iter().copied().max().unwrap_or(0).saturating_sub(CLOSE);
        let close = scores.iter().enumerate().filter(|(_, score)| **score >= close).map(|(piece, _)| piece as u32);
        let exact = |piece: &u32| {
            let row = self.pieces.row(*piece);
            row.iter().zip(state).map(|(byte, number)| self.pieces.float(*byte) * number).sum::<f32>()
        };
        close.map(|piece| (exact(&piece), piece)).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, piece)| piece)
    }
}

impl ByteMatrix {
    /// Of a piece that there is not, the first.
    fn row(&self, index: u32) -> &[u8] {
        let at = index as usize * self.columns;
        self.bytes.get(at..at + self.columns).unwrap_or(&self.bytes[..self.columns])
    }

    fn float(&self, byte: u8) -> f32 {
        (f32::from(byte) - f32::from(self.zero)) * self.scale
    }
}
