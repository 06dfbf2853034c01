//! The first pass over staged bytes, the same for the worker and for the door: is the file whole, what is in it, where is
//! speech. It decodes on a thread of its own.

use std::io::Seek;
use std::time::Duration;

use audio::{Analysis, AudioError, Energy, Input, SegmentRules, Verdict};
use bytes::Bytes;
use domain::recording::AudioFacts;
use domain::{Format, Sha256Hex};
use futures_util::stream::BoxStream;

use crate::bytes_in::{BytesIn, Ranges, Witness};
use crate::error::{Error, Kind, Result};

/// What to listen to, and for how long at most.
pub struct Pass {
    pub format: Format,
    pub rules: SegmentRules,
    /// The size of the file, if its bytes are to be kept when they are few.
    pub keep: Option<u64>,
    /// A longer recording is [`Listened::Unreadable`]; `None`: as long as recordings may be.
    pub within: Option<Duration>,
}

/// What became of the first pass.
pub enum Listened {
    Heard(Heard),
    Unreadable(AudioError),
}

/// A file that was read to its end.
pub struct Heard {
    pub analysis: Analysis,
    pub sha256: Sha256Hex,
    /// Its bytes, when they are few.
    pub kept: Option<Bytes>,
}

impl Heard {
    pub fn facts(&self) -> AudioFacts {
        AudioFacts {
            duration_ms: self.analysis.duration_ms,
            speech_ms: self.analysis.speech_ms,
            dropped_bytes: self.analysis.dropped_bytes,
            concealed_ms: self.analysis.concealed_ms,
        }
    }

    pub fn verdict(&self) -> Verdict {
        self.analysis.verdict()
    }
}

/// Reads a blob to its end. Dropped, it ends the reading on the other thread too; `place` is held until that has ended.
/// `ranges` is there when the format needs them.
pub async fn listen(
    stream: BoxStream<'static, Result<Bytes>>,
    ranges: Option<Ranges>,
    pass: Pass,
    place: impl Send + 'static,
) -> Result<Listened> {
    let (bytes, _feeding) = BytesIn::feed(stream, ranges);
    let listening = tokio::task::spawn_blocking(move || {
        let listened = analyse(&pass, bytes);
        drop(place);
        listened
    });
    listening.await.map_err(|panic| Error::new(Kind::Unavailable, "audio.analyse", "").because(panic))?
}

fn analyse(pass: &Pass, bytes: BytesIn) -> Result<Listened> {
    if audio::needs_ranges(&pass.format) {
        return analyse_ranges(pass, bytes);
    }
    let mut bytes = Witness::new(bytes, pass.keep);
    let analysis = match decode(pass, Input::from(&mut bytes))? {
        Ok(analysis) => analysis,
        Err(why) => return Ok(Listened::Unreadable(why)),
    };
    let (sha256, kept, _) = bytes.finish().map_err(read_error)?;
    Ok(Listened::Heard(Heard { analysis, sha256, kept }))
}

/// A digest needs the bytes in their order, this decoder in another one: first the one, then the other.
fn analyse_ranges(pass: &Pass, bytes: BytesIn) -> Result<Listened> {
    let (sha256, kept, mut bytes) = Witness::new(bytes, pass.keep).finish().map_err(read_error)?;
    if let Some(kept) = &kept {
        (bytes, _) = BytesIn::memory(kept.clone());
    }
    bytes.rewind().map_err(read_error)?;
    Ok(match decode(pass, Input::ranges(&mut bytes))? {
        Ok(analysis) => Listened::Heard(Heard { analysis, sha256, kept }),
        Err(why) => Listened::Unreadable(why),
    })
}

fn decode(pass: &Pass, input: Input) -> Result<std::result::Result<Analysis, AudioError>> {
    let mut detector = Energy::default();
    let analysed = match pass.within {
        None => audio::analyse(&pass.format, input, &pass.rules, &mut detector),
        Some(most) => audio::analyse_within(&pass.format, input, &pass.rules, &mut detector, most),
    };
    match analysed {
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
mod tests {
    use std::sync::Arc;

    use futures_util::{FutureExt, StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn a_pass_that_nobody_waits_for_any_more_ends_and_gives_its_place_back() {
        let name = domain::name::parse("audio_x_pcm16_16000_1_fs160_1748300000.bin").unwrap();
        let rules = SegmentRules::new(Duration::from_secs(15));
        let pass = Pass { format: name.format, rules, keep: None, within: None };
        let place = Arc::new(());
        let never = stream::pending::<Result<Bytes>>().boxed();
        {
            let mut listening = Box::pin(listen(never, None, pass, Arc::clone(&place)));
            assert!((&mut listening).now_or_never().is_none());
            assert_eq!(Arc::strong_count(&place), 2);
        }
        let given_back = async {
            while Arc::strong_count(&place) > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), given_back).await.unwrap();
    }
}
