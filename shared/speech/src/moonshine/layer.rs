//! A layer of the decoder: self-attention over the tokens, cross-attention over the features, and a feed-forward network.

use rten_gemm::GemmError;
use rten_simd::SimdUnaryOp;
use rten_vecmath::Silu;

use super::attention::{Rotation, norm};
use super::linear::{Kernels, Linear};
use super::rows::Rows;
use super::sequence::Sequence;
use super::weights::Weights;
use crate::arithmetic::Arithmetic;

pub(super) struct Layer {
    self_attention_norm: Vec<f32>,
    self_attention: Attention,
    cross_attention_norm: Vec<f32>,
    pub cross_attention: Attention,
    feed_forward_norm: Vec<f32>,
    up: Linear,
    up_bias: Vec<f32>,
    down: Linear,
    down_bias: Vec<f32>,
}

pub(super) struct Attention {
    query: Linear,
    pub key: Linear,
    pub value: Linear,
    dense: Linear,
}

/// Buffers for the numbers of a step, which are reused by the next one, and the kernels that fill them. Each call has its
/// own.
pub(super) struct Scratch {
    pub kernels: Kernels,
    pub rows: Rows,
    pub whole: Vec<i32>,
    pub state: Vec<f32>,
    pub normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    out: Vec<f32>,
    scores: Vec<f32>,
}

impl Scratch {
    pub fn new(arithmetic: Arithmetic) -> Self {
        Self {
            kernels: Kernels::new(arithmetic),
            rows: Rows::default(),
            whole: Vec::new(),
            state: Vec::new(),
            normed: Vec::new(),
            query: Vec::new(),
            key: Vec::new(),
            value: Vec::new(),
            out: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Quantizes `normed`.
    pub fn quantize(&mut self, width: usize) {
        self.rows.quantize(self.kernels.arithmetic, &self.normed, width);
    }
}

impl Layer {
    pub fn is_in(weights: &Weights, layer: usize) -> bool {
        weights.has(&format!("/model/decoder/layers.{layer}/mlp/up_proj"))
    }

    pub fn read(kernels: &Kernels, weights: &Weights, width: usize, layer: usize) -> Result<Self, String> {
        let path = format!("/model/decoder/layers.{layer}");
        let linear = |name: &str| weights.linear(kernels, &format!("{path}/{name}"));
        let floats =
            |name: &str, count| weights.floats(&format!("model.decoder.layers.{layer}.{name}_merged_0"), count);
        let attention = |name: &str| -> Result<Attention, String> {
            Ok(Attention {
                query: square(linear(&format!("{name}/q_proj"))?, width)?,
                key: square(linear(&format!("{name}/k_proj"))?, width)?,
                value: square(linear(&format!("{name}/v_proj"))?, width)?,
                dense: square(linear(&format!("{name}/dense"))?, width)?,
            })
        };
        let (up, down) = (linear("mlp/up_proj")?, linear("mlp/down_proj")?);
        if up.inputs() != width || down.outputs() != width || up.outputs() != 2 * down.inputs() {
            return Err(format!("the sizes of {path} do not fit"));
        }
        Ok(Self {
            self_attention_norm: floats("input_layernorm.weight", width)?,
            self_attention: attention("self_attn")?,
            cross_attention_norm: floats("post_attention_layernorm.weight", width)?,
            cross_attention: attention("encoder_attn")?,
            feed_forward_norm: floats("final_layernorm.weight", width)?,
            up_bias: floats("mlp.up_proj.bias", up.outputs())?,
            up,
            down_bias: floats("mlp.down_proj.bias", width)?,
            down,
        })
    }

    /// Self-attention over the tokens so far.
    pub fn attend_to_tokens(
        &self,
        index: usize,
        batch: &mut [(&mut Sequence, u32)],
        scratch: &mut Scratch,
    ) -> Result<(), GemmError> {
        let width = self.self_attention_norm.len();
        norm(&scratch.state, &self.self_attention_norm, &mut scratch.normed);
        scratch.quantize(width);
        self.self_attention.query.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.query)?;
        self.self_attention.key.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.key)?;
        self.self_attention.value.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.value)?;
        scratch.normed.fill(0.0);
        for (row, (sequence, _)) in batch.iter_mut().enumerate() {
            let at = row * width..(row + 1) * width;
            let rotation = Rotation::at(sequence.steps);
            rotation.apply(&mut scratch.query[at.clone()]);
            rotation.apply(&mut scratch.key[at.clone()]);
            let memory = &mut sequence.token_memory[index];
            memory.keys.extend_from_slice(&scratch.key[at.clone()]);
            memory.values.extend_from_slice(&scratch.value[at.clone()]);
            memory.attend(&scratch.query[at.clone()], &mut scratch.normed[at], &mut scratch.scores);
        }
        add_product(&self.self_attention.dense, None, scratch, width)
    }

    /// Cross-attention over the features.
    pub fn attend_to_features(
        &self,
        index: usize,
        batch: &mut [(&mut Sequence, u32)],
        scratch: &mut Scratch,
    ) -> Result<(), GemmError> {
        let width = self.cross_attention_norm.len();
        norm(&scratch.state, &self.cross_attention_norm, &mut scratch.normed);
        scratch.quantize(width);
        self.cross_attention.query.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.query)?;
        scratch.normed.fill(0.0);
        for (row, (sequence, _)) in batch.iter().enumerate() {
            let at = row * width..(row + 1) * width;
            sequence.feature_memory[index].attend(
                &scratch.query[at.clone()],
                &mut scratch.normed[at],
                &mut scratch.scores,
            );
        }
        add_product(&self.cross_attention.dense, None, scratch, width)
    }

    pub fn feed_forward(&self, scratch: &mut Scratch) -> Result<(), GemmError> {
        let width = self.feed_forward_norm.len();
        norm(&scratch.state, &self.feed_forward_norm, &mut scratch.normed);
        scratch.quantize(width);
        self.up.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.out)?;
        scratch.normed.clear();
        let inner = self.down.inputs();
        for row in scratch.out.chunks_exact_mut(2 * inner) {
            row.iter_mut().zip(&self.up_bias).for_each(|(number, bias)| *number += bias);
            let (numbers, gates) = row.split_at_mut(inner);
            Silu {}.map_mut(gates);
            scratch.normed.extend(numbers.iter().zip(gates).map(|(number, gate)| *number * *gate));
        }
        add_product(&self.down, Some(&self.down_bias), scratch, inner)
    }
}

/// Multiplies `normed` by the weights and adds the product to the state.
fn add_product(linear: &Linear, bias: Option<&[f32]>, scratch: &mut Scratch, width: usize) -> Result<(), GemmError> {
    scratch.quantize(width);
    linear.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.out)?;
    scratch.state.iter_mut().zip(&scratch.out).for_each(|(state, product)| *state += product);
    if let Some(bias) = bias {
        for row in scratch.state.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(state, bias)| *state += bias);
        }
    }
    Ok(())
}

fn square(linear: Linear, width: usize) -> Result<Linear, String> {
    let fits = linear.inputs() == width && linear.outputs() == width;
    if fits { Ok(linear) } else { Err("an attention is of another size than the network".to_owned()) }
}
