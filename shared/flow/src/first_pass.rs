//! Listening to a staged file, the same for the worker and for the door: is it whole, how loud is it, and where in it is
//! speech. Its level has to be known before anyone listens, so it is read twice; what is short is kept in between. It is
//! decoded on a thread of its own.

use std::io::Seek;
use std::sync::Arc;
use std::time::Duration;

use audio::{Analysis, AudioError, Detection, Input, Kept, SegmentRules, Survey, Verdict};
use bytes::Bytes;
use domain::recording::AudioFacts;
use domain::{Format, Sha256Hex};
use tokio_util::sync::DropGuard;

use crate::bytes_in::{BytesIn, Staged, Witness};
use crate::error::{Error, Kind, Result};

/// What to listen to, and for how long at most.
pub struct Pass {
    pub sha256: Sha256Hex,
    pub rules: SegmentRules,
    pub detection: Detection,
    /// A longer recording is [`Listened::Unreadable`]; `None`: as long as recordings may be.
    pub within: Option<Duration>,
}

/// What became of it.
pub enum Listened {
    Heard(Heard),
    Unreadable(AudioError),
    /// The bytes are not those that were announced.
    OtherBytes,
}

/// A file that was read to its end.
pub struct Heard {
    pub analysis: Analysis,
    /// From where it is read once more.
    pub again: Again,
}

/// What is left of a file after it was read.
#[derive(Clone)]
pub enum Again {
    /// It is short: its samples.
    Samples(Arc<Kept>),
    /// It has few bytes.
    Bytes(Bytes),
    /// It has to be fetched again.
    Staged,
}

/// What a thread reads.
pub enum Source {
    Samples(Arc<Kept>),
    Bytes(BytesIn),
}

impl Again {
    /// The reading ends when the guard is dropped.
    pub async fn open(&self, staged: &Staged<'_>) -> Result<(Source, Option<DropGuard>)> {
        Ok(match self {
            Self::Samples(kept) => (Source::Samples(Arc::clone(kept)), None),
            Self::Bytes(bytes) => (Source::Bytes(BytesIn::memory(bytes.clone()).0), None),
            Self::Staged => {
                let (bytes, feeding) = staged.open().await?;
                (Source::Bytes(bytes), Some(feeding))
            }
        })
    }
}

impl Source {
    /// As the decoder of this format wants it.
    pub fn input(&mut self, format: &Format) -> Input<'_> {
        match self {
            Self::Samples(kept) => Input::Kept(kept),
            Self::Bytes(bytes) => bytes.input(format),
        }
    }
}

impl Heard {
    pub fn facts(&self) -> AudioFacts {
        let survey = &self.analysis.survey;
        AudioFacts {
            duration_ms: survey.duration_ms,
            speech_ms: self.analysis.speech_ms,
            dropped_bytes: survey.dropped_bytes,
            concealed_ms: survey.concealed_ms,
            gain: survey.gain,
            heard_by: 0,
        }
    }

    pub fn verdict(&self) -> Verdict {
        self.analysis.verdict()
    }
}

/// Reads a blob to its end, twice if it is long. Dropped, it ends the reading on the other thread too; `place` is held
/// until that has ended.
pub async fn listen(staged: &Staged<'_>, pass: Pass, place: impl Send + 'static) -> Result<Listened> {
    let (bytes, _feeding) = staged.open().await?;
    let (format, size, within) = (staged.format, staged.size, pass.within);
    let (surveyed, place) = on_a_thread(move || (survey(&format, size, within, bytes), place)).await?;
    let Surveyed { survey, again, .. } = match surveyed? {
        Ok(surveyed) if surveyed.sha256 != pass.sha256 => return Ok(Listened::OtherBytes),
        Ok(surveyed) => surveyed,
        Err(why) => return Ok(Listened::Unreadable(why)),
    };
    if !survey.audible {
        return Ok(Listened::Heard(Heard { analysis: Analysis::inaudible(survey), again }));
    }
    let (mut source, _feeding) = again.open(staged).await?;
    let analyse = move || {
        let mut detector = pass.detection.detector();
        (audio::analyse(survey, &format, source.input(&format), &pass.rules, &mut *detector), place)
    };
    let (analysed, _) = on_a_thread(analyse).await?;
    Ok(match readable(analysed)? {
        Ok(analysis) => Listened::Heard(Heard { analysis, again }),
        Err(why) => Listened::Unreadable(why),
    })
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work);
    done.await.map_err(|panic| Error::new(Kind::Invalid, "audio.analyse", "").because(panic))
}

/// What the first reading found.
struct Surveyed {
    survey: Survey,
    sha256: Sha256Hex,
    again: Again,
}

fn survey(
    format: &Format,
    size: u64,
    within: Option<Duration>,
    bytes: BytesIn,
) -> Result<std::result::Result<Surveyed, AudioError>> {
    let within = within.unwrap_or(audio::MAX_DURATION);
    let mut witness = Witness::new(bytes, Some(size));
    if audio::needs_ranges(format) {
        // A digest needs the bytes in their order, this decoder in another one: first the one, then the other.
        let (sha256, few, mut bytes) = witness.finish().map_err(read_error)?;
        if let Some(few) = &few {
            (bytes, _) = BytesIn::memory(few.clone());
        }
        bytes.rewind().map_err(read_error)?;
        let surveyed = readable(audio::survey_within(format, Input::ranges(&mut bytes), within))?;
        return Ok(surveyed.map(|surveyed| Surveyed::of(surveyed, sha256, few)));
    }
    let surveyed = match readable(audio::survey_within(format, &mut witness, within))? {
        Ok(surveyed) => surveyed,
        Err(why) => return Ok(Err(why)),
    };
    let (sha256, few, _) = witness.finish().map_err(read_error)?;
    Ok(Ok(Surveyed::of(surveyed, sha256, few)))
}

impl Surveyed {
    fn of((survey, kept): (Survey, Option<Kept>), sha256: Sha256Hex, few: Option<Bytes>) -> Self {
        let again = match (kept, few) {
            (Some(kept), _) => Again::Samples(Arc::new(kept)),
            (None, Some(few)) => Again::Bytes(few),
            (None, None) => Again::Staged,
        };
        Self { survey, sha256, again }
    }
}

/// What the audio says of itself, apart from the store's trouble.
fn readable<T>(read: std::result::Result<T, AudioError>) -> Result<std::result::Result<T, AudioError>> {
    match read {
        Err(AudioError::Read(error)) => Err(read_error(error)),
        other => Ok(other),
    }
}

/// A read that broke is the store's trouble: it comes through the decoder as it went in.
pub fn read_error(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::new(Kind::Unavailable, "blobs.read", "").because(error),
    }
}

#[cfg(test)]
mod tests;
