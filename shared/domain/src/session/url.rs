//! Where the bytes of a file go.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the bytes of one file of a session come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileUpload {
    /// `None` until the place for the bytes was made.
    pub url: Option<UploadUrl>,
    /// What the client says of the bytes.
    pub crc32c: Option<u32>,
}

/// The address that takes a file's bytes, or the secret part of it. Whoever has it may write there: it is never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UploadUrl(String);

impl UploadUrl {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// For the client that the file belongs to, and for nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UploadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadUrl")
    }
}
