//! What was transcribed, counted by the hour of processing, in the transaction that places it.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Speech milliseconds of segments whose text came back.
    pub transcribed_ms: u64,
    pub words: u64,
    pub segments: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, more: Self) {
        self.transcribed_ms += more.transcribed_ms;
        self.words += more.words;
        self.segments += more.segments;
    }
}

impl Usage {
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    pub hour: Timestamp,
    #[serde(flatten)]
    pub usage: Usage,
}
