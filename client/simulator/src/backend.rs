//! What the simulation needs of a backend, be it a model or the real one.

use std::time::Duration;

use engine::ports::{Answer, Method};

/// A request as it arrives.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The connection breaks after so many bytes of the body.
    pub cut: Option<usize>,
    /// The account of its token.
    pub account: Option<String>,
}

/// A request that arrived, and its number.
pub struct Arrived {
    pub number: u64,
    pub request: Incoming,
}

/// The end of a request: `None` if the server ended before it answered.
pub struct Answered {
    pub number: u64,
    pub at: Duration,
    pub answer: Option<Answer>,
}

/// A frame that is in somebody's transcript.
pub struct Found {
    pub frame: u64,
    pub owner: String,
    /// Where it was found, for a person.
    pub place: String,
    /// The conversation that the device named when it sent the recording, if the backend knows it.
    pub conversation: Option<String>,
}

/// The other side of the network. Time is the simulated time since the beginning.
pub trait Backend: Send {
    /// A request has arrived.
    fn arrive(&mut self, arrived: Arrived, at: Duration);

    /// Works until this moment, or until something was answered.
    fn work_until(&mut self, until: Duration) -> Vec<Answered>;

    /// Nothing goes wrong from now on.
    fn calm(&mut self);

    /// Whether a recording of this account and name was accepted.
    fn has_accepted(&mut self, account: &str, name: &str) -> bool;

    /// Since when the device may delete the recording: its job is over, and its file is done or silent.
    fn allows_deletion_since(&mut self, account: &str, name: &str) -> Option<Duration>;

    /// How often a job told that the content of this recording is to blame.
    fn content_failures(&mut self, account: &str, name: &str) -> u32;

    /// Every frame that is in a transcript. What cannot be read is told by [`violations`](Self::violations).
    fn found(&mut self) -> Vec<Found>;

    /// What the device did against the contract so far.
    fn violations(&mut self) -> Vec<String>;
}
