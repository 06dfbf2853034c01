//! Compares the network with the reference, and with the model file run as it is.

use super::*;
use crate::testing::{fixture_samples, noise, silero_model};

/// The output of onnxruntime 1.31 for the clip `ss0890`, window by window, with the wrapper from the model's package.
const REFERENCE: &str = include_str!("ss0890.txt");

/// Puts silence in front as the context of the first window.
fn with_context(samples: &[f32]) -> Vec<f32> {
    let mut padded = vec![0.0; CONTEXT];
    padded.extend_from_slice(samples);
    padded.resize(CONTEXT + samples.len().next_multiple_of(WINDOW), 0.0);
    padded
}

fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

/// Judges the samples in batches of this many windows.
fn judged(network: &Network, samples: &[f32], batch: usize) -> Vec<f32> {
    let (samples, mut memory) = (with_context(samples), Memory::default());
    let starts = (0..samples.len() - CONTEXT).step_by(batch * WINDOW);
    let batches = starts.map(|at| &samples[at..(at + CONTEXT + batch * WINDOW).min(samples.len())]);
    batches.flat_map(|batch| network.run(batch, &mut memory).unwrap()).collect()
}

#[test]
fn probabilities_equal_reference_for_any_batch_size() {
    let (network, clip) = (Network::load(silero_model()).unwrap(), fixture_samples("ss0890_pcm16"));
    let reference: Vec<f32> = REFERENCE.lines().map(|line| line.parse().unwrap()).collect();
    assert!(reference.iter().any(|speech| *speech > 0.9) && reference.iter().any(|speech| *speech < 0.1));
    for batch in [1, 3, 64, 1_000] {
        let apart = apart(&judged(&network, &clip, batch), &reference);
        assert!(apart < 1e-4, "{apart} in batches of {batch}");
    }
}

#[test]
fn batched_products_equal_output_of_model_file() {
    let (network, sounds) = (Network::load(silero_model()).unwrap(), noise(100 * WINDOW, 0.7));
    let all = with_context(&sounds);
    let windows: Vec<f32> =
        (0..100).flat_map(|index| all[index * WINDOW..][..CONTEXT + WINDOW].iter().copied()).collect();
    let (id, nothing) = (|name| node(&network.model, name).unwrap(), [0.0; CARRIED]);
    let carried = || NdTensorView::from_data([1, 1, CARRIED], &nothing[..]);
    let inputs = vec![
        (id("input"), NdTensorView::from_data([100, CONTEXT + WINDOW], &windows[..]).into()),
        (id("h"), carried().into()),
        (id("c"), carried().into()),
    ];
    let [expected] = network.model.run_n(inputs, [id("speech_probs")], None).unwrap();
    assert!(apart(&judged(&network, &sounds, 64), &numbers(expected, 100).unwrap()) < 1e-4);
}

#[test]
fn other_model_file_is_refused_with_reason() {
    let why = |bytes: &'static [u8]| Network::load(bytes).err().unwrap().to_string();
    assert!(why(b"").contains("cannot be read"), "{}", why(b""));
    assert!(why(b"no model at all").contains("cannot be read"));
}
