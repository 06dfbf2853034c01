//! How a delivery ends.

use domain::{PutBack, Refusal};

use crate::error::Error;
use crate::ports::Written;

#[derive(Debug)]
pub enum Stop {
    /// Every file is settled.
    Finished,
    /// The job comes back later.
    PutBack(PutBack),
    /// Another worker has the job, or it was cancelled.
    Lost(Refusal),
    /// A store or the network failed.
    Fault(Error),
    /// One file cannot be read at the moment; the others can.
    File(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Fault(error)
    }
}

/// A write that was fenced ends the delivery.
pub fn unfenced<T>(written: Written<T>) -> Result<T, Stop> {
    match written {
        Written::Done(value) => Ok(value),
        Written::Fenced(why) => Err(Stop::Lost(why)),
    }
}
