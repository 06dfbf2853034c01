//! The network that turns sound into features: convolutions, computed by RTen, and layers behind them, computed here.
//!
//! RTen multiplies bytes as fast as it can, which on processors without VNNI is not exact. Here it is, see
//! [`super::linear`].

use rten::{Model, ModelOptions, NodeId, RunError, RunOptions};
use rten_gemm::GemmError;
use rten_simd::SimdUnaryOp;
use rten_tensor::{AsView, Layout, NdTensor};
use rten_vecmath::Gelu;

use super::attention::{self, Everything, Turn, norm};
use super::error::NetworkError;
use super::linear::{Kernels, Linear};
use super::rows::Rows;
use super::weights::Weights;
use crate::arithmetic::Arithmetic;

/// More than any model of the family has.
const MOST_LAYERS: usize = 64;
/// What the convolutions end in, as the exporter names it.
const FRONT: &str = "/Transpose_output_0";

pub(super) struct Encoder {
    front: Model,
    sound: NodeId,
    rows: NodeId,
    layers: Vec<Layer>,
    norm: Vec<f32>,
}

struct Layer {
    look_norm: Vec<f32>,
    query: Linear,
    key: Linear,
    value: Linear,
    dense: Linear,
    think_norm: Vec<f32>,
    up: Linear,
    up_bias: Vec<f32>,
    down: Linear,
    down_bias: Vec<f32>,
}

/// Room for the numbers of a call.
struct Room {
    kernels: Kernels,
    rows: Rows,
    whole: Vec<i32>,
    state: Vec<f32>,
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    out: Vec<f32>,
    scores: Vec<f32>,
    turns: Vec<Turn>,
}

impl Encoder {
    pub fn read(onnx: &'static [u8], kernels: &Kernels) -> Result<Self, String> {
        let mut options = ModelOptions::with_all_ops();
        let front = options.prepack_weights(true).load_static_slice(onnx).map_err(|error| error.to_string())?;
        let node = |name| front.node_id(name).map_err(|error| error.to_string());
        let (sound, rows) = (node("input_values")?, node(FRONT)?);
        let weights = Weights::read(onnx)?;
        let there = (0..MOST_LAYERS).take_while(|layer| weights.has(&format!("/layers.{layer}/mlp/fc1")));
        let layers = there.map(|layer| Layer::read(kernels, &weights, layer)).collect::<Result<Vec<_>, _>>()?;
        let width = layers.first().ok_or_else(|| "it has no layers".to_owned())?.look_norm.len();
        if !attention::fits(width) || layers.iter().any(|layer| layer.look_norm.len() != width) {
            return Err(format!("a width of {width} does not fit this family of models"));
        }
        let norm = weights.floats("layer_norm.weight", width)?;
        Ok(Self { front, sound, rows, layers, norm })
    }

    pub fn width(&self) -> usize {
        self.norm.len()
    }

    /// The features of a sound, row by row.
    pub fn hear(
        &self,
        sound: Vec<f32>,
        arithmetic: Arithmetic,
        options: &RunOptions,
    ) -> Result<Vec<f32>, NetworkError> {
        let mut room = Room::new(arithmetic, self.front(sound, options)?, self.width());
        for layer in &self.layers {
            layer.look(&mut room)?;
            layer.think(&mut room)?;
        }
        norm(&room.state, &self.norm, &mut room.normed);
        Ok(room.normed)
    }

    fn front(&self, sound: Vec<f32>, options: &RunOptions) -> Result<Vec<f32>, NetworkError> {
        let sound = NdTensor::from_data([1, sound.len()], sound);
        let run = self.front.run_n(vec![(self.sound, sound.into())], [self.rows], Some(options.clone()));
        let [rows] = run.map_err(|error: RunError| NetworkError::Encoder(error.to_string()))?;
        let rows: NdTensor<f32, 3> = rows.try_into().map_err(|_| NetworkError::Shape)?;
        let fits = rows.size(0) == 1 && rows.size(2) == self.width();
        if fits { Ok(rows.to_vec()) } else { Err(NetworkError::Shape) }
    }
}

