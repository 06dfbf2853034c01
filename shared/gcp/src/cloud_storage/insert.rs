//! Writes a small blob with one request, which contains the metadata with both checksums and the bytes.
//! Bytes that do not match their checksum never become an object.

use bytes::Bytes;
use flow::Result;
use flow::ports::{BlobName, StoredBlob};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::json;

use super::Storage;
use super::fault::Call;
use super::object::{Object, SHA256, crc_text};
use super::rest::in_slices;
use super::session::UploadState;

impl Storage {
    /// Writes a whole blob, unless the name is taken.
    pub(super) async fn insert(
        &self,
        call: &Call<'_>,
        name: &BlobName,
        bytes: &Bytes,
        stored: &StoredBlob,
    ) -> Result<UploadState> {
        self.tries().run(call, || self.ask_to_insert(call, name, bytes, stored)).await
    }

    async fn ask_to_insert(
        &self,
        call: &Call<'_>,
        name: &BlobName,
        bytes: &Bytes,
        stored: &StoredBlob,
    ) -> Result<UploadState> {
        let boundary = self.random.uuid().simple().to_string();
        let about = json!({
            "name": name.as_str(),
            "contentType": "application/octet-stream",
            "crc32c": crc_text(stored.crc32c),
            "metadata": { SHA256: stored.sha256.to_string() },
        });
        let head = format!(
            "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{about}\r\n\
             --{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let length = head.len() + bytes.len() + tail.len();
        let request = self
            .http(call)?
            .post(self.upload_address("multipart", name))
            .headers(self.authorization(call).await?)
            .header(CONTENT_TYPE, format!("multipart/related; boundary={boundary}"))
            .header(CONTENT_LENGTH, length)
            .body(in_slices([Bytes::from(head), bytes.clone(), Bytes::from(tail)]));
        let answer = self.send(call, request).await?;
        match answer.status {
            200 | 201 => {
                let object = Object::read(&answer.body);
                object.map(UploadState::Whole).ok_or_else(|| call.nonsense("does not describe the object"))
            }
            412 => Ok(UploadState::Taken),
            404 => Err(call.no_bucket()),
            _ => {
                let refusal = answer.refusal();
                if refusal.is_about_sum() { Err(call.refused_sum(&refusal)) } else { Err(call.refused(&refusal)) }
            }
        }
    }
}
