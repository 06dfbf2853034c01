//! Cuts the wanted segments out of a file on a blocking thread, one segment ahead of the engine.

use std::collections::HashMap;
use std::ops::ControlFlow;

use audio::{AudioError, RestartPoints, Span};
use domain::{Format, Levels, Segment};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::decode_permits::DecodePermit;
use crate::error::{Error, Kind};
use crate::first_pass::{LatestProgress, Source, read_error};

/// A segment and its audio, for the engine.
pub type Cut = (Segment, audio::Cut);

/// The parameters of cutting.
pub struct Cutter {
    pub format: Format,
    pub source: Source,
    pub levels: Levels,
    /// Whether Opus is passed on in its recorded packets and not decoded.
    pub packets: bool,
    pub wanted: Vec<Segment>,
    /// Positions at which decoding can begin. The source is at the last of them before the first wanted segment.
    pub points: RestartPoints,
    /// Receives further such positions.
    pub latest: LatestProgress,
}

/// Sends the segments in their order. At most one waits, and meanwhile none is cut, so that memory holds the segments
/// in flight and one more. While one waits, the `permit` for decoding is released to others.
pub fn cut_in_background(
    cutter: Cutter,
    mut permit: DecodePermit,
) -> (mpsc::Receiver<Cut>, JoinHandle<Result<(), Error>>) {
    let (send, cuts) = mpsc::channel(1);
    let runtime = Handle::current();
    let Cutter { format, mut source, levels, packets, wanted, points, latest } = cutter;
    let cutter = tokio::task::spawn_blocking(move || {
        let spans: Vec<Span> = wanted.iter().map(|s| Span { start_ms: s.start_ms, end_ms: s.end_ms }).collect();
        let last = spans.last().copied();
        let by_start: HashMap<u32, Segment> = wanted.into_iter().map(|s| (s.start_ms, s)).collect();
        let mut sink = |span: Span, cut: audio::Cut| match by_start.get(&span.start_ms) {
            Some(segment) => pass_on(&send, (*segment, cut), last == Some(span), &runtime, &mut permit),
            None => ControlFlow::Continue(()),
        };
        let input = source.input(&format);
        let done = match packets {
            true => audio::cut_packets(&format, input, &levels, &spans, &mut sink),
            false => {
                let mut sink = |span, samples| sink(span, audio::Cut::Samples(samples));
                let mut tell = |points: &RestartPoints| latest.listened(points);
                audio::cut_resumable(&format, input, &levels, &spans, points, &mut tell, &mut sink)
            }
        };
        match done {
            Ok(()) => Ok(()),
            Err(AudioError::Read(error)) => Err(read_error(error)),
            // The bytes were readable when the plan was made, so that they must be damaged now.
            Err(why) => Err(Error::new(Kind::Corrupt, "audio.cut", "").because(why)),
        }
    });
    (cuts, cutter)
}

/// Returns when the segment was taken, so that the next one may be cut. Stops the cutting if the receiver is gone.
fn pass_on(
    send: &mpsc::Sender<Cut>,
    cut: Cut,
    is_last: bool,
    runtime: &Handle,
    permit: &mut DecodePermit,
) -> ControlFlow<()> {
    // The channel has room, because the segment before was taken.
    if send.try_send(cut).is_err() {
        return ControlFlow::Break(());
    }
    if !is_last && send.capacity() == 0 {
        permit.release_while(runtime, send.reserve(), send.closed());
    }
    if send.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::blob_reader::BlobReader;
    use crate::process::decode_permits::DecodePermits;

    /// A cutter for five seconds of audio, in segments of 500 ms.
    fn cutter() -> Cutter {
        let name = domain::name::parse("audio_x_pcm16_16000_1_fs160_1748300000.bin").unwrap();
        let frame = [&320_u32.to_le_bytes()[..], &[1; 320]].concat();
        let (bytes, _) = BlobReader::memory(Bytes::from(frame.repeat(500)));
        let wanted = (0..10).map(|n| Segment::open(n * 500, n * 500 + 500, 500)).collect();
        let (points, latest, levels) = (RestartPoints::default(), LatestProgress::default(), Levels::default());
        let source = Source::Bytes(bytes);
        Cutter { format: name.format, source, levels, packets: false, wanted, points, latest }
    }

    async fn soon<T>(what: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), what).await.expect("it hangs")
    }

    #[tokio::test]
    async fn one_segment_waits_and_the_permit_is_free_meanwhile() {
        let decode_permits = DecodePermits::with_permits(1);
        let cutter = cutter();
        let wanted = cutter.wanted.clone();
        let (mut cuts, cutter) = cut_in_background(cutter, decode_permits.acquire(&"ann".into()).await);
        for segment in &wanted[..9] {
            soon(async {
                while cuts.is_empty() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            // While nobody takes the segment, another thread gets the only permit.
            drop(soon(decode_permits.acquire(&"ann".into())).await);
            assert_eq!(cuts.len(), 1, "one is there, no more");
            let (cut, audio) = cuts.recv().await.unwrap();
            assert_eq!(cut, *segment);
            assert!(matches!(audio, audio::Cut::Samples(samples) if samples.len() == 8_000));
        }
        assert_eq!(soon(cuts.recv()).await.unwrap().0, wanted[9]);
        assert!(soon(cutter).await.unwrap().is_ok() && soon(cuts.recv()).await.is_none());
        drop(soon(decode_permits.acquire(&"ann".into())).await);
    }

    #[tokio::test]
    async fn cutting_ends_without_a_permit_when_the_receiver_is_dropped() {
        let decode_permits = DecodePermits::with_permits(1);
        let (mut cuts, cutter) = cut_in_background(cutter(), decode_permits.acquire(&"ann".into()).await);
        let _taken = soon(decode_permits.acquire(&"ann".into())).await;
        soon(cuts.recv()).await.unwrap();
        drop(cuts);
        assert!(soon(cutter).await.unwrap().is_ok());
    }
}
