//! `GET /v2/limits`: how large an upload may be, and whether fair use allows one.

use std::time::Duration;

use domain::Timestamp;
use serde::Deserialize;

/// The limits of uploads, as the server tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct UploadLimits {
    /// Of a file in a multipart batch.
    pub max_file_bytes: u64,
    /// Of all files of a batch.
    pub max_batch_bytes: u64,
    /// The number of files of a batch.
    pub max_files: u64,
    /// Of a file by the resumable protocol.
    pub resumable_max_file_bytes: u64,
}

impl Default for UploadLimits {
    /// Small enough for every server, until one tells its own.
    fn default() -> Self {
        Self { max_file_bytes: 4 << 20, max_batch_bytes: 25 << 20, max_files: 20, resumable_max_file_bytes: 2 << 30 }
    }
}

#[derive(Deserialize)]
struct Window {
    used_ms: u64,
    cap_ms: u64,
}

#[derive(Deserialize)]
struct Body {
    upload: UploadLimits,
    #[serde(default)]
    restricted_until: Option<Timestamp>,
    #[serde(default)]
    windows: Vec<Window>,
}

/// What the answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub upload: UploadLimits,
    /// Fair use refuses uploads for this long.
    pub refused_for: Option<Duration>,
}

/// Reads the answer; `None` if it is not one. `default_wait` counts where the end is not known.
pub fn parse(body: &[u8], default_wait: Duration, now: Timestamp) -> Option<Limits> {
    let body: Body = serde_json::from_slice(body).ok()?;
    let (told, default) = (body.upload, UploadLimits::default());
    // A limit of zero says nothing that can be obeyed. Taken at its word it would reject everything that waits, for good; the
    // answer to an upload says what is really too large.
    let or_default = |told: u64, default: u64| if told == 0 { default } else { told };
    let upload = UploadLimits {
        max_file_bytes: or_default(told.max_file_bytes, default.max_file_bytes),
        max_batch_bytes: or_default(told.max_batch_bytes, default.max_batch_bytes),
        max_files: or_default(told.max_files, default.max_files),
        resumable_max_file_bytes: or_default(told.resumable_max_file_bytes, default.resumable_max_file_bytes),
    };
    let is_over_cap = body.windows.iter().any(|window| window.cap_ms > 0 && window.used_ms >= window.cap_ms);
    let until = body.restricted_until.map(|until| now.until(until)).filter(|wait| !wait.is_zero());
    Some(Limits { upload, refused_for: is_over_cap.then(|| until.unwrap_or(default_wait)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const DEFAULT: Duration = Duration::from_secs(1800);

    fn read(used_ms: u64, until: &str) -> Option<Limits> {
        let body = format!(
            r#"{{"stage":"restricted","restricted_until":{until},"windows":[{{"hours":24,"used_ms":{used_ms},"cap_ms":10}}],
                "daily_budget":null,"upload":{{"max_file_bytes":7,"max_batch_bytes":8,"max_files":0,
                "resumable_max_file_bytes":9}}}}"#
        );
        parse(body.as_bytes(), DEFAULT, NOW)
    }

    #[test]
    fn r29_limits_say_whether_fair_use_still_refuses_uploads() {
        let soon = "\"2027-01-15T08:10:00.000Z\"";
        assert_eq!(read(9, soon).unwrap().refused_for, None, "restricted, but under the cap: admitted");
        assert_eq!(read(10, soon).unwrap().refused_for, Some(Duration::from_secs(600)));
        assert_eq!(read(10, "null").unwrap().refused_for, Some(DEFAULT));
        assert_eq!(read(0, "null").unwrap().upload.max_files, UploadLimits::default().max_files);
        for garbage in ["", "{}", "<html>", "[]", r#"{"upload":{"max_files":-1}}"#] {
            assert_eq!(parse(garbage.as_bytes(), DEFAULT, NOW), None, "{garbage}");
        }
    }
}
