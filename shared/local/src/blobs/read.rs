//! Reads a blob in pieces. The first piece is read together with the opening, so that a small blob
//! needs one blocking call.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flow::ports::BlobName;
use flow::{Error, Kind, Result};
use futures_util::stream::{self, BoxStream, StreamExt};

use super::disk::{blocking, fault, is_absent};
use super::piece::PIECE;

const READ: &str = "blobs.read";

struct Reading {
    name: BlobName,
    file: File,
    at: u64,
    end: u64,
}

pub async fn read(path: PathBuf, name: BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
    let (first, reading) = blocking(READ, move || {
        let mut reading = open(&path, name, offset)?;
        Ok((reading.piece()?, reading))
    })
    .await?;
    let rest = stream::try_unfold(reading, |mut reading| async {
        if reading.at == reading.end {
            return Ok(None);
        }
        blocking(READ, move || Ok(reading.piece()?.map(|piece| (piece, reading)))).await
    });
    Ok(stream::iter(first.map(Ok)).chain(rest).boxed())
}

fn open(path: &Path, name: BlobName, offset: u64) -> Result<Reading> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    match opened {
        Ok((about, file)) if about.is_file() => {
            Ok(Reading { name, file, at: offset.min(about.len()), end: about.len() })
        }
        Ok(_) => Err(Error::new(Kind::NotFound, READ, name)),
        Err(error) if is_absent(&error) => Err(Error::new(Kind::NotFound, READ, name)),
        Err(error) => Err(fault(READ, name, error)),
    }
}

impl Reading {
    fn piece(&mut self) -> Result<Option<Bytes>> {
        let length = usize::try_from(self.end - self.at).map_or(PIECE, |left| left.min(PIECE));
        if length == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; length];
        self.file.read_exact_at(&mut piece, self.at).map_err(|error| self.broken(error))?;
        self.at += length as u64;
        Ok(Some(piece.into()))
    }

    fn broken(&self, error: io::Error) -> Error {
        match error.kind() {
            // Blobs never change, so somebody truncated the file.
            ErrorKind::UnexpectedEof => Error::new(Kind::Corrupt, READ, &self.name).because(error),
            _ => fault(READ, &self.name, error),
        }
    }
}
