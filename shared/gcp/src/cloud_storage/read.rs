//! Reads a blob in pieces from an offset. A read that breaks off is resumed there, a few times. If the
//! whole blob is read, its checksum is compared at the end.

use std::sync::Arc;

use bytes::Bytes;
use flow::ports::BlobName;
use flow::{Error, Kind, Result};
use futures_util::stream::{self, BoxStream, StreamExt};
use google_cloud_storage::model_ext::ReadRange;
use google_cloud_storage::read_object::ReadObjectResponse;

use super::Storage;
use super::fault::refusal_of;
use crate::diagnosis::causes;

/// The most bytes that a read returns at once, as the port demands.
const PIECE: usize = 256 * 1024;
/// Interruptions that are at least this far apart reset the count: a long recording is read as slowly
/// as it is processed, and Google closes idle connections.
const GOOD_PROGRESS: u64 = 4 * 1024 * 1024;
const READ: &str = "blobs.read";

struct Reading {
    storage: Arc<Storage>,
    name: BlobName,
    /// The generation of the object that was opened: bytes of a later object with the same name are never
    /// read.
    generation: i64,
    at: u64,
    end: u64,
    check: Option<Check>,
    response: Option<ReadObjectResponse>,
    /// Bytes that have arrived but were not returned yet.
    rest: Bytes,
    /// Interruptions since the read last made good progress.
    breaks: u32,
    broke_at: u64,
}

/// The checksum of the bytes that were read, and the one that Google has.
struct Check {
    wanted: u32,
    sum: u32,
}

pub async fn read(storage: Arc<Storage>, name: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
    let Some(response) = open(&storage, name, offset, 0).await? else {
        // The blob exists, but has no bytes at or after the offset.
        return Ok(stream::empty().boxed());
    };
    let about = response.object();
    let wanted = about.checksums.and_then(|sums| sums.crc32c).filter(|_| offset == 0);
    let reading = Reading {
        storage,
        name: name.clone(),
        generation: about.generation,
        at: offset,
        end: u64::try_from(about.size).unwrap_or_default(),
        check: wanted.map(|wanted| Check { wanted, sum: 0 }),
        response: Some(response),
        rest: Bytes::new(),
        breaks: 0,
        broke_at: offset,
    };
    let pieces = stream::unfold(Some(reading), |reading| async {
        let mut reading = reading?;
        match Box::pin(reading.piece()).await {
            Ok(Some(piece)) => Some((Ok(piece), Some(reading))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(pieces.boxed())
}

/// Opens the blob at `offset`; `None` if that is behind its end.
async fn open(storage: &Storage, name: &BlobName, offset: u64, generation: i64) -> Result<Option<ReadObjectResponse>> {
    let call = storage.call(READ, name.as_str());
    let ask = || async {
        let range = if offset == 0 { ReadRange::all() } else { ReadRange::offset(offset) };
        let reading = storage.reading(&call).await?;
        let mut request = reading
            .read_object(storage.bucket_path(), name.as_str())
            .set_read_range(range)
            // We compute the checksum ourselves, because it continues when a read is resumed.
            .compute_crc32c(false);
        if generation != 0 {
            request = request.set_generation(generation);
        }
        match request.send().await {
            Ok(response) => Ok(Some(response)),
            Err(why) if offset > 0 && refusal_of(&why).is_some_and(|refusal| refusal.status == 416) => Ok(None),
            Err(why) => Err(storage.failed(&call, &why)),
        }
    };
    storage.tries().run(&call, ask).await
}

impl Reading {
    /// The next piece; `None` at the end of the blob.
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        while self.rest.is_empty() {
            if self.at == self.end {
                return self.checked().map(|()| None);
            }
            match self.next().await {
                Ok(bytes) => self.take(bytes)?,
                Err(error) => self.resume(error).await?,
            }
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(PIECE))))
    }

    /// The next bytes of the response, within the time limit of a try.
    async fn next(&mut self) -> Result<Bytes> {
        let storage = self.storage.clone();
        let name = self.name.clone();
        let call = storage.call(READ, name.as_str());
        let broken = |why: String| call.error(Kind::Unavailable).because(why);
        let Some(response) = &mut self.response else { return Err(broken("the read is over".to_owned())) };
        let next = async {
            match response.next().await {
                Some(Ok(bytes)) => Ok(bytes),
                Some(Err(why)) => Err(broken(causes(&why))),
                None => Err(broken("the response ended before the end of the blob".to_owned())),
            }
        };
        storage.tries().once(&call, next).await
    }

    fn take(&mut self, bytes: Bytes) -> Result<()> {
        self.at += bytes.len() as u64;
        if self.at > self.end {
            return Err(self.corrupt("there are more bytes than the blob has"));
        }
        if let Some(check) = &mut self.check {
            check.sum = crc32c::crc32c_append(check.sum, &bytes);
        }
        self.rest = bytes;
        Ok(())
    }

    /// Resumes the read where it broke off, unless that has happened too often.
    async fn resume(&mut self, error: Error) -> Result<()> {
        self.response = None;
        if self.at - self.broke_at >= GOOD_PROGRESS {
            self.breaks = 0;
        }
        self.breaks += 1;
        self.broke_at = self.at;
        let retrying = self.storage.tries();
        let pause = retrying.policy.retry.pause(self.breaks, &error, retrying.random.unit());
        let Some(pause) = pause else { return Err(error.after_retries()) };
        self.storage.clock.sleep(pause).await;
        self.response = open(&self.storage, &self.name, self.at, self.generation).await?;
        if self.response.is_none() {
            return Err(self.corrupt("it has become shorter"));
        }
        Ok(())
    }

    fn checked(&self) -> Result<()> {
        match &self.check {
            Some(check) if check.sum != check.wanted => Err(self.corrupt("its sum is another than Cloud Storage has")),
            _ => Ok(()),
        }
    }

    fn corrupt(&self, why: &str) -> Error {
        Error::new(Kind::Corrupt, READ, &self.name).because(why.to_owned())
    }
}
