//! The waveform of a recording for drawing: the lowest and the highest sample of each part of it.

/// The most pairs of peaks of a recording: as many as a screen can show.
pub const MAX_PEAKS: usize = 1_000;

/// At most [`MAX_PEAKS`] pairs of lowest and highest sample, in order, each over an equal share of the recording. A sample
/// is a signed byte with full scale 127, after the recording's levels were applied. There are fewer pairs only if there
/// are fewer samples, and none if there are no samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    bytes: Vec<u8>,
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
    fn bytes_that_are_not_peaks_are_reported_as_damaged() {
        for wrong in [1, 1999, 2002, 4000] {
            assert_eq!(Peaks::unpack(&vec![0; wrong]), Err(DamagedPeaks(wrong)));
        }
        assert!(Peaks::unpack(&[]).unwrap().is_empty());
    }
}
