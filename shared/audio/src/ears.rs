//! Listens to the channels of a recording, each at its own levels: to one sum of them where that holds all there is, else
//! to both by themselves.

use domain::levels::Mix;

use crate::channels::Piece;
use crate::detect::Detector;
use crate::leveller::{Levelled, Leveller};
use crate::stretches::Voice;
use crate::track::Track;

/// See the module. It begins anew after each [`finish`](Self::finish).
pub(crate) struct Ears<'d> {
    mix: Mix,
    first: Ear<'d>,
    second: Option<Ear<'d>>,
}

struct Ear<'d> {
    leveller: Leveller,
    detector: Listener<'d>,
    levelled: Levelled,
    factors: Vec<f32>,
    signal: Vec<f32>,
}

enum Listener<'d> {
    Given(&'d mut dyn Detector),
    Fresh(Box<dyn Detector>),
}

impl Listener<'_> {
    fn get(&mut self) -> &mut dyn Detector {
        match self {
            Self::Given(detector) => *detector,
            Self::Fresh(detector) => &mut **detector,
        }
    }
}

impl<'d> Ear<'d> {
    fn new(detector: Listener<'d>) -> Self {
        let (leveller, levelled) = (Leveller::default(), Levelled::default());
        Self { leveller, detector, levelled, factors: Vec::new(), signal: Vec::new() }
    }

    /// Takes what was put into `signal`.
    fn hear(&mut self) {
        self.levelled.clear();
        self.leveller.push(self.signal.iter().copied(), &mut self.levelled);
        self.pass_on();
    }

    fn pass_on(&mut self) {
        self.detector.get().push(&self.levelled.samples);
        self.factors.append(&mut self.levelled.factors);
    }

    fn finish(&mut self) -> Voice {
        self.levelled.clear();
        self.leveller.finish(&mut self.levelled);
        self.pass_on();
        let regions = self.detector.get().finish();
        Voice { regions, factors: std::mem::take(&mut self.factors) }
    }
}

impl<'d> Ears<'d> {
    /// By the mix that the first pass chose. The detector is as new.
    pub fn new(mix: Mix, detector: &'d mut dyn Detector) -> Self {
        let second = (mix == Mix::Both).then(|| Ear::new(Listener::Fresh(detector.fresh())));
        Self { mix, first: Ear::new(Listener::Given(detector)), second }
    }

    /// The next samples; the track is given what was heard, which is some of what came before.
    pub fn push(&mut self, piece: Piece<'_>, track: &mut Track) {
        alone(self.mix, piece, &mut self.first.signal);
        self.first.hear();
        if let Some(second) = &mut self.second {
            alone(Mix::Right, piece, &mut second.signal);
            second.hear();
        }
        self.follow(track);
    }

    /// What was heard since it began: one voice, or that of each channel. Times count from there.
    pub fn finish(&mut self, track: &mut Track) -> Vec<Voice> {
        let ears = std::iter::once(&mut self.first).chain(&mut self.second);
        let voices = ears.map(Ear::finish).collect();
        self.follow(track);
        voices
    }

    /// The louder of both channels says where it is quiet.
    fn follow(&mut self, track: &mut Track) {
        let first = &mut self.first.levelled.samples;
        if let Some(second) = &self.second {
            for (one, other) in first.iter_mut().zip(&second.levelled.samples) {
                *one = one.abs().max(other.abs());
            }
        }
        track.push(first);
        first.clear();
    }
}

/// One sum of the channels: the left one also where both are heard.
fn alone(mix: Mix, piece: Piece<'_>, out: &mut Vec<f32>) {
    out.clear();
    let Some(right) = piece.right else {
        out.extend_from_slice(piece.left);
        return;
    };
    let both = piece.left.iter().zip(right);
    match mix {
        Mix::Mid => out.extend(both.map(|(left, right)| (left + right) / 2.0)),
        Mix::Side => out.extend(both.map(|(left, right)| (left - right) / 2.0)),
        Mix::Left | Mix::Both => out.extend_from_slice(piece.left),
        Mix::Right => out.extend_from_slice(right),
    }
}
