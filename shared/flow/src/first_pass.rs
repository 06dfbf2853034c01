//! The first pass over a staged file, used by the worker and during uploads: is the file complete, how loud is it, and
//! where is speech. A recording with several channels is read twice, because it has to be known which of them hold
//! anything before detection begins; the samples or bytes of a short one are kept in between. Decoding runs on a
//! blocking thread.

use std::io::Seek;
use std::sync::Arc;
use std::time::Duration;

mod reached;

use audio::{
    Analysis, AudioError, Detection, Input, KeptSamples, Progress, RestartPoints, SegmentRules, Surveyed, Verdict,
};
use bytes::Bytes;
use domain::recording::AudioFacts;
use domain::{Format, Gain, Levels, Sha256Hex};
use tokio_util::sync::DropGuard;

pub use reached::{ENVELOPE, LatestProgress};

use crate::blob_reader::{self, BlobReader, KeepingReader, StagedBlob};
use crate::error::{Error, Kind, Result};

/// The parameters of a first pass.
#[derive(Clone)]
pub struct Pass {
    pub rules: SegmentRules,
    pub detection: Detection,
    /// The longest duration; a longer recording is [`Listened::Unreadable`]. `None` stands for [`audio::MAX_DURATION`].
    pub within: Option<Duration>,
    /// The checkpoint of an earlier delivery.
    pub from: Option<Progress>,
    /// Receives the latest position at which another delivery could continue.
    pub latest: LatestProgress,
}

impl Pass {
    fn tell(&self) -> impl FnMut(u32, Vec<u8>) {
        let latest = self.latest.clone();
        move |number, packed| latest.at(number, packed)
    }
}

/// The result of a first pass.
pub enum Listened {
    Readable(Box<ListenedFile>),
    Unreadable(AudioError),
}

/// The result for a file that was read to its end.
pub struct ListenedFile {
    pub analysis: Analysis,
    /// What was kept in memory for the second pass.
    pub retained: Retained,
    /// Positions at which decoding can begin.
    pub points: RestartPoints,
}

/// What is kept in memory of a file after it was read.
#[derive(Clone)]
pub enum Retained {
    /// The decoded samples of a short file.
    Samples(Arc<KeptSamples>),
    /// The bytes of a small file.
    Bytes(Bytes),
    /// Nothing: the file has to be fetched from the blob store again.
    Nothing,
}

/// The source that a decoding thread reads.
pub enum Source {
    Samples(Arc<KeptSamples>),
    Bytes(BlobReader),
}

impl Retained {
    /// Opens the file at this byte; kept samples always start at their beginning. Reading ends when the guard is
    /// dropped.
    pub async fn open_at(&self, staged: &StagedBlob<'_>, byte: u64) -> Result<(Source, Option<DropGuard>)> {
        Ok(match self {
            Self::Samples(kept) => (Source::Samples(Arc::clone(kept)), None),
            Self::Bytes(bytes) => (Source::Bytes(BlobReader::memory_at(bytes, byte)), None),
            Self::Nothing => {
                let (bytes, feeding) = staged.open_at(byte).await?;
                (Source::Bytes(bytes), Some(feeding))
            }
        })
    }
}

impl Source {
    /// The input for the decoder of this format.
    pub fn input(&mut self, format: &Format) -> Input<'_> {
        match self {
            Self::Samples(kept) => Input::Kept(kept),
            Self::Bytes(bytes) => bytes.input(format),
        }
    }
}

impl ListenedFile {
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

    /// The levels at which the pass listened, and at which segments are cut.
    pub fn levels(&self) -> Levels {
        self.analysis.levels.clone()
    }

    pub fn verdict(&self) -> Verdict {
        self.analysis.verdict()
    }
}

/// Reads a blob to its end and compares it with the announced digest. Returns what was kept of it, or `None` if the
/// bytes differ. Dropping the future ends the reading on the other thread too; `permit` is held until that has ended.
pub async fn verify(
    staged: &StagedBlob<'_>,
    announced: Sha256Hex,
    permit: impl Send + 'static,
) -> Result<Option<Retained>> {
    let (bytes, _feeding) = staged.open().await?;
    let size = staged.size;
    let digested = on_blocking_thread(move || (blob_reader::digest(bytes, size).map_err(read_error), permit)).await?.0;
    let (sha256, few) = digested?;
    Ok((sha256 == announced).then(|| few.map_or(Retained::Nothing, Retained::Bytes)))
}

/// Runs the first pass over verified bytes. Dropping the future ends the reading on the other thread too; `permit` is
/// held until that has ended.
pub async fn listen(
    staged: &StagedBlob<'_>,
    from: Retained,
    pass: Pass,
    permit: impl Send + 'static,
) -> Result<Listened> {
    let from_start = Pass { from: None, ..pass.clone() };
    match listen_on(staged, from.clone(), pass, permit).await? {
        // The checkpoint was damaged or of other bytes. The pass starts from the beginning.
        (Listened::Unreadable(AudioError::NoSuchRestartPoint), permit) => {
            Ok(listen_on(staged, from, from_start, permit).await?.0)
        }
        (listened, _) => Ok(listened),
    }
}

