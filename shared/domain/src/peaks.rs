//! What a recording looks like: the lowest and the highest sample of each stretch of it, for drawing.

/// Stretches of a recording: what a screen can show.
pub const MAX_PEAKS: usize = 1_000;

/// At most [`MAX_PEAKS`] pairs of lowest and highest sample, in order, each over an equal share of the recording. A sample
/// is a signed byte, full scale 127, as it was heard: the recording's gain is in it. Fewer only when there are fewer
/// samples; empty when there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are no pairs of peaks")]
pub struct DamagedPeaks(pub usize);

impl Peaks {
    /// Of more pairs than [`MAX_PEAKS`] the rest is left out.
    pub fn new(pairs: impl IntoIterator<Item = (i8, i8)>) -> Self {
        let bytes =
            pairs.into_iter().take(MAX_PEAKS).flat_map(|(low, high)| [low.cast_unsigned(), high.cast_unsigned()]);
        Self { bytes: bytes.collect() }
    }

    /// As [`pack`](Self::pack) gave it.
    pub fn unpack(bytes: &[u8]) -> Result<Self, DamagedPeaks> {
        if bytes.len() > 2 * MAX_PEAKS || !bytes.len().is_multiple_of(2) {
            return Err(DamagedPeaks(bytes.len()));
        }
        Ok(Self { bytes: bytes.to_vec() })
    }

    /// Two bytes a pair: the lowest, then the highest.
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
    fn bytes_that_are_no_peaks_are_damage() {
        for wrong in [1, 1999, 2002, 4000] {
            assert_eq!(Peaks::unpack(&vec![0; wrong]), Err(DamagedPeaks(wrong)));
        }
        assert!(Peaks::unpack(&[]).unwrap().is_empty());
    }
}
