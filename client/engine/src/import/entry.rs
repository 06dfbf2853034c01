//! One entry of `wals.json`, with everything that older apps left out or wrote differently.

use std::path::Path;

use domain::name::EARLIEST_MS;
use domain::{Codec, ConversationId, FrameFormat, JobId, Timestamp};
use serde_json::Value;

use crate::chunk::State;

/// An entry as it is understood.
pub struct Entry {
    pub format: FrameFormat,
    pub captured_at: Timestamp,
    pub device: String,
    pub session: String,
    pub status: String,
    pub is_on_disk: bool,
    pub duration_ms: u64,
    pub frames: u64,
    pub synced_prefix: u64,
    pub conversation_id: Option<ConversationId>,
    pub job_id: Option<JobId>,
    pub uploaded_at: Option<Timestamp>,
    pub retry_count: u32,
    /// The last part of `file_path`: folders move when an app is updated.
    file: Option<String>,
}

impl Entry {
    /// Reads an entry, or says what is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let seconds = value["timer_start"].as_i64().filter(|seconds| *seconds > 0);
        let seconds = seconds.ok_or_else(|| format!("an entry has no timer_start: {}", quote(value)))?;
        let text = |key: &str| value[key].as_str().unwrap_or_default();
        let number = |key: &str, default: u64| value[key].as_u64().unwrap_or(default);
        let codec = value["codec"].as_str().ok_or_else(|| format!("an entry has no codec: {}", quote(value)))?;
        let captured_at = Timestamp::from_millis(seconds.saturating_mul(1000).max(EARLIEST_MS));
        let time = |key: &str| value[key].as_i64().filter(|at| *at > 0).map(seconds_or_millis);
        Ok(Self {
            format: format(codec, number("sample_rate", 16_000), number("channel", 1)),
            captured_at,
            device: Some(text("device")).filter(|name| !name.is_empty()).unwrap_or("phone").to_owned(),
            session: text("recording_session_id").to_owned(),
            status: text("status").to_owned(),
            is_on_disk: matches!(last_word(text("storage")), "disk" | ""),
            duration_ms: number("seconds", 60).saturating_mul(1000),
            frames: number("total_frames", 0),
            synced_prefix: number("synced_frame_offset", 0),
            conversation_id: text("conversation_id").parse().ok(),
            job_id: text("job_id").parse().ok(),
            uploaded_at: time("uploaded_at"),
            retry_count: u32::try_from(number("retry_count", 0)).unwrap_or(u32::MAX),
            file: text("file_path").rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).map(str::to_owned),
        })
    }

    /// The name of its file among those of the folder: as the entry says, or under the name that the recorder gave it.
    pub fn file_in(&self, names: &[String]) -> Option<String> {
        if let Some(file) = self.file.as_ref().filter(|file| names.contains(file)) {
            return Some(file.clone());
        }
        // Some recorders put a part of their own into the name, or another codec; device and time are always in it.
        let like = |name: &&String| {
            let parsed = domain::name::parse(name).ok();
            parsed.is_some_and(|parsed| parsed.captured_at == Some(self.captured_at) && self.is_device_in(name))
        };
        let mut found = names.iter().filter(like);
        // If several fit, none can be told to be the right one.
        found.next().filter(|_| found.next().is_none()).cloned()
    }

    fn is_device_in(&self, name: &str) -> bool {
        let plain = |text: &str| -> String {
            text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
        };
        plain(name).contains(&plain(&self.device))
    }

    /// The name under which it is uploaded: its own, if a server can read it.
    pub fn upload_name(&self, file: &Path) -> String {
        let own = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match domain::name::parse(own) {
            Ok(_) => own.to_owned(),
            Err(_) => self.format.file_name(&self.device, self.captured_at),
        }
    }

    /// What its state means here. One that is not known was being recorded.
    pub fn state(&self) -> State {
        match last_word(&self.status) {
            "uploaded" if self.job_id.is_some() => State::Uploaded,
            "synced" => State::Synced,
            "corrupted" | "unsupportedAudio" => State::Unreadable,
            "outsideRecoveryWindow" => State::TooOld,
            "uploadRejected" => State::Rejected,
            _ => State::Pending,
        }
    }

    /// For a person who looks for its file.
    pub fn describe(&self) -> String {
        let file = self.file.as_deref().unwrap_or("no file name");
        format!("{} of {} ({file})", self.device, self.captured_at)
    }
}

/// Some versions wrote `WalStatus.miss` for `miss`.
fn last_word(text: &str) -> &str {
    text.rsplit('.').next().unwrap_or_default()
}

fn seconds_or_millis(at: i64) -> Timestamp {
    if at > 10_000_000_000 { Timestamp::from_millis(at) } else { Timestamp::from_secs(at) }
}

fn quote(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

fn format(codec: &str, rate: u64, channels: u64) -> FrameFormat {
    let name = last_word(codec);
    let codec = match name {
        "opusFS320" => Codec::OpusFs320,
        name => name.parse().unwrap_or(Codec::Pcm8),
    };
    let frame_samples = if codec == Codec::OpusFs320 { 320 } else { 160 };
    FrameFormat {
        codec,
        rate: u32::try_from(rate).unwrap_or(16_000),
        channels: u8::try_from(channels).ok().filter(|n| (1..=2).contains(n)).unwrap_or(1),
        frame_samples,
    }
}
