//! The arithmetic of attention: how well keys fit a query, positions as angles, rows brought to one measure.

use rten_simd::SimdOp;
use rten_vecmath::{Softmax, Sum, SumSquareSub};

const HEADS: usize = 8;
/// The part of a head that is turned by its position, in pairs; the rest is not.
const TURNED: usize = 32;
/// As the model was trained.
const TURNING_BASE: f32 = 10_000.0;
const NORM_EPSILON: f32 = 1e-5;

/// What attention looks at: a row for each position.
#[derive(Default)]
pub(super) struct Memory {
    pub keys: Vec<f32>,
    pub values: Vec<f32>,
}

/// Whether rows of this width have heads as they are computed here.
pub(super) fn fits(width: usize) -> bool {
    width.is_multiple_of(HEADS * 4) && width / HEADS >= TURNED
}

impl Memory {
    /// Adds to `out` what the positions hold, each by how well its key fits.
    pub fn attend(&self, query: &[f32], out: &mut [f32], scores: &mut Vec<f32>) {
        let (width, head) = (query.len(), query.len() / HEADS);
        let scale = (head as f32).sqrt().recip();
        for at in (0..width).step_by(head) {
            let query = &query[at..at + head];
            scores.clear();
            scores.extend(self.keys.chunks_exact(width).map(|keys| dot(query, &keys[at..at + head]) * scale));
            Softmax::new_mut(scores).dispatch();
            let out = &mut out[at..at + head];
            for (values, score) in self.values.chunks_exact(width).zip(scores.iter()) {
                out.iter_mut().zip(&values[at..at + head]).for_each(|(sum, value)| *sum += score * value);
            }
        }
    }
}

/// Each row with mean 0 and variance 1, times the weights.
pub(super) fn norm(rows: &[f32], weights: &[f32], out: &mut Vec<f32>) {
    out.clear();
    for row in rows.chunks_exact(weights.len()) {
        let count = row.len() as f32;
        let mean = Sum::new(row).dispatch() / count;
        let variance = SumSquareSub::new(row, mean).dispatch() / count;
        let scale = (variance + NORM_EPSILON).sqrt().recip();
        out.extend(row.iter().zip(weights).map(|(number, weight)| (number - mean) * scale * weight));
    }
}

/// Four sums side by side: one would wait for itself at each addition.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.as_chunks::<4>().0, b.as_chunks::<4>().0);
    let mut sums = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// Turns each head's pairs by an angle that its position gives.
pub(super) fn turn(row: &mut [f32], position: usize) {
    let head = row.len() / HEADS;
    for pair in 0..TURNED / 2 {
        let speed = TURNING_BASE.powf(-2.0 * pair as f32 / TURNED as f32);
        let (sin, cos) = (position as f32 * speed).sin_cos();
        for head in row.chunks_exact_mut(head) {
            let (first, second) = (head[2 * pair], head[2 * pair + 1]);
            head[2 * pair] = first * cos - second * sin;
            head[2 * pair + 1] = second * cos + first * sin;
        }
    }
}
