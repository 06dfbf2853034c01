//! How often a file is read in the first pass, what is kept of it, and how reading ends.

use std::sync::Mutex;

use domain::name::parse;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use sha2::{Digest, Sha256};

use super::*;
use crate::ports::{BlobName, BlobWriter, Blobs};

/// A blob that counts how often it is read. Without bytes its stream never ends.
struct Counting {
    bytes: Option<Bytes>,
    reads: Mutex<usize>,
}

#[async_trait::async_trait]
impl Blobs for Counting {
    async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>> {
        Err(Error::new(Kind::Unavailable, "blobs.create", name))
    }

    async fn read(&self, _: &BlobName, _: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        *self.reads.lock().unwrap() += 1;
        Ok(match self.bytes.clone() {
            Some(bytes) => stream::iter([Ok(bytes)]).boxed(),
            None => stream::pending().boxed(),
        })
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

fn counting(bytes: Option<Bytes>) -> (Arc<Counting>, Arc<dyn Blobs>) {
    let blobs = Arc::new(Counting { bytes, reads: Mutex::default() });
    (blobs.clone(), blobs)
}

fn staged(blobs: &Arc<dyn Blobs>, size: usize) -> StagedBlob<'_> {
    let format = parse("audio_x_pcm8_16000_1_fs160_1748300000.bin").unwrap().format;
    StagedBlob { blobs, blob: BlobName::listed("x".to_owned()), size: size as u64, format, clock: None }
}

fn pass() -> Pass {
    let rules = SegmentRules::new(Duration::from_secs(15));
    Pass { rules, detection: Detection::energy(), within: None, from: None, latest: LatestProgress::default() }
}

/// Frames of the given length in seconds, with a second of sound in the middle of every ten.
fn sound(seconds: usize, loud: u8) -> Bytes {
    let frame = |at: usize| {
        let high = if (400..500).contains(&(at % 1_000)) { loud } else { 0 };
        let samples = (0..160).map(move |sample| if sample % 8 < 4 { 128 + high } else { 128 - high });
        160u32.to_le_bytes().into_iter().chain(samples)
    };
    (0..seconds * 100).flat_map(frame).collect()
}

/// The result of the first pass over a file, and how often the file was read.
async fn first_pass_over(bytes: Bytes) -> (Box<ListenedFile>, usize) {
    first_pass_over_channels(1, bytes).await
}

async fn first_pass_over_channels(channels: u32, bytes: Bytes) -> (Box<ListenedFile>, usize) {
    let (count, blobs) = counting(Some(bytes.clone()));
    let format = parse(&format!("audio_x_pcm8_16000_{channels}_fs160_1748300000.bin")).unwrap().format;
    let staged = StagedBlob { format, ..staged(&blobs, bytes.len()) };
    let listened = listen(&staged, Retained::Nothing, pass(), ()).await.unwrap();
    let Listened::Readable(file) = listened else { panic!("it cannot be read") };
    let reads = *count.reads.lock().unwrap();
    (file, reads)
}

#[tokio::test]
async fn short_file_is_read_once_and_its_samples_are_kept() {
    let (file, reads) = first_pass_over(sound(30, 40)).await;
    assert_eq!((file.verdict(), file.analysis.segments.len(), reads), (Verdict::Speech, 3, 1));
    assert!(matches!(file.retained, Retained::Samples(_)));
    assert_eq!((file.levels(), file.facts().heard_by), (file.analysis.levels.clone(), domain::Levels::RULES));
}

#[tokio::test]
async fn long_file_is_read_once_or_twice_if_it_has_two_audible_channels() {
    let (spoken, reads) = first_pass_over(sound(610, 40)).await;
    assert_eq!((spoken.verdict(), spoken.analysis.segments.len(), reads), (Verdict::Speech, 61, 1));
    assert!(matches!(spoken.retained, Retained::Nothing));
    let (spoken, reads) = first_pass_over_channels(2, sound(1_220, 40)).await;
    assert_eq!((spoken.verdict(), spoken.analysis.segments.len(), reads), (Verdict::Speech, 122, 2));
    let (silent, reads) = first_pass_over_channels(2, sound(1_220, 0)).await;
    assert_eq!((silent.verdict(), reads), (Verdict::Silent, 1));
}

#[tokio::test]
async fn kept_samples_kept_bytes_and_fetched_bytes_are_cut_alike() {
    let (bytes, mut cuts) = (sound(30, 3), Vec::new());
    let (file, _) = first_pass_over(bytes.clone()).await;
    let raised = file.levels().stretches().iter().all(|stretch| stretch.factor() > 2.0);
    assert!(raised, "{:?}", file.levels());
    let (_, blobs) = counting(Some(bytes.clone()));
    for retained in [file.retained, Retained::Bytes(bytes.clone()), Retained::Nothing] {
        let staged = staged(&blobs, bytes.len());
        let (mut source, _feeding) = retained.open_at(&staged, 0).await.unwrap();
        let (analysis, format) = (file.analysis.clone(), staged.format);
        let cut = move || {
            let mut all = Vec::new();
            let mut sink = |span, samples| {
                all.push((span, samples));
                std::ops::ControlFlow::Continue(())
            };
            audio::cut(&format, source.input(&format), &analysis.levels, &analysis.segments, &mut sink).unwrap();
            all
        };
        cuts.push(on_blocking_thread(cut).await.unwrap());
    }
    assert!(!cuts[0].is_empty() && cuts[0] == cuts[1] && cuts[1] == cuts[2]);
}

#[tokio::test]
async fn verification_reads_bytes_once_and_keeps_those_of_small_files() {
    let (few, many) = (sound(30, 40), sound(200, 40));
    for bytes in [few.clone(), many] {
        let (count, blobs) = counting(Some(bytes.clone()));
        let staged = staged(&blobs, bytes.len());
        let digest = Sha256Hex(Sha256::digest(&bytes).into());
        let retained = verify(&staged, digest, ()).await.unwrap().expect("they are the announced ones");
        assert!(verify(&staged, Sha256Hex([7; 32]), ()).await.unwrap().is_none(), "others were announced");
        assert_eq!(*count.reads.lock().unwrap(), 2);
        assert_eq!(matches!(retained, Retained::Bytes(kept) if kept == bytes), bytes == few, "{} bytes", bytes.len());
    }
}

#[tokio::test]
async fn first_pass_over_kept_bytes_equals_that_over_fetched_bytes() {
    let bytes = sound(30, 40);
    let (count, blobs) = counting(Some(bytes.clone()));
    let staged = staged(&blobs, bytes.len());
    let mut analyses = Vec::new();
    for from in [Retained::Nothing, Retained::Bytes(bytes.clone())] {
        let Listened::Readable(one) = listen(&staged, from, pass(), ()).await.unwrap() else { panic!("unreadable") };
        analyses.push(one.analysis);
    }
    assert!(analyses[0] == analyses[1]);
    assert_eq!(*count.reads.lock().unwrap(), 1, "memory is not fetched");
}

#[tokio::test]
async fn dropped_pass_ends_and_releases_its_permit() {
    let (_, blobs) = counting(None);
    let (staged, permit) = (staged(&blobs, 0), Arc::new(()));
    {
        let mut listening = Box::pin(listen(&staged, Retained::Nothing, pass(), Arc::clone(&permit)));
        assert!((&mut listening).now_or_never().is_none());
        assert_eq!(Arc::strong_count(&permit), 2);
    }
    let given_back = async {
        while Arc::strong_count(&permit) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), given_back).await.unwrap();
}
