//! Usage: the amount of transcribed speech by hour of processing, counted in the transaction that places the text.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The milliseconds of speech in segments that were transcribed to text.
    pub transcribed_ms: u64,
    pub words: u64,
    pub segments: u64,
}

/// Far more than any hour can have of anything that is counted: a larger number is damage.
pub const MAX_COUNT: u64 = 1 << 52;

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
