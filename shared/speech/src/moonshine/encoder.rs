//! The network that turns sound into features. RTen computes its convolutions; this module computes the layers after them.
//!
//! The layers are not left to RTen, because its products of bytes are not exact on processors without VNNI. Those of
//! [`super::linear`] are.

use rten::{Model, ModelOptions, NodeId, RunError, RunOptions};
use rten_gemm::GemmError;
use rten_simd::SimdUnaryOp;
use rten_tensor::{AsView, Layout, NdTensor};
use rten_vecmath::Gelu;

use super::attention::{self, Rotation, SelfAttention, norm};
use super::error::NetworkError;
use super::linear::{Kernels, Linear};
use super::rows::Rows;
use super::weights::Weights;
use crate::arithmetic::Arithmetic;

/// A limit above the number of layers of any Moonshine model.
const MAX_LAYERS: usize = 64;
/// The output of the convolutions, as the exporter names it.
const CONVOLUTIONS_OUTPUT: &str = "/Transpose_output_0";

pub(super) struct Encoder {
    convolutions: Model,
    sound: NodeId,
    rows: NodeId,
    layers: Vec<Layer>,
    norm: Vec<f32>,
}

struct Layer {
    attention_norm: Vec<f32>,
    query: Linear,
    key: Linear,
    value: Linear,
    dense: Linear,
    feed_forward_norm: Vec<f32>,
    up: Linear,
    up_bias: Vec<f32>,
    down: Linear,
    down_bias: Vec<f32>,
}

/// Buffers for the numbers of a call.
struct Scratch {
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
    rotations: Vec<Rotation>,
}

impl Encoder {
    pub fn read(onnx: &'static [u8], kernels: &Kernels) -> Result<Self, String> {
        let mut options = ModelOptions::with_all_ops();
        let convolutions = options.prepack_weights(true).load_static_slice(onnx).map_err(|error| error.to_string())?;
        let node = |name| convolutions.node_id(name).map_err(|error| error.to_string());
        let (sound, rows) = (node("input_values")?, node(CONVOLUTIONS_OUTPUT)?);
        let weights = Weights::read(onnx)?;
        let present = (0..MAX_LAYERS).take_while(|layer| weights.has(&format!("/layers.{layer}/mlp/fc1")));
        let layers = present.map(|layer| Layer::read(kernels, &weights, layer)).collect::<Result<Vec<_>, _>>()?;
        let width = layers.first().ok_or_else(|| "it has no layers".to_owned())?.attention_norm.len();
        if !attention::fits(width) || layers.iter().any(|layer| layer.attention_norm.len() != width) {
            return Err(format!("a width of {width} does not fit this family of models"));
        }
        let norm = weights.floats("layer_norm.weight", width)?;
        Ok(Self { convolutions, sound, rows, layers, norm })
    }

    pub fn width(&self) -> usize {
        self.norm.len()
    }

    /// Computes the features of a sound, row by row.
    pub fn encode(
        &self,
        sound: Vec<f32>,
        arithmetic: Arithmetic,
        options: &RunOptions,
    ) -> Result<Vec<f32>, NetworkError> {
        let mut scratch = Scratch::new(arithmetic, self.convolutions(sound, options)?, self.width());
        for layer in &self.layers {
            layer.attend_to_rows(&mut scratch)?;
            layer.feed_forward(&mut scratch)?;
        }
        norm(&scratch.state, &self.norm, &mut scratch.normed);
        Ok(scratch.normed)
    }

    fn convolutions(&self, sound: Vec<f32>, options: &RunOptions) -> Result<Vec<f32>, NetworkError> {
        let sound = NdTensor::from_data([1, sound.len()], sound);
        let run = self.convolutions.run_n(vec![(self.sound, sound.into())], [self.rows], Some(options.clone()));
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
            attention_norm: floats("input_layernorm.weight", width)?,
            query: linear("self_attn/q_proj")?,
            key: linear("self_attn/k_proj")?,
            value: linear("self_attn/v_proj")?,
            dense: linear("self_attn/dense")?,
            feed_forward_norm: floats("post_attention_layernorm.weight", width)?,
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

    /// Self-attention over all rows.
    fn attend_to_rows(&self, scratch: &mut Scratch) -> Result<(), GemmError> {
        let width = self.attention_norm.len();
        norm(&scratch.state, &self.attention_norm, &mut scratch.normed);
        scratch.rows.quantize_alike(scratch.kernels.arithmetic, &scratch.normed, width);
        self.query.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.query)?;
        self.key.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.key)?;
        self.value.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.value)?;
        let pairs = scratch.query.chunks_exact_mut(width).zip(scratch.key.chunks_exact_mut(width));
        for (rotation, (query, key)) in scratch.rotations.iter().zip(pairs) {
            rotation.apply(query);
            rotation.apply(key);
        }
        let self_attention =
            SelfAttention { queries: &scratch.query, keys: &scratch.key, values: &scratch.value, width };
        self_attention.attend(&scratch.kernels.floats, &mut scratch.normed, &mut scratch.scores, &mut scratch.out)?;
        scratch.rows.quantize_alike(scratch.kernels.arithmetic, &scratch.normed, width);
        self.dense.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.out)?;
        add(&mut scratch.state, &scratch.out);
        Ok(())
    }

    fn feed_forward(&self, scratch: &mut Scratch) -> Result<(), GemmError> {
        norm(&scratch.state, &self.feed_forward_norm, &mut scratch.normed);
        scratch.rows.quantize_alike(scratch.kernels.arithmetic, &scratch.normed, self.up.inputs());
        self.up.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.out)?;
        scratch.out.chunks_exact_mut(self.up.outputs()).for_each(|row| add(row, &self.up_bias));
        Gelu {}.map_mut(&mut scratch.out);
        scratch.rows.quantize_alike(scratch.kernels.arithmetic, &scratch.out, self.down.inputs());
        self.down.apply(&scratch.kernels, &scratch.rows, &mut scratch.whole, &mut scratch.out)?;
        add(&mut scratch.state, &scratch.out);
        scratch.state.chunks_exact_mut(self.down_bias.len()).for_each(|row| add(row, &self.down_bias));
        Ok(())
    }
}

impl Scratch {
    fn new(arithmetic: Arithmetic, state: Vec<f32>, width: usize) -> Self {
        let rotations = (0..state.len() / width).map(Rotation::at).collect();
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
            rotations,
        }
    }
}

fn add(sums: &mut [f32], numbers: &[f32]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}
