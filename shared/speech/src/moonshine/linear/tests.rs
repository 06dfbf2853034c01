//! Compares every arithmetic that this machine supports with sums that are computed one by one.

use proptest::prelude::*;

use super::*;

/// The sums of `(a - zero of a) * (b - zero of b)` in 64 bits.
fn by_hand(rows: &Rows, matrix: &ByteMatrix) -> Vec<i32> {
    let mut out = Vec::new();
    for (bytes, row) in rows.bytes().chunks_exact(matrix.rows).zip(rows.each()) {
        for output in 0..matrix.columns {
            let weights = matrix.bytes.iter().skip(output).step_by(matrix.columns);
            let product = |(byte, weight): (&u8, &u8)| {
                (i64::from(*byte) - i64::from(row.zero)) * (i64::from(*weight) - i64::from(matrix.zero))
            };
            out.push(i32::try_from(bytes.iter().zip(weights).map(product).sum::<i64>()).unwrap());
        }
    }
    out
}

fn differences(floats: &[f32], matrix: &ByteMatrix) -> Vec<String> {
    let mut wrong = Vec::new();
    for arithmetic in Arithmetic::of_this_machine() {
        let (kernels, mut rows, mut whole) = (Kernels::new(arithmetic), Rows::default(), Vec::new());
        rows.quantize(arithmetic, floats, matrix.rows);
        let expected = by_hand(&rows, matrix);
        Linear::new(&kernels, matrix).whole(&kernels, &rows, &mut whole).unwrap();
        wrong.extend((whole != expected).then(|| format!("{arithmetic}")));
        let mut columns = ByteMatrix { rows: matrix.columns, columns: matrix.rows, bytes: Vec::new(), ..*matrix };
        for column in 0..matrix.columns {
            columns.bytes.extend(matrix.bytes.iter().skip(column).step_by(matrix.columns));
        }
        Linear::transposed(&kernels, &columns).whole(&kernels, &rows, &mut whole).unwrap();
        wrong.extend((whole != expected).then(|| format!("{arithmetic}, transposed")));
    }
    wrong
}

/// The largest bytes times the largest weights, whose sums overflow 16 bits.
#[test]
fn products_that_overflow_16_bits_are_exact_in_every_supported_arithmetic() {
    println!("tested arithmetic: {:?}", Arithmetic::of_this_machine());
    for count in 1..=9 {
        let floats: Vec<f32> = (0..count).flat_map(|_| [-0.001].into_iter().chain([1.0; 287])).collect();
        for weight in [0, 255] {
            for zero in [0, 118, 255] {
                let matrix = ByteMatrix { rows: 288, columns: 33, bytes: vec![weight; 288 * 33], scale: 1.0, zero };
                assert_eq!(differences(&floats, &matrix), Vec::<String>::new(), "{count} rows, {weight}, {zero}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products_are_exact_in_every_supported_arithmetic(
        count in 1..20_usize, inputs in 1..300_usize, outputs in 1..70_usize, zero: u8, seed: u64,
    ) {
        // Numbers near the limits are likely, because they are the ones that overflow.
        let mut state = seed | 1;
        let mut next = || { state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1); (state >> 33) as u32 };
        let floats: Vec<f32> = (0..count * inputs).map(|_| [-1.0, 1.0, (next() % 256) as f32 / 128.0 - 1.0][next() as usize % 3]).collect();
        let bytes: Vec<u8> = (0..inputs * outputs).map(|_| [0, 255, next() as u8][next() as usize % 3]).collect();
        let matrix = ByteMatrix { rows: inputs, columns: outputs, bytes, scale: 1.0, zero };
        prop_assert_eq!(differences(&floats, &matrix), Vec::<String>::new());
    }
}
