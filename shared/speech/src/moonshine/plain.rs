//! Multiplication in plain code, which the compiler turns into the vector instructions that every processor of its kind
//! has (SSE2, NEON).

/// Rows that stay in the fastest cache while the weights pass by.
const ROWS_AT_ONCE: usize = 16;

/// Each row times the weights of each output, which lie side by side, `inputs` for an output.
pub(super) fn multiply(rows: &[i16], weights: &[i8], inputs: usize, out: &mut [i32]) {
    let outputs = weights.len() / inputs;
    let mut wide = vec![0; inputs];
    let blocks = rows.chunks(ROWS_AT_ONCE * inputs).zip(out.chunks_mut(ROWS_AT_ONCE * outputs));
    for (rows, out) in blocks {
        for (output, weights) in weights.chunks_exact(inputs).enumerate() {
            wide.iter_mut().zip(weights).for_each(|(wide, weight)| *wide = i16::from(*weight));
            for (row, out) in rows.chunks_exact(inputs).zip(out.chunks_exact_mut(outputs)) {
                out[output] = dot(row, &wide);
            }
        }
    }
}

/// Both of 16 bits, which processors multiply and add in pairs. A sum of 32 bits holds 65,000 products of bytes, so
/// nothing wraps; checks for it would keep the compiler from vector instructions.
fn dot(row: &[i16], weights: &[i16]) -> i32 {
    let products = row.iter().zip(weights).map(|(number, weight)| i32::from(*number).wrapping_mul(i32::from(*weight)));
    products.fold(0, i32::wrapping_add)
}
