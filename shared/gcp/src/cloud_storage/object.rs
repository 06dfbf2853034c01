//! The fields of an object that are needed here.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flow::ports::{BlobName, StoredBlob};
use flow::{Kind, Result};
use serde::Deserialize;

use super::Storage;
use super::fault::Call;

/// The metadata key of our own checksum. Only small blobs have it: for a large blob it is known too
/// late, when the metadata has been sent.
pub const SHA256: &str = "sha256";

/// An object's size and checksums.
#[derive(Clone, Debug)]
pub struct Object {
    pub size: u64,
    pub crc32c: Option<u32>,
    pub generation: i64,
    sha256: Option<String>,
}

impl Object {
    /// Whether the object has the bytes that were written. A SHA-256 that is missing is not compared.
    pub fn is(&self, stored: &StoredBlob) -> bool {
        self.size == stored.size
            && self.crc32c == Some(stored.crc32c)
            && self.sha256.as_ref().is_none_or(|sum| *sum == stored.sha256.to_string())
    }

    /// Parses an object from a response of JSON REST.
    pub fn read(json: &[u8]) -> Option<Self> {
        let resource: Resource = serde_json::from_slice(json).ok()?;
        Some(Self {
            size: resource.size.parse().ok()?,
            crc32c: resource.crc32c.as_deref().and_then(read_crc),
            generation: resource.generation.parse().ok()?,
            sha256: resource.metadata.get(SHA256).cloned(),
        })
    }
}

#[derive(Deserialize)]
struct Resource {
    size: String,
    generation: String,
    crc32c: Option<String>,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

impl Storage {
    /// The object with this name, if there is one.
    pub(super) async fn object(&self, call: &Call<'_>, name: &BlobName) -> Result<Option<Object>> {
        self.tries().run(call, || self.ask_for_object(call, name)).await
    }

    async fn ask_for_object(&self, call: &Call<'_>, name: &BlobName) -> Result<Option<Object>> {
        let control = self.control(call).await?;
        let asked = control.client.get_object().set_bucket(self.bucket_path()).set_object(name.as_str()).send().await;
        match control.answered(call, asked) {
            Ok(object) => Ok(Some(Object {
                size: u64::try_from(object.size).unwrap_or_default(),
                crc32c: object.checksums.and_then(|sums| sums.crc32c),
                generation: object.generation,
                sha256: object.metadata.get(SHA256).cloned(),
            })),
            // The object is missing; a missing bucket is another error.
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A checksum in the format of JSON REST.
pub fn crc_text(crc32c: u32) -> String {
    BASE64_STANDARD.encode(crc32c.to_be_bytes())
}

fn read_crc(text: &str) -> Option<u32> {
    Some(u32::from_be_bytes(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?))
}
