//! Long audio in pieces that an engine likes: cut where it is quietest, nothing left out, nothing twice.

use std::ops::Range;
use std::time::Duration;

use crate::engine::SAMPLE_RATE;

/// A stop consonant is shorter than the stretch that has to be quiet.
const QUIET: usize = SAMPLE_RATE as usize / 10;
/// How finely the quiet place is looked for.
const STEP: usize = SAMPLE_RATE as usize / 100;

/// The pieces of some audio, each at most `longest`: each cut lies in the last fifth of what a piece may span.
pub(crate) fn pieces(samples: &[f32], longest: Duration) -> Vec<Range<usize>> {
    let longest = samples_in(longest).max(5 * QUIET);
    let (mut done, mut start) = (Vec::new(), 0);
    while samples.len() - start > longest {
        let window = start + longest / 5 * 4..start + longest;
        let cut = window.start + quietest(&samples[window]);
        done.push(start..cut);
        start = cut;
    }
    done.push(start..samples.len());
    done
}

/// The middle of the quietest stretch.
fn quietest(samples: &[f32]) -> usize {
    let power = |at: usize| samples[at..at + QUIET].iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    let starts = (0..=samples.len().saturating_sub(QUIET)).step_by(STEP);
    starts.min_by(|a, b| power(*a).total_cmp(&power(*b))).map_or(samples.len() / 2, |at| at + QUIET / 2)
}

fn samples_in(duration: Duration) -> usize {
    usize::try_from(duration.as_micros() * u128::from(SAMPLE_RATE) / 1_000_000).unwrap_or(usize::MAX)
}

/// Where a sample lies, in whole milliseconds.
pub(crate) fn to_ms(sample: usize) -> u32 {
    u32::try_from(sample as u64 * 1000 / u64::from(SAMPLE_RATE)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(15);
    const SECOND: usize = SAMPLE_RATE as usize;

    #[test]
    fn every_sample_is_in_exactly_one_piece_and_no_piece_is_too_long() {
        for length in [0, 1, SECOND, 15 * SECOND, 15 * SECOND + 1, 16 * SECOND, 64 * SECOND, 301 * SECOND + 7] {
            let samples: Vec<f32> = (0..length).map(|i| ((i * 7919) % 1000) as f32 / 1000.0).collect();
            let pieces = pieces(&samples, LONGEST);
            assert_eq!((pieces[0].start, pieces[pieces.len() - 1].end), (0, length));
            assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(pieces.iter().all(|piece| piece.len() <= 15 * SECOND), "{pieces:?}");
            assert!(length <= 15 * SECOND || pieces.iter().all(|piece| !piece.is_empty()), "{pieces:?}");
        }
    }

    #[test]
    fn the_cut_is_where_it_is_quiet() {
        let mut samples = vec![0.5; 20 * SECOND];
        samples[13 * SECOND..13 * SECOND + 3 * QUIET].fill(0.001);
        // Quieter still, but not within the last fifth.
        samples[5 * SECOND..5 * SECOND + 3 * QUIET].fill(0.0);
        let cut = pieces(&samples, LONGEST)[0].end;
        assert!((13 * SECOND..13 * SECOND + 3 * QUIET).contains(&cut), "{cut}");
    }
}
