//! Reads a file name from the right, because codec and device names contain underscores themselves.

use super::captured::{self, NoMoment};
use super::{
    Codec, Format, FrameFormat, LC3_RATES, MAX_FRAME_SAMPLES, MAX_NAME_BYTES, MAX_RATE, MIN_RATE, OPUS_FRAME_SAMPLES,
};
use super::{RecordingName, SoundFile, Source, Stream, UNKNOWN, UPLOAD};

/// What is wrong with a name, for the person who chose it: the response is 400 `invalid_filename`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the name has {0} bytes; expected 1 to {MAX_NAME_BYTES}")]
    Length(usize),
    #[error("the name contains {0}; expected a plain file name, without folders")]
    Character(&'static str),
    #[error(
        "the name ends in `{0}`; expected .bin, or a sound file: .wav, .flac, .mp3, .ogg, .oga, .opus, .m4a, .m4b, .mp4, .mov, \
         .3gp, .3g2, .aac, .webm, .weba, .mkv, .mka, .aiff, .aif, .aifc, .caf or .amr"
    )]
    Extension(String),
    #[error("the name has no `_`; expected `_<timestamp>` before `.bin`")]
    NoTimestamp,
    #[error("the timestamp `{0}` is not a number; expected seconds or milliseconds since 1970 after the last `_`")]
    Timestamp(String),
    #[error("the timestamp `{0}` lies outside of 2024 to 9999; expected seconds or milliseconds since 1970")]
    TimestampRange(String),
    #[error("no known codec stands before the rate in `{0}`; expected {known}", known = known_codecs())]
    Codec(String),
    #[error("the rate `{0}` is not possible; expected {MIN_RATE} to {MAX_RATE} samples a second")]
    Rate(String),
    #[error("the rate `{0}` is not possible with {1}; expected 8000, 16000, 24000, 32000 or 48000")]
    CodecRate(String, Codec),
    #[error("the channels `{0}` are not possible; expected 1 or 2")]
    Channels(String),
    #[error("the frame size `fs{0}` is not possible with {1}; expected fs{2}")]
    Frame(String, Codec, &'static str),
}

/// All codecs, as a sentence lists them: `pcm16, …, aac or lc3_fs1030`.
fn known_codecs() -> String {
    let names: Vec<_> = Codec::ALL.iter().map(|codec| codec.as_str()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The most characters of a name that an error quotes.
const QUOTED_CHARS: usize = 64;

fn quote(text: &str) -> String {
    text.chars().take(QUOTED_CHARS).collect()
}

/// Reads the name of an uploaded file. It is not checked here whether the time is in the future, because that depends on
/// the clock.
pub fn parse(name: &str) -> Result<RecordingName, NameError> {
    check_characters(name)?;
    let (stem, extension) = name.rsplit_once('.').ok_or_else(|| NameError::Extension(quote(name)))?;
    if extension.eq_ignore_ascii_case("bin") {
        return frame_file(stem);
    }
    match extension.to_ascii_lowercase().parse() {
        Ok(kind) => Ok(sound_file(stem, kind)),
        Err(()) => Err(NameError::Extension(quote(&name[stem.len()..]))),
    }
}

fn check_characters(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(NameError::Length(name.len()));
    }
    let refused = [
        (name.contains('/'), "`/`"),
        (name.contains('\\'), "`\\`"),
        (name.contains(char::is_control), "a control character"),
        (name.contains(is_invisible), "an invisible mark that breaks lines or turns the direction of text"),
        (name.contains(".."), "`..`"),
        (name.starts_with('.'), "a leading dot"),
    ];
    match refused.iter().find(|(found, _)| *found) {
        Some((_, what)) => Err(NameError::Character(what)),
        None => Ok(()),
    }
}

/// Characters that make a name look different from what it is in a list or a log: line separators, and the marks of
/// bidirectional text (Unicode, UAX 9).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn sound_file(stem: &str, kind: SoundFile) -> RecordingName {
    let captured_at = stem.rsplit_once('_').and_then(|(_, at)| captured::read(at).ok());
    RecordingName { format: Format::Sound(kind), captured_at, stream: stream(stem, UPLOAD) }
}

fn frame_file(stem: &str) -> Result<RecordingName, NameError> {
    let (before, at) = stem.rsplit_once('_').ok_or(NameError::NoTimestamp)?;
    let captured_at = captured::read(at).map_err(|why| match why {
        NoMoment::NotANumber => NameError::Timestamp(quote(at)),
        NoMoment::OutOfRange => NameError::TimestampRange(quote(at)),
    })?;
    let (format, device) = describe(before)?;
    Ok(RecordingName { format: Format::Frames(format), captured_at: Some(captured_at), stream: stream(stem, device) })
}

