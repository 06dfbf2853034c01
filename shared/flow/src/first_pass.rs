//! Listening to a staged file, the same for the worker and for the door: is it whole, how loud is it, and where in it is
//! speech. Of several channels it has to be known which hold anything before anyone listens, so it is read twice; what is
//! short is kept in between. It is decoded on a thread of its own.

use std::io::Seek;
use std::sync::Arc;
use std::time::Duration;

mod reached;

use audio::{Analysis, AudioError, Detection, Input, Kept, Moments, Progress, SegmentRules, Surveyed, Verdict};
use bytes::Bytes;
use domain::recording::AudioFacts;
use domain::{Format, Gain, Levels, Sha256Hex};
use tokio_util::sync::DropGuard;

pub use reached::{ENVELOPE, LatestProgress};

use crate::bytes_in::{self, BytesIn, Keeper, Staged};
use crate::error::{Error, Kind, Result};

/// What to listen to, and for how long at most.
#[derive(Clone)]
pub struct Pass {
    pub rules: SegmentRules,
    pub detection: Detection,
    /// A longer recording is [`Listened::Unreadable`]; `None`: as long as recordings may be.
    pub within: Option<Duration>,
    /// Where an earlier delivery stopped.
    pub from: Option<Progress>,
    /// Where this one would be gone on with.
    pub latest: LatestProgress,
}

impl Pass {
    fn tell(&self) -> impl FnMut(u32, Vec<u8>) {
        let latest = self.latest.clone();
        move |number, packed| latest.at(number, packed)
    }
}

/// What became of it.
pub enum Listened {
    Heard(Box<Heard>),
    Unreadable(AudioError),
}

/// A file that was read to its end.
pub struct Heard {
    pub analysis: Analysis,
    /// From where it is read once more.
    pub again: Again,
    /// Where in it decoding can begin.
    pub moments: Moments,
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
    /// From this byte on; what was kept decoded has no other start than its own. The reading ends when the guard is
    /// dropped.
    pub async fn open_at(&self, staged: &Staged<'_>, byte: u64) -> Result<(Source, Option<DropGuard>)> {
        Ok(match self {
            Self::Samples(kept) => (Source::Samples(Arc::clone(kept)), None),
            Self::Bytes(bytes) => (Source::Bytes(BytesIn::memory_at(bytes, byte)), None),
            Self::Staged => {
                let (bytes, feeding) = staged.open_at(byte).await?;
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

/// Listens to bytes that are known to be the announced ones, twice if they have several channels. Dropped, it ends the
/// reading on the other thread too; `place` is held until that has ended.
pub async fn listen(staged: &Staged<'_>, from: Again, pass: Pass, place: impl Send + 'static) -> Result<Listened> {
    let anew = Pass { from: None, ..pass.clone() };
    match listen_on(staged, from.clone(), pass, place).await? {
        // The checkpoint was of other bytes, or damaged: then nobody has listened yet.
        (Listened::Unreadable(AudioError::NoSuchMoment), place) => Ok(listen_on(staged, from, anew, place).await?.0),
        (listened, _) => Ok(listened),
    }
}

async fn listen_on<P: Send + 'static>(staged: &Staged<'_>, from: Again, pass: Pass, place: P) -> Result<(Listened, P)> {
    let (format, size) = (staged.format, staged.size);
    let (survey, again, moments, place) = match pass.from.as_ref().and_then(Progress::survey) {
        // An earlier delivery has come to the second pass.
        Some((survey, moments)) => (survey, from, moments, place),
        None => {
            let byte = pass.from.as_ref().map_or(0, Progress::byte);
            let (source, _feeding) = from.open_at(staged, byte).await?;
            let heard = pass.clone();
            let (surveyed, place) = on_a_thread(move || (survey(&format, size, &heard, source), place)).await?;
            let (Surveyed { survey, kept, moments, analysis }, few) = match surveyed? {
                Ok(surveyed) => surveyed,
                Err(why) => return Ok((Listened::Unreadable(why), place)),
            };
            let again = match (kept, few, from) {
                (Some(kept), ..) => Again::Samples(Arc::new(kept)),
                (None, Some(few), _) => Again::Bytes(few),
                // What came from memory is read from there again.
                (None, None, from) => from,
            };
            if let Some(analysis) = analysis {
                return Ok((Listened::Heard(Box::new(Heard { analysis, again, moments })), place));
            }
            (survey, again, moments, place)
        }
    };
    if !survey.audible {
        let heard = Heard { analysis: Analysis::inaudible(survey), again, moments };
        return Ok((Listened::Heard(Box::new(heard)), place));
    }
    let byte = pass.from.as_ref().filter(|from| from.survey().is_some()).map_or(0, Progress::byte);
    let (mut source, _feeding) = again.open_at(staged, byte).await?;
    let analyse = move || {
        let mut detector = pass.detection.detector();
        let (input, mut tell) = (source.input(&format), pass.tell());
        let on = audio::Onward { from: pass.from.as_ref(), tell: &mut tell };
        let analysed = audio::analyse_onward((survey, &moments), &format, input, &pass.rules, &mut *detector, on);
        (analysed, moments, place)
    };
    let (analysed, moments, place) = on_a_thread(analyse).await?;
    let listened = match readable(analysed)? {
        Ok(analysis) => Listened::Heard(Box::new(Heard { analysis, again, moments })),
        Err(why) => Listened::Unreadable(why),
    };
    Ok((listened, place))
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work);
    done.await.map_err(|panic| Error::new(Kind::Invalid, "audio.analyse", "").because(panic))
}

/// What the first reading found, and the bytes if they are few.
type Read = std::result::Result<(Surveyed, Option<Bytes>), AudioError>;

fn survey(format: &Format, size: u64, pass: &Pass, source: Source) -> Result<Read> {
    let within = pass.within.unwrap_or(audio::MAX_DURATION);
    let survey = |input: Input<'_>| {
        let on = audio::Onward { from: pass.from.as_ref(), tell: &mut pass.tell() };
        let mut detector = pass.detection.detector();
        let listener = audio::Listener { rules: pass.rules, detector: &mut *detector };
        readable(audio::hear_onward(format, input, within, listener, on))
    };
    let mut source = match source {
        // Nothing is to be kept of what is in memory, nor of what is not read from its start.
        Source::Bytes(bytes) if !bytes.is_in_memory() && bytes.is_at_start() => Keeper::new(bytes, size),
        mut kept => return Ok(survey(kept.input(format))?.map(|surveyed| (surveyed, None))),
    };
    let surveyed = match survey(Input::from(&mut source))? {
        Ok(surveyed) => surveyed,
        // Its content says so, whatever its name does.
        Err(AudioError::NeedsRanges) => {
            // A few bytes are fetched at once: jumps in them would cost a request each.
            let (few, mut bytes) = source.finish().map_err(read_error)?;
            if let Some(few) = &few {
                bytes = BytesIn::memory(few.clone()).0;
            }
            bytes.rewind().map_err(read_error)?;
            return Ok(survey(Input::ranges(&mut bytes))?.map(|surveyed| (surveyed, few)));
        }
        Err(why) => return Ok(Err(why)),
    };
    let (few, _) = source.finish().map_err(read_error)?;
    Ok(Ok((surveyed, few)))
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
