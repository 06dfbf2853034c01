//! The store in a backup folder: files of pages, of which each run adds one with the pages that changed.

use std::io;
use std::path::Path;

use super::BackupError;
use super::contents::{self, Contents};
use super::manifest::{Content, Manifest};
use super::source::{PageSum, Source};

/// Layers that are this many times as large as the store are replaced by one with all pages.
const MOST_LAYERS: u64 = 2;
/// A restore reads all layers, so there are not too many small ones.
const MOST_FILES: usize = 100;
/// The number of a page, before its content.
const NUMBER_BYTES: usize = 4;

/// Copies the pages that changed since the previous run, and notes them in the list.
pub fn copy(
    source: &Source,
    previous: &Manifest,
    next: &mut Manifest,
    contents: &mut Contents,
    root: &Path,
) -> Result<(), BackupError> {
    let failed = |why| BackupError::of_target(root, why);
    let (mut sums, kept) = if is_worth_continuing(previous, source, contents)? {
        sums_of(root, previous).map(|sums| (sums, previous.layers.clone())).unwrap_or_default()
    } else {
        Default::default()
    };
    let mut layer = contents.create().map_err(failed)?;
    next.pages = source.copy(&mut sums, |number, page| {
        layer.write(&number.to_be_bytes()).and_then(|()| layer.write(page)).map_err(failed)
    })?;
    next.page_bytes = source.page_bytes as u64;
    next.layers = kept;
    if layer.bytes > 0 {
        next.layers.push(contents.keep(layer).map_err(failed)?);
    } else {
        drop(layer);
    }
    let mut file = contents.create().map_err(failed)?;
    file.write(sums.as_flattened()).map_err(failed)?;
    next.sums = Some(contents.keep(file).map_err(failed)?);
    Ok(())
}

/// Every run reads all layers: one damaged file makes the whole store of the backup useless, and there are at most as many
/// bytes as the store has three times.
fn is_worth_continuing(previous: &Manifest, source: &Source, contents: &mut Contents) -> Result<bool, BackupError> {
    let bytes: u64 = previous.layers.iter().map(|layer| layer.bytes).sum();
    let mut is_worth = previous.page_bytes == source.page_bytes as u64
        && previous.layers.len() < MOST_FILES
        && bytes <= MOST_LAYERS * u64::from(previous.pages) * previous.page_bytes;
    for layer in &previous.layers {
        is_worth = is_worth && contents.is_whole(layer, || source.tick())?;
    }
    Ok(is_worth)
}

/// `None` if they cannot be read: all pages are copied then.
fn sums_of(root: &Path, previous: &Manifest) -> Option<Vec<PageSum>> {
    let (content, mut bytes) = (previous.sums.as_ref()?, Vec::new());
    let take = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    contents::read(root, content, take, |why| why).ok()?;
    Some(bytes.as_chunks().0.to_vec())
}

/// Passes on each page that the layers hold, with its place in the store; a later one replaces an earlier one.
pub fn restore<E>(
    root: &Path,
    manifest: &Manifest,
    mut write: impl FnMut(u64, &[u8]) -> Result<(), E>,
    unusable: impl Fn(&Content, io::Error) -> E,
) -> Result<(), E> {
    let record_bytes = NUMBER_BYTES + usize::try_from(manifest.page_bytes).unwrap_or(0);
    for layer in &manifest.layers {
        let mut pending = Vec::new();
        let take = |piece: &[u8]| {
            pending.extend_from_slice(piece);
            let whole = pending.len() / record_bytes * record_bytes;
            for record in pending[..whole].chunks_exact(record_bytes) {
                let (number, page) = record.split_at(NUMBER_BYTES);
                let number = u64::from(u32::from_be_bytes(number.try_into().unwrap_or_default()));
                write(number.saturating_sub(1) * manifest.page_bytes, page)?;
            }
            pending.drain(..whole);
            Ok(())
        };
        contents::read(root, layer, take, |why| unusable(layer, why))?;
    }
    Ok(())
}
