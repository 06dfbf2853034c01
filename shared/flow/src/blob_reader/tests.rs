//! Reading bytes on a decoding thread, and keeping small files in memory.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::stream;

use super::*;
use crate::error::{Error, Kind};
use crate::ports::BlobWriter;

fn fed(pieces: Vec<Result<Bytes>>) -> (BlobReader, DropGuard) {
    BlobReader::feed(stream::iter(pieces).boxed(), None)
}

/// The first three bytes, as a decoder reads them, and the bytes that are kept.
async fn kept(pieces: Vec<Result<Bytes>>, size: u64) -> io::Result<(Vec<u8>, Option<Bytes>)> {
    let (bytes, _feeding) = fed(pieces);
    let mut keeper = KeepingReader::new(bytes, size);
    tokio::task::spawn_blocking(move || {
        let mut first = vec![0; 3];
        keeper.read_exact(&mut first)?;
        keeper.finish().map(|(kept, _)| (first, kept))
    })
    .await
    .unwrap()
}

async fn digested(pieces: Vec<Result<Bytes>>, size: u64) -> io::Result<(Sha256Hex, Option<Bytes>)> {
    let (bytes, _feeding) = fed(pieces);
    tokio::task::spawn_blocking(move || digest(bytes, size)).await.unwrap()
}

fn piece(text: &'static str) -> Result<Bytes> {
    Ok(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn bytes_after_the_decoder_stops_are_kept_too() {
    let (first, kept) = kept(vec![piece("ab"), piece("cde"), piece("f")], 6).await.unwrap();
    assert_eq!((&*first, kept.unwrap()), (&b"abc"[..], Bytes::from_static(b"abcdef")));
}

#[tokio::test]
async fn every_byte_is_digested_and_few_bytes_are_kept() {
    let expected = Sha256Hex(Sha256::digest(b"abcdef").into());
    for (size, stays) in [(6, true), (KEPT_BYTES + 1, false)] {
        let (digest, kept) = digested(vec![piece("ab"), piece("cde"), piece("f")], size).await.unwrap();
        assert_eq!((digest, kept), (expected, stays.then(|| Bytes::from_static(b"abcdef"))), "{size}");
    }
}

#[tokio::test]
async fn large_file_is_not_kept() {
    assert_eq!(kept(vec![piece("abcdef")], KEPT_BYTES + 1).await.unwrap().1, None);
}

#[tokio::test]
async fn interrupted_read_is_an_error_of_the_store_and_not_the_end() {
    let broken = || vec![piece("abc"), Err(Error::new(Kind::Unavailable, "blobs.read", "x"))];
    for error in [kept(broken(), 6).await.unwrap_err(), digested(broken(), 6).await.unwrap_err()] {
        assert_eq!(error.downcast::<Error>().unwrap().kind, Kind::Unavailable);
    }
}

/// A blob that records the offsets at which it was opened.
struct Opened {
    bytes: Vec<u8>,
    at: Mutex<Vec<u64>>,
}

#[async_trait::async_trait]
impl Blobs for Opened {
    async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>> {
        Err(Error::new(Kind::Unavailable, "blobs.create", name))
    }

    async fn read(&self, _: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.at.lock().unwrap().push(offset);
        let rest = self.bytes[usize::try_from(offset).unwrap()..].to_vec();
        let pieces: Vec<_> = rest.chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Ok(stream::iter(pieces).boxed())
    }

    async fn delete(&self, _: &BlobName) -> Result<()> {
        Ok(())
    }

    async fn list(&self, _: &str, _: Option<&BlobName>, _: usize) -> Result<Vec<(BlobName, Duration)>> {
        Ok(Vec::new())
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

async fn opened(size: usize) -> (Arc<Opened>, BlobReader, DropGuard) {
    let bytes = (0..size).map(|at| (at % 251) as u8).collect();
    let blob = Arc::new(Opened { bytes, at: Mutex::default() });
    let (blobs, name): (Arc<dyn Blobs>, _) = (blob.clone(), BlobName::listed("x".to_owned()));
    let m4a = domain::name::parse("x.m4a").unwrap().format;
    let ranges = Ranges::wanted(&m4a, &blobs, &name, size as u64);
    let (bytes, feeding) = BlobReader::feed(blobs.read(&name, 0).await.unwrap(), ranges);
    (blob, bytes, feeding)
}

#[tokio::test]
async fn long_jump_opens_the_blob_again_and_a_short_one_reads_on() {
    const MIB: u64 = 1 << 20;
    let (blob, mut bytes, _feeding) = opened(5 << 20).await;
    let read = move || {
        let mut places = Vec::new();
        let jumps = [
            SeekFrom::Start(300_000),
            SeekFrom::End(-10),
            SeekFrom::Start(MIB),
            SeekFrom::Current(9),
            SeekFrom::End(0),
            SeekFrom::Start(7),
        ];
        for jump in jumps {
            let at = bytes.seek(jump)?;
            let mut byte = [0];
            let got = bytes.read(&mut byte)?;
            places.push((at, (got == 1).then_some(u64::from(byte[0]))));
        }
        io::Result::Ok(places)
    };
    let places = tokio::task::spawn_blocking(read).await.unwrap().unwrap();
    let at = [300_000, 5 * MIB - 10, MIB, MIB + 10, 5 * MIB, 7];
    let expected = at.map(|at| (at, (at < 5 * MIB).then_some(at % 251)));
    assert_eq!(places, expected);
    assert_eq!(*blob.at.lock().unwrap(), [0, 5 * MIB - 10, MIB, 7], "the end itself is not opened");
}

#[tokio::test]
async fn reader_of_an_ended_delivery_opens_nothing() {
    let (blob, mut bytes, feeding) = opened(5 << 20).await;
    drop(feeding);
    let read = move || {
        bytes.seek(SeekFrom::End(-10))?;
        bytes.read(&mut [0])
    };
    let error = tokio::task::spawn_blocking(read).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(*blob.at.lock().unwrap(), [0]);
}

#[test]
fn bytes_in_memory_can_be_read_from_any_position() {
    let (mut bytes, _) = BlobReader::memory(Bytes::from_static(b"abcdef"));
    let mut two = [0; 2];
    for (jump, expected) in [(SeekFrom::End(-2), b"ef"), (SeekFrom::Start(1), b"bc"), (SeekFrom::Current(0), b"de")] {
        bytes.seek(jump).unwrap();
        bytes.read_exact(&mut two).unwrap();
        assert_eq!(&two, expected);
    }
    assert_eq!((bytes.seek(SeekFrom::Start(99)).unwrap(), bytes.read(&mut two).unwrap()), (99, 0));
}
