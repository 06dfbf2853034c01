//! Listens to the channels of a recording, each at its own levels. One mix of them is enough where it holds everything;
//! otherwise both channels, their sum and their difference are each listened to.

use domain::levels::Mix;

use crate::channels::Piece;
use crate::detect::Detector;
use crate::engine_levels::{Voice, Voices};
use crate::leveller::{Levelled, Leveller};
use crate::loudness_track::Track;
use crate::phase_shift::ShiftDirection;

/// Listens to a recording as the module describes. It starts over after each [`finish`](Self::finish).
pub(crate) struct MixListeners<'d> {
    first: MixListener<'d>,
    others: Vec<MixListener<'d>>,
    shift_direction: Option<ShiftDirection>,
}

struct MixListener<'d> {
    mix: Mix,
    leveller: Leveller,
    detector: DetectorRef<'d>,
    levelled: Levelled,
    voice: Voice,
    signal: Vec<f32>,
}

enum DetectorRef<'d> {
    Given(&'d mut dyn Detector),
    Fresh(Box<dyn Detector>),
}

impl DetectorRef<'_> {
    fn get(&mut self) -> &mut dyn Detector {
        match self {
            Self::Given(detector) => *detector,
            Self::Fresh(detector) => &mut **detector,
        }
    }
}

impl<'d> MixListener<'d> {
    fn new(mix: Mix, detector: DetectorRef<'d>) -> Self {
        let (leveller, levelled) = (Leveller::default(), Levelled::default());
        Self { mix, leveller, detector, levelled, voice: Voice::default(), signal: Vec::new() }
    }

    fn push(&mut self, piece: Piece<'_>) {
        mixed(self.mix, piece, &mut self.signal);
        self.levelled.clear();
        self.leveller.push(self.signal.iter().copied(), &mut self.levelled);
        self.pass_on();
    }

    fn pass_on(&mut self) {
        self.detector.get().push(&self.levelled.samples);
        self.voice.factors.append(&mut self.levelled.factors);
        self.voice.levels.append(&mut self.levelled.voices);
    }

    fn finish(&mut self) -> Voice {
        self.levelled.clear();
        self.leveller.finish(&mut self.levelled);
        self.pass_on();
        self.voice.regions = self.detector.get().finish();
        std::mem::take(&mut self.voice)
    }
}

impl<'d> MixListeners<'d> {
    /// Uses the mix that the first pass chose. The detector is in its initial state.
    pub fn new(mix: Mix, detector: &'d mut dyn Detector) -> Self {
        let [first, others @ ..] = Voices::ORDER;
        if mix != Mix::Both {
            return Self {
                first: MixListener::new(mix, DetectorRef::Given(detector)),
                others: Vec::new(),
                shift_direction: None,
            };
        }
        let others = others.iter().map(|mix| MixListener::new(*mix, DetectorRef::Fresh(detector.fresh()))).collect();
        Self {
            first: MixListener::new(first, DetectorRef::Given(detector)),
            others,
            shift_direction: Some(ShiftDirection::default()),
        }
    }

    /// Takes the next samples. The track is given the levelled samples that are ready, which lag behind the input.
    pub fn push(&mut self, piece: Piece<'_>, track: &mut Track) {
        self.first.push(piece);
        self.others.iter_mut().for_each(|listener| listener.push(piece));
        if let Some(shift_direction) = &mut self.shift_direction {
            shift_direction.push(piece.left, piece.right.unwrap_or(piece.left));
        }
        self.follow(track);
    }

    /// Returns what was heard since the start; times count from there.
    pub fn finish(&mut self, track: &mut Track) -> Voices {
        let listeners = std::iter::once(&mut self.first).chain(&mut self.others);
        let voices = listeners.map(MixListener::finish).collect();
        let shift_directions = self.shift_direction.as_mut().map(ShiftDirection::finish).unwrap_or_default();
        self.follow(track);
        Voices { voices, shift_directions }
    }

    /// The louder of both channels determines where the recording is quiet.
    fn follow(&mut self, track: &mut Track) {
        let first = &mut self.first.levelled.samples;
        if let Some(second) = self.others.first() {
            for (one, other) in first.iter_mut().zip(&second.levelled.samples) {
                *one = one.abs().max(other.abs());
            }
        }
        track.push(first);
        first.clear();
    }
}

/// Computes one mix of the channels.
fn mixed(mix: Mix, piece: Piece<'_>, out: &mut Vec<f32>) {
    out.clear();
    let right = piece.right.unwrap_or(piece.left);
    let both = piece.left.iter().zip(right);
    match mix {
        Mix::Mid => out.extend(both.map(|(left, right)| (left + right) / 2.0)),
        Mix::Side => out.extend(both.map(|(left, right)| (left - right) / 2.0)),
        Mix::Left | Mix::Both | Mix::BothBack => out.extend_from_slice(piece.left),
        Mix::Right => out.extend_from_slice(right),
    }
}
