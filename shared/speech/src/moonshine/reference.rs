//! Moonshine as its files describe it, run by RTen from end to end: what the decoder written here is held to.

use rten::{Model, NodeId, Value, ValueOrView};
use rten_tensor::{AsView, NdTensor, NdTensorView};

/// Layers, and the width of a head.
pub(super) const SIZE_OF_TINY: (usize, usize) = (6, 36);

const HEADS: usize = 8;
const END: i32 = 2;

pub(super) struct Reference {
    encoder: Model,
    decoder: Model,
    /// Of each key and value: whether it is heard, where it goes in, where it comes out.
    caches: Vec<(bool, NodeId, NodeId)>,
    head_width: usize,
}

impl Reference {
    pub fn load(encoder: &'static [u8], decoder: &'static [u8], (layers, head_width): (usize, usize)) -> Self {
        let decoder = Model::load_static_slice(decoder).unwrap();
        let node = |name: String| decoder.node_id(&name).unwrap();
        let sides = (0..layers).flat_map(|layer| [(layer, "decoder"), (layer, "encoder")]);
        let names =
            sides.flat_map(|(layer, side)| ["key", "value"].map(|kind| (side, format!("{layer}.{side}.{kind}"))));
        let cache = |(side, name)| {
            (side == "encoder", node(format!("past_key_values.{name}")), node(format!("present.{name}")))
        };
        let caches = names.map(cache).collect();
        Self { encoder: Model::load_static_slice(encoder).unwrap(), caches, decoder, head_width }
    }

    pub fn tokens(&self, samples: &[f32]) -> Vec<u32> {
        let sound = NdTensor::from_data([1, samples.len()], samples.to_vec());
        let features = self.encoder.run_one(sound.into(), None).unwrap();
        let empty = || Value::from(NdTensor::<f32, 4>::zeros([0, HEADS, 1, self.head_width]));
        let mut past: Vec<Value> = self.caches.iter().map(|_| empty()).collect();
        let (mut token, mut tokens) = (1, Vec::new());
        let outputs: Vec<_> = self.caches.iter().map(|(_, _, present)| *present).collect();
        let outputs = [&[self.decoder.node_id("logits").unwrap()], &outputs[..]].concat();
        while token != END {
            let inputs = self.inputs(token, &features, tokens.len(), &past);
            let mut answer = self.decoder.run(inputs, &outputs, None).unwrap().into_iter();
            token = likeliest(&answer.next().unwrap());
            for ((past, present), (heard, ..)) in past.iter_mut().zip(answer).zip(&self.caches) {
                // What was heard stays as the first step left it.
                if tokens.is_empty() || !heard {
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

fn likeliest(logits: &Value) -> i32 {
    let scores: NdTensorView<f32, 3> = logits.as_view().try_into().unwrap();
    let scores = scores.to_vec();
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    i32::try_from(best.0).unwrap()
}