async fn listen_on<P: Send + 'static>(
    staged: &StagedBlob<'_>,
    from: Retained,
    pass: Pass,
    permit: P,
) -> Result<(Listened, P)> {
    let (format, size) = (staged.format, staged.size);
    let (survey, retained, points, permit) = match pass.from.as_ref().and_then(Progress::survey) {
        // An earlier delivery had already read the file once; only the second reading is left.
        Some((survey, points)) => (survey, from, points, permit),
        None => {
            let byte = pass.from.as_ref().map_or(0, Progress::byte);
            let (source, _feeding) = from.open_at(staged, byte).await?;
            let survey_pass = pass.clone();
            let (surveyed, permit) =
                on_blocking_thread(move || (survey(&format, size, &survey_pass, source), permit)).await?;
            let (Surveyed { survey, kept, points, analysis }, few) = match surveyed? {
                Ok(surveyed) => surveyed,
                Err(why) => return Ok((Listened::Unreadable(why), permit)),
            };
            let retained = match (kept, few, from) {
                (Some(kept), ..) => Retained::Samples(Arc::new(kept)),
                (None, Some(few), _) => Retained::Bytes(few),
                // Bytes that came from memory are read from there again.
                (None, None, from) => from,
            };
            if let Some(analysis) = analysis {
                return Ok((Listened::Readable(Box::new(ListenedFile { analysis, retained, points })), permit));
            }
            (survey, retained, points, permit)
        }
    };
    if !survey.audible {
        let file = ListenedFile { analysis: Analysis::inaudible(survey), retained, points };
        return Ok((Listened::Readable(Box::new(file)), permit));
    }
    let byte = pass.from.as_ref().filter(|from| from.survey().is_some()).map_or(0, Progress::byte);
    let (mut source, _feeding) = retained.open_at(staged, byte).await?;
    let analyse = move || {
        let mut detector = pass.detection.detector();
        let (input, mut tell) = (source.input(&format), pass.tell());
        let on = audio::Resume { from: pass.from.as_ref(), tell: &mut tell };
        let analysed = audio::analyse_resumable((survey, &points), &format, input, &pass.rules, &mut *detector, on);
        (analysed, points, permit)
    };
    let (analysed, points, permit) = on_blocking_thread(analyse).await?;
    let listened = match readable(analysed)? {
        Ok(analysis) => Listened::Readable(Box::new(ListenedFile { analysis, retained, points })),
        Err(why) => Listened::Unreadable(why),
    };
    Ok((listened, permit))
}

async fn on_blocking_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work);
    done.await.map_err(|panic| Error::new(Kind::Invalid, "audio.analyse", "").because(panic))
}

/// The result of the first reading, and the bytes if they are few.
type Read = std::result::Result<(Surveyed, Option<Bytes>), AudioError>;

fn survey(format: &Format, size: u64, pass: &Pass, source: Source) -> Result<Read> {
    let within = pass.within.unwrap_or(audio::MAX_DURATION);
    let survey = |input: Input<'_>| {
        let on = audio::Resume { from: pass.from.as_ref(), tell: &mut pass.tell() };
        let mut detector = pass.detection.detector();
        let listener = audio::FirstPassListener { rules: pass.rules, detector: &mut *detector };
        readable(audio::survey_and_analyse(format, input, within, listener, on))
    };
    let mut source = match source {
        // Nothing has to be kept of bytes in memory, and nothing can be kept if reading does not begin at the start.
        Source::Bytes(bytes) if !bytes.is_in_memory() && bytes.is_at_start() => KeepingReader::new(bytes, size),
        mut kept => return Ok(survey(kept.input(format))?.map(|surveyed| (surveyed, None))),
    };
    let surveyed = match survey(Input::from(&mut source))? {
        Ok(surveyed) => surveyed,
        // The content of the file needs reading by ranges, although its name did not say so.
        Err(AudioError::NeedsRanges) => {
            // A small file is fetched completely, because each jump would cost a request.
            let (few, mut bytes) = source.finish().map_err(read_error)?;
            if let Some(few) = &few {
                bytes = BlobReader::memory(few.clone()).0;
            }
            bytes.rewind().map_err(read_error)?;
            return Ok(survey(Input::ranges(&mut bytes))?.map(|surveyed| (surveyed, few)));
        }
        Err(why) => return Ok(Err(why)),
    };
    let (few, _) = source.finish().map_err(read_error)?;
    Ok(Ok((surveyed, few)))
}

/// Separates errors of the audio itself from errors of the store.
fn readable<T>(read: std::result::Result<T, AudioError>) -> Result<std::result::Result<T, AudioError>> {
    match read {
        Err(AudioError::Read(error)) => Err(read_error(error)),
        other => Ok(other),
    }
}

/// The store's error behind a failed read. The decoder passes it on unchanged.
pub fn read_error(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::new(Kind::Unavailable, "blobs.read", "").because(error),
    }
}

#[cfg(test)]
mod tests;
