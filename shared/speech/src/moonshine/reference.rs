//! The reference for tests: the model files of Moonshine, run entirely by RTen.
//!
//! On processors without VNNI, RTen's products of bytes may overflow. To prevent that, the files are rewritten with weights
//! that are split into two halves.

use std::cell::RefCell;
use std::collections::HashMap;

use rten::{Model, NodeId, Value, ValueOrView};
use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto, TensorProto};
use rten_tensor::{AsView, NdTensor, NdTensorView};

/// The number of layers and the width of a head.
pub(super) const SIZE_OF_TINY: (usize, usize) = (6, 36);
pub(super) const WIDTH_OF_TINY: usize = 288;

const HEADS: usize = 8;
const END: i32 = 2;

pub(super) struct Reference {
    encoder: Model,
    decoder: Model,
    /// For each cache of keys or values: whether it belongs to cross-attention, its input node and its output node.
    caches: Vec<(bool, NodeId, NodeId)>,
    head_width: usize,
}

impl Reference {
    pub fn load(encoder: &'static [u8], decoder: &'static [u8], (layers, head_width): (usize, usize)) -> Self {
        let decoder = Model::load(exact(decoder)).unwrap();
        let node = |name: String| decoder.node_id(&name).unwrap();
        let sides = (0..layers).flat_map(|layer| [(layer, "decoder"), (layer, "encoder")]);
        let names =
            sides.flat_map(|(layer, side)| ["key", "value"].map(|kind| (side, format!("{layer}.{side}.{kind}"))));
        let cache = |(side, name)| {
            (side == "encoder", node(format!("past_key_values.{name}")), node(format!("present.{name}")))
        };
        let caches = names.map(cache).collect();
        Self { encoder: Model::load(exact(encoder)).unwrap(), caches, decoder, head_width }
    }

    pub fn features(&self, samples: &[f32]) -> Value {
        let sound = NdTensor::from_data([1, samples.len()], samples.to_vec());
        self.encoder.run_one(sound.into(), None).unwrap()
    }

    /// Decodes features to tokens.
    pub fn tokens(&self, features: &Value) -> Vec<u32> {
        let empty = || Value::from(NdTensor::<f32, 4>::zeros([0, HEADS, 1, self.head_width]));
        let mut past: Vec<Value> = self.caches.iter().map(|_| empty()).collect();
        let (mut token, mut tokens) = (1, Vec::new());
        let outputs: Vec<_> = self.caches.iter().map(|(_, _, present)| *present).collect();
        let outputs = [&[self.decoder.node_id("logits").unwrap()], &outputs[..]].concat();
        while token != END {
            let inputs = self.inputs(token, features, tokens.len(), &past);
            let mut answer = self.decoder.run(inputs, &outputs, None).unwrap().into_iter();
            token = most_likely(&answer.next().unwrap());
            for ((past, present), (is_cross_attention, ..)) in past.iter_mut().zip(answer).zip(&self.caches) {
                // The caches of cross-attention stay as they were after the first step.
                if tokens.is_empty() || !is_cross_attention {
                    *past = present;
                }
            }
            tokens.push(token.unsigned_abs());
            assert!(tokens.len() < 200, "it does not end");
        }
        tokens.pop();
        tokens
    }

    fn inputs<'a>(
        &self,
        token: i32,
        features: &'a Value,
        steps: usize,
        past: &'a [Value],
    ) -> Vec<(NodeId, ValueOrView<'a>)> {
        let node = |name: &str| self.decoder.node_id(name).unwrap();
        let mut inputs: Vec<(NodeId, ValueOrView)> = vec![
            (node("input_ids"), NdTensor::from_data([1, 1], vec![token]).into()),
            (node("encoder_hidden_states"), features.as_view().into()),
            (node("use_cache_branch"), NdTensor::from_data([1], vec![i32::from(steps > 0)]).into()),
        ];
        inputs.extend(self.caches.iter().zip(past).map(|((_, node, _), value)| (*node, value.as_view().into())));
        inputs
    }
}

fn most_likely(logits: &Value) -> i32 {
    let scores: NdTensorView<f32, 3> = logits.as_view().try_into().unwrap();
    let scores = scores.to_vec();
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    i32::try_from(best.0).unwrap()
}

/// Rewrites the file: each product of bytes and weights becomes the sum of the products with two halves of the weights. The
/// sum of two products of at most 255 times 64 fits into 16 bits.
fn exact(onnx: &[u8]) -> Vec<u8> {
    let mut model = ModelProto::parse_buf(onnx).unwrap();
    let mut graph = model.graph.take().unwrap();
    let mut halves = HashMap::new();
    rewrite(&mut graph, &mut halves);
    for tensor in graph.initializer.clone() {
        let Some(name) = tensor.name.clone().filter(|name| halves.contains_key(name)) else { continue };
        let raw = tensor.raw_data.as_ref().map(|raw| raw.borrow().clone());
        let bytes = raw.unwrap_or_else(|| tensor.int32_data.iter().map(|byte| u8::try_from(*byte).unwrap()).collect());
        let signed = bytes.iter().map(|byte| (byte ^ 0x80) as i8);
        let half = signed.clone().map(|weight| weight >> 1);
        let other = signed.map(|weight| weight - (weight >> 1));
        for (half, part) in halves[&name].iter().zip([half.collect::<Vec<i8>>(), other.collect()]) {
            graph.initializer.push(TensorProto {
                name: Some(half.clone()),
                data_type: Some(DataType::INT8),
                dims: tensor.dims.clone(),
                raw_data: Some(RefCell::new(part.iter().map(|weight| weight.cast_unsigned()).collect())),
                ..TensorProto::default()
            });
        }
    }
    model.graph = Some(graph);
    model.write_buf().unwrap()
}

/// Replaces the multiplications of a graph, and notes the names of the halves of each tensor that must be split.
fn rewrite(graph: &mut GraphProto, halves: &mut HashMap<String, [String; 2]>) {
    let mut nodes = Vec::new();
    for mut node in std::mem::take(&mut graph.node) {
        node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()).for_each(|inner| rewrite(inner, halves));
        if node.op_type.as_deref() != Some("MatMulInteger") {
            nodes.push(node);
            continue;
        }
        let [numbers, weights, zero, weights_zero] = &node.input[..] else { panic!("{node:?}") };
        let mut half = |name: &String, part: usize| {
            let names = || [0, 1].map(|part| format!("{name}/half/{part}"));
            halves.entry(name.clone()).or_insert_with(names)[part].clone()
        };
        let products = [0, 1].map(|part| NodeProto {
            name: node.name.as_ref().map(|name| format!("{name}/half/{part}")),
            input: vec![numbers.clone(), half(weights, part), zero.clone(), half(weights_zero, part)],
            output: vec![format!("{}/half/{part}", node.output[0])],
            op_type: node.op_type.clone(),
            ..NodeProto::default()
        });
        let sum = NodeProto {
            input: products.iter().map(|product| product.output[0].clone()).collect(),
            op_type: Some("Add".to_owned()),
            ..node
        };
        nodes.extend(products);
        nodes.push(sum);
    }
    graph.node = nodes;
}
