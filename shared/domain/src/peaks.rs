//! The waveform of a recording for drawing: the lowest and the highest sample of each part of it.

/// The most pairs of peaks of a recording: as many as a screen can show.
pub const MAX_PEAKS: usize = 1_000;
/// The pairs of a second of sound: each covers 20 ms, which is as fine as a frame of speech. A recording of 20 seconds has
/// the most pairs.
pub const PEAKS_A_SECOND: u64 = 50;

/// Pairs of lowest and highest sample, in order, each over an equal share of the recording: [`wanted`] of them, or fewer if
/// there are fewer samples, and none if there are no samples. Versions before this rule stored up to [`MAX_PEAKS`] pairs,
/// however short the recording. A sample is a signed byte with full scale 127, after the recording's levels were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    bytes: Vec<u8>,
}

/// How many pairs a recording of this length deserves. They are kept for ever.
pub fn wanted(length_ms: u64) -> usize {
    let wanted = length_ms.saturating_mul(PEAKS_A_SECOND).div_ceil(1000);
    usize::try_from(wanted).map_or(MAX_PEAKS, |wanted| wanted.min(MAX_PEAKS))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are no pairs of peaks")]
pub struct DamagedPeaks(pub usize);

impl Peaks {
    /// Pairs beyond [`MAX_PEAKS`] are left out.
    pub fn new(pairs: impl IntoIterator<Item = (i8, i8)>) -> Self {
        let bytes =
            pairs.into_iter().take(MAX_PEAKS).flat_map(|(low, high)| [low.cast_unsigned(), high.cast_unsigned()]);
        Self { bytes: bytes.collect() }
    }

    /// The inverse of [`pack`](Self::pack).
    pub fn unpack(bytes: &[u8]) -> Result<Self, DamagedPeaks> {
        if bytes.len() > 2 * MAX_PEAKS || !bytes.len().is_multiple_of(2) {
            return Err(DamagedPeaks(bytes.len()));
        }
        Ok(Self { bytes: bytes.to_vec() })
    }

    /// The peaks as bytes: two for each pair, the lowest sample first.
    pub fn pack(&self) -> &[u8] {
        &self.bytes
    }

    pub fn pairs(&self) -> impl Iterator<Item = (i8, i8)> {
        self.bytes.as_chunks().0.iter().map(|&[low, high]| (low.cast_signed(), high.cast_signed()))
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_read_back_as_they_were_packed() {
        let pairs = [(-127, 127), (-1, 0), (i8::MIN, i8::MAX)];
        let peaks = Peaks::unpack(Peaks::new(pairs).pack()).unwrap();
        assert_eq!(peaks.pairs().collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn number_of_peaks_grows_with_the_length_up_to_the_most() {
        for (length_ms, pairs) in [(0, 0), (1, 1), (20, 1), (21, 2), (2_000, 100), (20_000, 1_000), (u64::MAX, 1_000)] {
            assert_eq!(wanted(length_ms), pairs, "{length_ms}");
        }
    }

    #[test]
    fn bytes_that_are_not_peaks_are_reported_as_damaged() {
        for wrong in [1, 1999, 2002, 4000] {
            assert_eq!(Peaks::unpack(&vec![0; wrong]), Err(DamagedPeaks(wrong)));
        }
        assert!(Peaks::unpack(&[]).unwrap().is_empty());
    }
}
