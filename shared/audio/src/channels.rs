//! The channels of a recording behind the decoders: one list of samples, or two. They are mixed into one where the
//! recording is listened to, and nowhere else.

/// Samples of one channel, or of two channels for the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub left: &'a [f32],
    pub right: Option<&'a [f32]>,
}

impl<'a> Piece<'a> {
    pub fn len(&self) -> usize {
        self.left.len()
    }

    /// Returns the last samples, at most this many.
    pub fn last(&self, most: usize) -> Piece<'a> {
        let from = self.len().saturating_sub(most);
        Piece { left: &self.left[from..], right: self.right.map(|right| &right[from..]) }
    }
}

/// The samples of one channel, until a second one appears. What came before then counts for both.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    pub left: Vec<f32>,
    pub right: Option<Vec<f32>>,
}

impl Tracks {
    pub fn piece(&self) -> Piece<'_> {
        Piece { left: &self.left, right: self.right.as_deref() }
    }

    /// Keeps the last samples, at most this many.
    pub fn keep_last(&mut self, most: usize) {
        let too_many = self.left.len().saturating_sub(most);
        self.left.drain(..too_many);
        self.right.iter_mut().for_each(|right| drop(right.drain(..too_many)));
    }

    /// Splits off and returns what begins at this sample; what lies before it stays here.
    pub fn split_off(&mut self, at: usize) -> Self {
        Self { left: self.left.split_off(at), right: self.right.as_mut().map(|right| right.split_off(at)) }
    }

    /// Removes all samples; the number of channels stays as it was.
    pub fn clear(&mut self) {
        self.left.clear();
        if let Some(right) = &mut self.right {
            right.clear();
        }
    }

    /// Appends interleaved samples of this many channels. Channels beyond the second are added to the two, each with
    /// less weight than the one before it, so that equal channels never cancel each other, whatever their signs.
    pub fn push(&mut self, interleaved: &[f32], channels: usize) {
        if channels < 2 {
            self.left.extend(interleaved.iter().map(|sample| sanitised(*sample)));
            let added = &self.left[self.left.len() - interleaved.len()..];
            if let Some(right) = &mut self.right {
                right.extend_from_slice(added);
            }
            return;
        }
        let Self { left, right } = self;
        let right = right.get_or_insert_with(|| left.clone());
        for instant in interleaved.chunks_exact(channels) {
            left.push(weighted_sum(instant.iter().step_by(2)));
            right.push(weighted_sum(instant.iter().skip(1).step_by(2)));
        }
    }
}

/// A file of floats may hold any value; a NaN in one channel must not silence another.
fn sanitised(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-BEYOND, BEYOND) } else { 0.0 }
}

/// Twice full scale. No codec overshoots that far, though an offset may carry a voice nearly there. Samples beyond it
/// are clipped.
const BEYOND: f32 = 2.0;

/// Counts samples that are not numbers, or so far beyond full scale that they cannot be meant as audio.
pub(crate) fn count_unusable(samples: &[f32]) -> usize {
    samples.iter().filter(|sample| sample.is_nan() || sample.abs() > BEYOND).count()
}

fn weighted_sum<'a>(channels: impl Iterator<Item = &'a f32>) -> f32 {
    (1u8..).zip(channels).map(|(place, sample)| sanitised(*sample) / f32::from(place)).sum()
}

/// Copies interleaved samples to more channels than before: what was in one channel is in all, what was in several is
/// repeated.
pub(crate) fn widened(interleaved: &[f32], from: usize, to: usize) -> Vec<f32> {
    let from = from.max(1);
    interleaved.chunks_exact(from).flat_map(|instant| (0..to).map(|channel| instant[channel % from])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recording_that_becomes_stereo_has_earlier_samples_in_both_channels() {
        let mut tracks = Tracks::default();
        tracks.push(&[0.1, 0.2], 1);
        assert!(tracks.right.is_none());
        tracks.push(&[0.3, 0.4], 2);
        tracks.push(&[0.5], 1);
        assert_eq!(tracks.left, [0.1, 0.2, 0.3, 0.5]);
        assert_eq!(tracks.right.as_deref(), Some(&[0.1, 0.2, 0.4, 0.5][..]));
        tracks.clear();
        assert_eq!((tracks.piece().len(), tracks.piece().right), (0, Some(&[][..])));
    }

    #[test]
    fn no_channel_of_many_is_lost_whatever_the_signs() {
        for channels in 3..=8 {
            for alone in 0..channels {
                let mut tracks = Tracks::default();
                let instant: Vec<f32> = (0..channels).map(|channel| f32::from(u8::from(channel == alone))).collect();
                tracks.push(&instant, channels);
                let loudest = tracks.left[0].max(tracks.right.as_ref().map_or(0.0, |right| right[0]));
                assert!(loudest >= 0.25, "{alone} of {channels}: {loudest}");
            }
            for signs in 0..1u32 << channels {
                let mut tracks = Tracks::default();
                let instant: Vec<f32> =
                    (0..channels).map(|channel| if signs >> channel & 1 == 1 { 0.4 } else { -0.4 }).collect();
                tracks.push(&instant, channels);
                let loudest = tracks.left[0].abs().max(tracks.right.as_ref().map_or(0.0, |right| right[0].abs()));
                assert!(loudest >= 0.03, "{signs:b} of {channels}: {loudest}");
            }
        }
    }

    #[test]
    fn channel_of_nan_does_not_silence_the_other() {
        let mut tracks = Tracks::default();
        tracks.push(&[f32::NAN, 0.5, f32::INFINITY, -0.5], 2);
        assert_eq!((&tracks.left[..], tracks.right.as_deref()), (&[0.0, 0.0][..], Some(&[0.5, -0.5][..])));
    }

    #[test]
    fn samples_far_beyond_full_scale_are_counted() {
        assert_eq!(count_unusable(&[1.0, -1.9, 0.0, 2.1, -32_768.0, f32::NAN, f32::NEG_INFINITY]), 4);
    }

    #[test]
    fn added_channels_repeat_existing_channels() {
        assert_eq!(widened(&[0.1, 0.2], 1, 2), [0.1, 0.1, 0.2, 0.2]);
        assert_eq!(widened(&[0.1, 0.2], 2, 3), [0.1, 0.2, 0.1]);
    }
}
