//! The file name of a recording says how its audio is encoded, when it was captured, and by which device.

mod captured;
mod parse;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use captured::{CapturedError, EARLIEST_MS, MAX_FUTURE, check_captured};
pub use parse::{NameError, parse};

use crate::Timestamp;

/// The longest file name in bytes. The name becomes part of a blob's name and of a document.
pub const MAX_NAME_BYTES: usize = 200;
/// The highest sample rate. The lowest one is that of telephony.
pub const MAX_RATE: u32 = 48_000;
pub const MIN_RATE: u32 = 8_000;
/// The frame sizes that libopus supports at 16 kHz: 2.5 to 120 ms.
pub const OPUS_FRAME_SAMPLES: [u32; 8] = [40, 80, 160, 320, 640, 960, 1280, 1920];
/// The sample rates that LC3 is specified for. Its frames do not contain the rate.
pub const LC3_RATES: [u32; 5] = [8_000, 16_000, 24_000, 32_000, 48_000];
/// The largest frame size in samples. A frame has at most 65,536 bytes, and codecs without a fixed frame size take at
/// least a byte for each sample.
pub const MAX_FRAME_SAMPLES: u32 = 65_536;

/// The device of a sound file that a person uploaded.
const UPLOAD: &str = "upload";
/// The device if the name does not contain one.
const UNKNOWN: &str = "unknown";
/// Keeps a printed name below [`MAX_NAME_BYTES`]; a Bluetooth address has 12 characters.
const MAX_PRINTED_DEVICE: usize = 100;

/// The contents of a well-formed name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordingName {
    pub format: Format,
    /// Always present for a frame file. A sound file may lack it: then the upload request has it, or the time of arrival
    /// counts.
    pub captured_at: Option<Timestamp>,
    pub stream: Stream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Length-prefixed codec frames with no header, as devices write them (`.bin`).
    Frames(FrameFormat),
    /// A file whose own headers describe its audio.
    Sound(SoundFile),
}

/// How the frames of a `.bin` file are encoded. The file itself does not contain this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameFormat {
    pub codec: Codec,
    pub rate: u32,
    pub channels: u8,
    pub frame_samples: u32,
}

impl FrameFormat {
    /// The format of a name that says nothing about it. The oldest devices recorded in no other format.
    pub const BARE: Self = Self { codec: Codec::Opus, rate: 16_000, channels: 1, frame_samples: 160 };

    /// The full file name of a recording in this format. It is well-formed whatever the device is called, provided that a
    /// name may contain the time.
    pub fn file_name(&self, device: &str, captured_at: Timestamp) -> String {
        let plain = device.chars().filter(char::is_ascii_alphanumeric).take(MAX_PRINTED_DEVICE);
        let mut device: String = plain.collect::<String>().to_ascii_lowercase();
        if device.is_empty() {
            device.push_str(UNKNOWN);
        }
        let Self { codec, rate, channels, frame_samples } = self;
        let at = captured::print(captured_at);
        format!("audio_{device}_{codec}_{rate}_{channels}_fs{frame_samples}_{at}.bin")
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$of:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$of])* $variant,)* }

        impl $type {
            pub const ALL: &'static [$type] = &[$($type::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                $type::ALL.iter().copied().find(|one| one.as_str() == text).ok_or(())
            }
        }
    };
}

names! {
    /// The codec of a frame file.
    Codec {
        /// Signed 16-bit, little-endian.
        Pcm16 = "pcm16",
        /// Unsigned 8-bit.
        Pcm8 = "pcm8",
        /// G.711 µ-law, usually at 8 kHz.
        Mulaw8 = "mulaw8",
        /// G.711 µ-law, usually at 16 kHz.
        Mulaw16 = "mulaw16",
        Opus = "opus",
        OpusFs320 = "opus_fs320",
        /// ADTS frames.
        Aac = "aac",
        /// Frames of 10 ms in 30 bytes.
        Lc3Fs1030 = "lc3_fs1030",
    }
}

names! {
    /// The extension of a sound file. It is only a hint: the content says what the file is.
    SoundFile {
        Wav = "wav",
        Flac = "flac",
        Mp3 = "mp3",
        Ogg = "ogg",
        Oga = "oga",
        Opus = "opus",
        M4a = "m4a",
        M4b = "m4b",
        Mp4 = "mp4",
        Mov = "mov",
        ThreeGp = "3gp",
        ThreeG2 = "3g2",
        Aac = "aac",
        Webm = "webm",
        Mkv = "mkv",
        Mka = "mka",
        Weba = "weba",
        Aiff = "aiff",
        Aif = "aif",
        Aifc = "aifc",
        Caf = "caf",
        Amr = "amr",
    }
}

names! {
    /// The kind of recorder.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    Source { Limitless = "limitless", Phone = "phone", Device = "device", }
}

/// The source and device of recordings that follow one another in time. Placement by time never mixes streams.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stream {
    pub source: Source,
    pub device: String,
}

impl Stream {
    /// The key of the stream: `source.device`. No source contains a dot, so that no two streams share a key.
    pub fn key(&self) -> String {
        format!("{}.{}", self.source, self.device)
    }
}
