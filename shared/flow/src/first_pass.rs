//! Listening to a staged file, the same for the worker and for the door: is it whole, how loud is it, and where in it is
//! speech. Its level has to be known before anyone listens, so it is read twice; what is short is kept in between. It is
//! decoded on a thread of its own.

use std::sync::Arc;
use std::time::Duration;

use audio::{Analysis, AudioError, Detection, Input, Kept, SegmentRules, Survey, Verdict};
use bytes::Bytes;
use domain::recording::AudioFacts;
use domain::{Format, Gain, Levels, Sha256Hex};
use tokio_util::sync::DropGuard;

use crate::bytes_in::{self, BytesIn, Keeper, Staged};
use crate::error::{Error, Kind, Result};

/// What to listen to, and for how long at most.
pub struct Pass {
    pub rules: SegmentRules,
    pub detection: Detection,
    /// A longer recording is [`Listened::Unreadable`]; `None`: as long as recordings may be.
    pub within: Option<Duration>,
}

/// What became of it.
pub enum Listened {
    Heard(Heard),
    Unreadable(AudioError),
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
            partly: survey.is_damaged(),
            gain: Gain::ONE,
            heard_by: Levels::RULES,
        }
    }

    /// How it was heard, and is cut.
    pub fn levels(&self) -> Levels {
        self.analysis.levels.clone()
    }

    pub fn verdict(&self) -> Verdict {
        self.analysis.verdict()
    }
}

/// Reads a blob to its end and compares it with the digest that was announced for it: from where it is read again, or
/// `None` when it holds other bytes. Dropped, it ends the reading on the other thread too; `place` is held until that
/// has ended.
pub async fn verify(staged: &Staged<'_>, announced: Sha256Hex, place: impl Send + 'static) -> Result<Option<Again>> {
    let (bytes, _feeding) = staged.open().await?;
    let size = staged.size;
    let digested = on_a_thread(move || (bytes_in::digest(bytes, size).map_err(read_error), place)).await?.0;
    let (sha256, few) = digested?;
    Ok((sha256 == announced).then(|| few.map_or(Again::Staged, Again::Bytes)))
}

/// Listens to bytes that are known to be the announced ones, twice if they are long. Dropped, it ends the reading on the
/// other thread too; `place` is held until that has ended.
pub async fn listen(staged: &Staged<'_>, from: Again, pass: Pass, place: impl Send + 'static) -> Result<Listened> {
    let (source, _feeding) = from.open(staged).await?;
    let (format, size, within) = (staged.format, staged.size, pass.within);
    let (surveyed, place) = on_a_thread(move || (survey(&format, size, within, source), place)).await?;
    let Surveyed { survey, again } = match surveyed? {
        Ok(surveyed) => surveyed,
        Err(why) => return Ok(Listened::Unreadable(why)),
    };
    // What came from memory is read from there again.
    let again = if matches!((&again, &from), (Again::Staged, Again::Bytes(_))) { from } else { again };
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
    again: Again,
}

fn survey(
    format: &Format,
    size: u64,
    within: Option<Duration>,
    source: Source,
) -> Result<std::result::Result<Surveyed, AudioError>> {
    let within = within.unwrap_or(audio::MAX_DURATION);
    let mut source = match source {
        Source::Bytes(bytes) if !bytes.is_in_memory() => Keeper::new(bytes, size),
        mut kept => {
            let surveyed = readable(audio::survey_within(format, kept.input(format), within))?;
            return Ok(surveyed.map(|surveyed| Surveyed::of(surveyed, None)));
        }
    };
    if audio::needs_ranges(format) {
        // A few bytes are fetched at once: jumps in them would cost a request each.
        let (few, mut bytes) = source.finish().map_err(read_error)?;
        if let Some(few) = &few {
            bytes = BytesIn::memory(few.clone()).0;
        }
        let surveyed = readable(audio::survey_within(format, Input::ranges(&mut bytes), within))?;
        return Ok(surveyed.map(|surveyed| Surveyed::of(surveyed, few)));
    }
    let surveyed = match readable(audio::survey_within(format, &mut source, within))? {
        Ok(surveyed) => surveyed,
        Err(why) => return Ok(Err(why)),
    };
    let (few, _) = source.finish().map_err(read_error)?;
    Ok(Ok(Surveyed::of(surveyed, few)))
}

impl Surveyed {
    fn of((survey, kept): (Survey, Option<Kept>), few: Option<Bytes>) -> Self {
        let again = match (kept, few) {
            (Some(kept), _) => Again::Samples(Arc::new(kept)),
            (None, Some(few)) => Again::Bytes(few),
            (None, None) => Again::Staged,
        };
        Self { survey, again }
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
