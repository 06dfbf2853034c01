//! A layer of the decoder: it looks at what was said, at what was heard, and thinks.

use rten_gemm::GemmError;
use rten_simd::SimdUnaryOp;
use rten_vecmath::Silu;

use super::attention::{Turn, norm};
use super::linear::{Kernels, Linear};
use super::rows::Rows;
use super::speech::Speech;
use super::weights::Weights;
use crate::arithmetic::Arithmetic;

pub(super) struct Layer {
    spoken_norm: Vec<f32>,
    spoken: Attention,
    heard_norm: Vec<f32>,
    pub heard: Attention,
    think_norm: Vec<f32>,
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

/// Room for the numbers of a step, kept from one to the next, and the arithmetic that fills it. A call has its own.
pub(super) struct Room {
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

impl Room {
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

    /// Quantizes what lies in `normed`.
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
            spoken_norm: floats("input_layernorm.weight", width)?,
            spoken: attention("self_attn")?,
            heard_norm: floats("post_attention_layernorm.weight", width)?,
            heard: attention("encoder_attn")?,
            think_norm: floats("final_layernorm.weight", width)?,
            up_bias: floats("mlp.up_proj.bias", up.outputs())?,
            up,
            down_bias: floats("mlp.down_proj.bias", width)?,
            down,
        })
    }

    /// Looks at what was said so far.
    pub fn speak(&self, index: usize, said: &mut [(&mut Speech, u32)], room: &mut Room) -> Result<(), GemmError> {
        let width = self.spoken_norm.len();
        norm(&room.state, &self.spoken_norm, &mut room.normed);
        room.quantize(width);
        self.spoken.query.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.query)?;
        self.spoken.key.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.key)?;
        self.spoken.value.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.value)?;
        room.normed.fill(0.0);
        for (row, (speech, _)) in said.iter_mut().enumerate() {
            let at = row * width..(row + 1) * width;
            let turn = Turn::at(speech.steps);
            turn.apply(&mut room.query[at.clone()]);
            turn.apply(&mut room.key[at.clone()]);
            let memory = &mut speech.spoken[index];
            memory.keys.extend_from_slice(&room.key[at.clone()]);
            memory.values.extend_from_slice(&room.value[at.clone()]);
            memory.attend(&room.query[at.clone()], &mut room.normed[at], &mut room.scores);
        }
        add_product(&self.spoken.dense, None, room, width)
    }

    /// Looks at the features.
    pub fn hear(&self, index: usize, said: &mut [(&mut Speech, u32)], room: &mut Room) -> Result<(), GemmError> {
        let width = self.heard_norm.len();
        norm(&room.state, &self.heard_norm, &mut room.normed);
        room.quantize(width);
        self.heard.query.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.query)?;
        room.normed.fill(0.0);
        for (row, (speech, _)) in said.iter().enumerate() {
            let at = row * width..(row + 1) * width;
            speech.heard[index].attend(&room.query[at.clone()], &mut room.normed[at], &mut room.scores);
        }
        add_product(&self.heard.dense, None, room, width)
    }

    pub fn think(&self, room: &mut Room) -> Result<(), GemmError> {
        let width = self.think_norm.len();
        norm(&room.state, &self.think_norm, &mut room.normed);
        room.quantize(width);
        self.up.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.out)?;
        room.normed.clear();
        let inner = self.down.inputs();
        for row in room.out.chunks_exact_mut(2 * inner) {
            row.iter_mut().zip(&self.up_bias).for_each(|(number, bias)| *number += bias);
            let (numbers, gates) = row.split_at_mut(inner);
            Silu {}.map_mut(gates);
            room.normed.extend(numbers.iter().zip(gates).map(|(number, gate)| *number * *gate));
        }
        add_product(&self.down, Some(&self.down_bias), room, inner)
    }
}

/// Multiplies what lies in `normed` and adds it to the state.
fn add_product(linear: &Linear, bias: Option<&[f32]>, room: &mut Room, width: usize) -> Result<(), GemmError> {
    room.quantize(width);
    linear.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.out)?;
    room.state.iter_mut().zip(&room.out).for_each(|(state, product)| *state += product);
    if let Some(bias) = bias {
        for row in room.state.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(state, bias)| *state += bias);
        }
    }
    Ok(())
}

fn square(linear: Linear, width: usize) -> Result<Linear, String> {
    let fits = linear.inputs() == width && linear.outputs() == width;
    if fits { Ok(linear) } else { Err("an attention is of another size than the network".to_owned()) }
}