impl Layer {
    fn read(kernels: &Kernels, weights: &Weights, layer: usize) -> Result<Self, String> {
        let linear = |name: &str| weights.linear(kernels, &format!("/layers.{layer}/{name}"));
        let floats = |name: &str, count| weights.floats(&format!("layers.{layer}.{name}"), count);
        let (up, down) = (linear("mlp/fc1")?, linear("mlp/fc2")?);
        let width = up.inputs();
        let read = Self {
            look_norm: floats("input_layernorm.weight", width)?,
            query: linear("self_attn/q_proj")?,
            key: linear("self_attn/k_proj")?,
            value: linear("self_attn/v_proj")?,
            dense: linear("self_attn/dense")?,
            think_norm: floats("post_attention_layernorm.weight", width)?,
            up_bias: floats("mlp.fc1.bias", up.outputs())?,
            up,
            down_bias: floats("mlp.fc2.bias", width)?,
            down,
        };
        let square = |linear: &Linear| linear.inputs() == width && linear.outputs() == width;
        let squares = [&read.query, &read.key, &read.value, &read.dense].into_iter().all(square);
        let fits = squares && read.down.inputs() == read.up.outputs() && read.down.outputs() == width;
        if fits { Ok(read) } else { Err(format!("the sizes of layer {layer} do not fit")) }
    }

    /// Each row looks at all.
    fn look(&self, room: &mut Room) -> Result<(), GemmError> {
        let width = self.look_norm.len();
        norm(&room.state, &self.look_norm, &mut room.normed);
        room.rows.quantize_alike(room.kernels.arithmetic, &room.normed, width);
        self.query.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.query)?;
        self.key.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.key)?;
        self.value.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.value)?;
        let pairs = room.query.chunks_exact_mut(width).zip(room.key.chunks_exact_mut(width));
        for (turn, (query, key)) in room.turns.iter().zip(pairs) {
            turn.apply(query);
            turn.apply(key);
        }
        let everything = Everything { queries: &room.query, keys: &room.key, values: &room.value, width };
        everything.attend(&room.kernels.floats, &mut room.normed, &mut room.scores, &mut room.out)?;
        room.rows.quantize_alike(room.kernels.arithmetic, &room.normed, width);
        self.dense.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.out)?;
        add(&mut room.state, &room.out);
        Ok(())
    }

    fn think(&self, room: &mut Room) -> Result<(), GemmError> {
        norm(&room.state, &self.think_norm, &mut room.normed);
        room.rows.quantize_alike(room.kernels.arithmetic, &room.normed, self.up.inputs());
        self.up.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.out)?;
        room.out.chunks_exact_mut(self.up.outputs()).for_each(|row| add(row, &self.up_bias));
        Gelu {}.map_mut(&mut room.out);
        room.rows.quantize_alike(room.kernels.arithmetic, &room.out, self.down.inputs());
        self.down.apply(&room.kernels, &room.rows, &mut room.whole, &mut room.out)?;
        add(&mut room.state, &room.out);
        room.state.chunks_exact_mut(self.down_bias.len()).for_each(|row| add(row, &self.down_bias));
        Ok(())
    }
}

impl Room {
    fn new(arithmetic: Arithmetic, state: Vec<f32>, width: usize) -> Self {
        let turns = (0..state.len() / width).map(Turn::at).collect();
        Self {
            kernels: Kernels::new(arithmetic),
            rows: Rows::default(),
            whole: Vec::new(),
            normed: Vec::new(),
            query: Vec::new(),
            key: Vec::new(),
            value: Vec::new(),
            out: Vec::new(),
            scores: Vec::new(),
            state,
            turns,
        }
    }
}

fn add(sums: &mut [f32], numbers: &[f32]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}