/// Reads `<prefix>_<device>_<codec>_<rate>_<channels>_fs<frame>`. Older recorders left parts out from the right, the oldest
/// ones all of them. A name that ends in a frame size, however, has to be a complete and correct description: reading
/// another codec as Opus would turn the audio into noise.
fn describe(text: &str) -> Result<(FrameFormat, &str), NameError> {
    if let Some((owner, codec)) = split_codec(text) {
        return Ok((usual(codec), device(owner)));
    }
    match text.rsplit_once("_fs") {
        Some((before, size)) if is_number(size) => {
            let [before, rate, channels] = last_two(before).ok_or_else(|| NameError::Codec(quote(text)))?;
            let (owner, codec) = split_codec(before).ok_or_else(|| NameError::Codec(quote(before)))?;
            Ok((frame_format(codec, rate, channels, size)?, device(owner)))
        }
        _ => {
            let numbers = last_two(text).filter(|[_, rate, channels]| is_number(rate) && is_number(channels));
            let found = numbers.and_then(|[before, rate, channels]| Some((split_codec(before)?, rate, channels)));
            let Some(((owner, codec), rate, channels)) = found else {
                return Ok((FrameFormat::BARE, UNKNOWN));
            };
            let size = usual(codec).frame_samples.to_string();
            Ok((frame_format(codec, rate, channels, &size)?, device(owner)))
        }
    }
}

/// The usual format of a codec, for names that say no more than the codec.
fn usual(codec: Codec) -> FrameFormat {
    let (rate, frame_samples) = match codec {
        Codec::Mulaw8 => (8_000, 160),
        Codec::Pcm16 | Codec::Pcm8 | Codec::Mulaw16 | Codec::Opus | Codec::Lc3Fs1030 => (16_000, 160),
        Codec::OpusFs320 => (16_000, 320),
        Codec::Aac => (16_000, 1024),
    };
    FrameFormat { codec, rate, channels: 1, frame_samples }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn last_two(text: &str) -> Option<[&str; 3]> {
    let (before, last) = text.rsplit_once('_')?;
    let (before, one_before) = before.rsplit_once('_')?;
    Some([before, one_before, last])
}

/// Splits the codec off the end. No codec name ends in another one's name, so that at most one fits.
fn split_codec(text: &str) -> Option<(&str, Codec)> {
    Codec::ALL.iter().find_map(|&codec| {
        let owner = text.strip_suffix(codec.as_str())?;
        Some((owner.strip_suffix('_').or(owner.is_empty().then_some(owner))?, codec))
    })
}

/// The device in `<prefix>_<device>`: everything after the first part, so that two devices never share a stream.
fn device(owner: &str) -> &str {
    owner.split_once('_').map(|(_, device)| device).filter(|device| !device.is_empty()).unwrap_or(UNKNOWN)
}

fn frame_format(codec: Codec, rate: &str, channels: &str, size: &str) -> Result<FrameFormat, NameError> {
    let rate_read = number(rate).filter(|rate| (MIN_RATE..=MAX_RATE).contains(rate));
    let channels_read = match channels {
        "1" => Some(1),
        "2" => Some(2),
        _ => None,
    };
    let (fits, expected): (fn(u32) -> bool, _) = match codec {
        Codec::Opus | Codec::OpusFs320 => {
            (|size| OPUS_FRAME_SAMPLES.contains(&size), "40, 80, 160, 320, 640, 960, 1280 or 1920")
        }
        Codec::Pcm16 | Codec::Pcm8 | Codec::Mulaw8 | Codec::Mulaw16 | Codec::Aac | Codec::Lc3Fs1030 => {
            (|size| (1..=MAX_FRAME_SAMPLES).contains(&size), "1 to 65536")
        }
    };
    let rate_read = rate_read.ok_or_else(|| NameError::Rate(quote(rate)))?;
    let has_rate = match codec {
        Codec::Lc3Fs1030 => LC3_RATES.contains(&rate_read),
        Codec::Pcm16 | Codec::Pcm8 | Codec::Mulaw8 | Codec::Mulaw16 => true,
        Codec::Opus | Codec::OpusFs320 | Codec::Aac => true,
    };
    if !has_rate {
        return Err(NameError::CodecRate(quote(rate), codec));
    }
    Ok(FrameFormat {
        codec,
        rate: rate_read,
        channels: channels_read.ok_or_else(|| NameError::Channels(quote(channels)))?,
        frame_samples: number(size)
            .filter(|size| fits(*size))
            .ok_or_else(|| NameError::Frame(quote(size), codec, expected))?,
    })
}

fn number(text: &str) -> Option<u32> {
    // `parse` alone would accept a sign.
    if is_number(text) { text.parse().ok() } else { None }
}

fn stream(stem: &str, device: &str) -> Stream {
    let stem = stem.to_ascii_lowercase();
    let source = if stem.contains("limitless") {
        Source::Limitless
    } else if stem.contains("omibatchphone") || stem.contains("phonemic") {
        Source::Phone
    } else {
        Source::Device
    };
    Stream { source, device: device.to_owned() }
}

#[cfg(test)]
mod tests;
