//! The address that the bytes of a file are uploaded to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The upload of one file of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileUpload {
    /// `None` until the upload was started in the blob store.
    pub url: Option<UploadUrl>,
    /// The checksum that the client announced.
    pub crc32c: Option<u32>,
}

/// The address of a file's upload that has ended, and the new one in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplacedUpload {
    pub index: usize,
    pub dead: UploadUrl,
    pub url: UploadUrl,
}

/// The address that a file's bytes are uploaded to, or the secret part of it. Whoever knows it may write there, so that
/// it is never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UploadUrl(String);

impl UploadUrl {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The address in plain text. It may be shown only to the client that uploads the file.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UploadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadUrl")
    }
}
