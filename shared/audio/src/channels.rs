//! The channels of a recording, told apart behind the decoders: one list of samples, or two. They become one where the
//! recording is listened to, and nowhere else.

/// Samples of one channel, or of two for the same moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub left: &'a [f32],
    pub right: Option<&'a [f32]>,
}

impl<'a> Piece<'a> {
    pub fn len(&self) -> usize {
        self.left.len()
    }

    /// Its end: at most so many samples.
    pub fn last(&self, most: usize) -> Piece<'a> {
        let from = self.len().saturating_sub(most);
        Piece { left: &self.left[from..], right: self.right.map(|right| &right[from..]) }
    }
}

/// One channel until there are two: what came before is then in both.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    pub left: Vec<f32>,
    pub right: Option<Vec<f32>>,
}

impl Tracks {
    pub fn piece(&self) -> Piece<'_> {
        Piece { left: &self.left, right: self.right.as_deref() }
    }

    /// Only the last samples stay, at most so many.
    pub fn keep_last(&mut self, most: usize) {
        let too_many = self.left.len().saturating_sub(most);
        self.left.drain(..too_many);
        self.right.iter_mut().for_each(|right| drop(right.drain(..too_many)));
    }

    /// What is from this sample on; what is before it stays here.
    pub fn split_off(&mut self, at: usize) -> Self {
        Self { left: self.left.split_off(at), right: self.right.as_mut().map(|right| right.split_off(at)) }
    }

    /// It stays as wide as it was.
    pub fn clear(&mut self) {
        self.left.clear();
        if let Some(right) = &mut self.right {
            right.clear();
        }
    }

    /// Takes interleaved samples of so many channels. Those beyond the second are shared out to the two, each a little
    /// less than the one before it, so that equal ones do not cancel each other whatever their signs.
    pub fn push(&mut self, interleaved: &[f32], channels: usize) {
        if channels < 2 {
            self.left.extend(interleaved.iter().map(|sample| sane(*sample)));
            let added = &self.left[self.left.len() - interleaved.len()..];
            if let Some(right) = &mut self.right {
                right.extend_from_slice(added);
            }
            return;
        }
        let Self { left, right } = self;
        let right = right.get_or_insert_with(|| left.clone());
        for moment in interleaved.chunks_exact(channels) {
            left.push(shared(moment.iter().step_by(2)));
            right.push(shared(moment.iter().skip(1).step_by(2)));
        }
    }
}

/// A file of floats may hold anything; a channel that is no number must not silence another.
fn sane(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-BEYOND, BEYOND) } else { 0.0 }
}

/// Twice full scale: no codec overshoots so far, and an offset may carry a voice nearly there. Louder samples are clipped.
const BEYOND: f32 = 2.0;

/// How many samples are no numbers, or so far beyond full scale that they were never meant for it.
pub(crate) fn unheard(samples: &[f32]) -> usize {
    samples.iter().filter(|sample| sample.is_nan() || sample.abs() > BEYOND).count()
}

fn shared<'a>(channels: impl Iterator<Item = &'a f32>) -> f32 {
    (1u8..).zip(channels).map(|(place, sample)| sane(*sample) / f32::from(place)).sum()
}

/// The same moments with more channels than before: what was in one is in all, what was in several is in each of them.
pub(crate) fn widened(interleaved: &[f32], from: usize, to: usize) -> Vec<f32> {
    let from = from.max(1);
    interleaved.chunks_exact(from).flat_map(|moment| (0..to).map(|channel| moment[channel % from])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_becomes_stereo_had_the_same_in_both_channels_before() {
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
    fn of_many_channels_none_is_lost_whatever_their_signs() {
        for channels in 3..=8 {
            for alone in 0..channels {
                let mut tracks = Tracks::default();
                let moment: Vec<f32> = (0..channels).map(|channel| f32::from(u8::from(channel == alone))).collect();
                tracks.push(&moment, channels);
                let loudest = tracks.left[0].max(tracks.right.as_ref().map_or(0.0, |right| right[0]));
                assert!(loudest >= 0.25, "{alone} of {channels}: {loudest}");
            }
            for signs in 0..1u32 << channels {
                let mut tracks = Tracks::default();
                let moment: Vec<f32> =
                    (0..channels).map(|channel| if signs >> channel & 1 == 1 { 0.4 } else { -0.4 }).collect();
                tracks.push(&moment, channels);
                let loudest = tracks.left[0].abs().max(tracks.right.as_ref().map_or(0.0, |right| right[0].abs()));
                assert!(loudest >= 0.03, "{signs:b} of {channels}: {loudest}");
            }
        }
    }

    #[test]
    fn a_channel_that_is_no_number_does_not_silence_the_other() {
        let mut tracks = Tracks::default();
        tracks.push(&[f32::NAN, 0.5, f32::INFINITY, -0.5], 2);
        assert_eq!((&tracks.left[..], tracks.right.as_deref()), (&[0.0, 0.0][..], Some(&[0.5, -0.5][..])));
    }

    #[test]
    fn samples_far_beyond_full_scale_are_counted() {
        assert_eq!(unheard(&[1.0, -1.9, 0.0, 2.1, -32_768.0, f32::NAN, f32::NEG_INFINITY]), 4);
    }

    #[test]
    fn more_channels_hold_what_fewer_held() {
        assert_eq!(widened(&[0.1, 0.2], 1, 2), [0.1, 0.1, 0.2, 0.2]);
        assert_eq!(widened(&[0.1, 0.2], 2, 3), [0.1, 0.2, 0.1]);
    }
}
