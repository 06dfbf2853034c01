//! Encodes audio as a file that providers can read.

use std::time::Duration;

use bytes::Bytes;

use super::flac::flac;
use super::remux::remux;
use super::times::Times;
use crate::engine::{Audio, EngineError, RetryClass, SAMPLE_RATE};
use crate::opus::LOOK_AHEAD;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ogg,
    Flac,
    Wav,
}

impl Kind {
    pub fn mime(self) -> &'static str {
        match self {
            Self::Ogg => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }

    /// The file name, by which some servers recognise the format.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Ogg => "audio.ogg",
            Self::Flac => "audio.flac",
            Self::Wav => "audio.wav",
        }
    }
}

pub(super) struct Body {
    pub bytes: Bytes,
    pub kind: Kind,
    /// Converts times in the file to times in the audio.
    pub times: Times,
    /// The duration of the audio.
    pub length: Duration,
}

/// Opus packets are sent as they are. Samples are encoded as FLAC, or as WAV for a server that reads nothing else.
pub(super) async fn body(audio: Audio<'_>, wav_only: bool) -> Result<Body, EngineError> {
    let length = audio.duration;
    if length.is_zero() {
        return Err(EngineError::new(RetryClass::Refused, "there is no audio in the segment"));
    }
    if let Some(frames) = audio.frames {
        let bytes = remux(frames, length).map_err(|why| EngineError::new(RetryClass::Transient, why.to_string()))?;
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let times = Times::new(micros(LOOK_AHEAD) - micros(frames.lead), length);
        return Ok(Body { bytes: bytes.into(), kind: Kind::Ogg, times, length });
    }
    // The cast saturates and turns NaN into 0.
    let samples: Vec<i16> = audio.samples.iter().map(|sample| (sample * 32_768.0).round() as i16).collect();
    // Encoding minutes of audio takes tens of milliseconds, which is too long for a thread of the async runtime.
    let encoded = tokio::task::spawn_blocking(move || match wav_only {
        true => Ok((wav(&samples), Kind::Wav)),
        false => flac(&samples).map(|file| (file, Kind::Flac)),
    });
    let encoded = encoded.await.map_err(|why| EngineError::new(RetryClass::Transient, why.to_string()))?;
    let (bytes, kind) = encoded.map_err(|why| EngineError::new(RetryClass::Transient, why.to_string()))?;
    Ok(Body { bytes: bytes.into(), kind, times: Times::new(0, length), length })
}

fn wav(samples: &[i16]) -> Vec<u8> {
    let audio = samples.len() * 2;
    // The size fits, because a piece is at most an hour long.
    let (size, rate) = (audio as u32, SAMPLE_RATE);
    let mut out = Vec::with_capacity(44 + audio);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&size.saturating_add(36).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&(rate * 2).to_le_bytes());
    out.extend_from_slice(b"\x02\0\x10\0data");
    out.extend_from_slice(&size.to_le_bytes());
    samples.iter().for_each(|sample| out.extend_from_slice(&sample.to_le_bytes()));
    out
}
