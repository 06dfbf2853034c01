//! The second pass: the open segments of a planned file are transcribed, stored, and placed in groups.

use std::collections::HashSet;

use audio::RestartPoints;
use domain::placement::{Answer, Group, MAX_GROUP};
use domain::{Code, Failure, JobFile, Levels, Line, Plan, Recording, Segment};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};

use super::cutter::{Cutter, cut_in_background};
use super::delivery::Delivery;
use super::engine_calls::{CallResult, Transcribed};
use super::outcome::FileError;
use super::verify::{Mark, verified};
use crate::blob_reader::StagedBlob;
use crate::error::{Error, Kind};
use crate::first_pass::Retained;
use crate::retry::with_retries;

/// The most audio of one file that is sent to the engine at a time, unless a single segment is longer: 38 MB of
/// samples, so that a file takes less than 64 MiB together with the segment that is being cut.
const MAX_IN_FLIGHT_MS: u32 = 600_000;

/// The state of one file during the second pass.
struct File<'a> {
    /// The file as the last write returned it.
    file: JobFile,
    recording: Recording,
    index: usize,
    /// Answers that are not placed yet.
    ready: Vec<(u32, Answer)>,
    /// Segments for which the engine twice returned no text. They are silent if the engine is proven to work.
    empty: Vec<u32>,
    engine_failure: Option<CallResult>,
    delivery: &'a Delivery<'a>,
}

/// The audio of a planned file.
pub struct AudioToCut<'a> {
    pub staged: &'a StagedBlob<'a>,
    /// What was kept of the file, and its levels, if this delivery made the plan itself.
    pub kept: Option<(Retained, Levels)>,
    /// The known positions at which decoding can begin.
    pub points: RestartPoints,
}

/// Transcribes and places every open segment of a planned file, as far as the engine answers. A recording that this
/// delivery planned itself has no texts yet; if another job was faster after all, its plan and its texts are kept.
pub async fn transcribe_file(
    delivery: &Delivery<'_>,
    file: JobFile,
    recording: Recording,
    index: usize,
    AudioToCut { staged, kept, points }: AudioToCut<'_>,
) -> Result<(), FileError> {
    let (ready, empty) = (Vec::new(), Vec::new());
    let mut file = File { file, recording, index, ready, empty, engine_failure: None, delivery };
    let open = file.open_segments();
    let stored = if kept.is_some() { HashSet::new() } else { file.stored(&open).await? };
    file.ready.extend(open.iter().filter(|s| stored.contains(&s.start_ms)).map(|s| (s.start_ms, Answer::Text)));
    let wanted: Vec<Segment> = open.into_iter().filter(|s| !stored.contains(&s.start_ms)).collect();
    if !wanted.is_empty() && !delivery.calls.is_down.is_cancelled() && !delivery.must_yield() {
        if let Some(wanted) = file.unsupported_language() {
            // Stored texts are placed even so.
            file.place().await?;
            return Err(FileError::Language { wanted });
        }
        let (from, levels) = match kept {
            Some(kept) => kept,
            None => match verified(delivery, index, &file.file, staged, Mark::Now).await? {
                Ok(from) => (from, file.levels().await?),
                Err(failure) => {
                    file.fail(failure).await?;
                    return file.close().await;
                }
            },
        };
        // An engine that gets packets gets them as they were recorded, so that the levels have to be close to the
        // recording.
        let packets = delivery.calls.capabilities().opus && audio::has_packets(&staged.format) && levels.is_near_one();
        // Kept samples are of no use if packets are cut.
        let from = if packets && matches!(from, Retained::Samples(_)) { Retained::Nothing } else { from };
        // Packets are read from the start, because reading them decodes nothing.
        let byte = if packets { 0 } else { wanted.first().map_or(0, |first| points.byte_for(first.start_ms)) };
        match from.open_at(staged, byte).await {
            // `_feeding` ends the reading on the other thread when this delivery is dropped.
            Ok((source, _feeding)) => {
                let (format, latest) = (staged.format, delivery.latest(index));
                file.transcribe(Cutter { format, source, levels, packets, wanted, points, latest }).await?;
            }
            Err(error) if error.kind == Kind::NotFound => {
                file.fail(Failure::of(Code::StagedAudioMissing)).await?;
            }
            Err(error) => return Err(FileError::File(error)),
        }
    }
    file.close().await
}

impl File<'_> {
    fn open_segments(&self) -> Vec<Segment> {
        let failed: HashSet<u32> = self.file.failed.iter().map(|f| f.start_ms).collect();
        let segments = self.recording.plan.as_ref().map(Plan::segments).unwrap_or_default();
        segments.iter().filter(|s| !s.is_closed() && !failed.contains(&s.start_ms)).copied().collect()
    }

    /// The recording's language, if the engine does not support it.
    fn unsupported_language(&self) -> Option<String> {
        let spoken = self.delivery.calls.capabilities().languages;
        self.recording.language.clone().filter(|language| !spoken.include(language))
    }

    /// The segments whose texts an earlier delivery or another job has stored. The engine is not called for them again.
    async fn stored(&self, open: &[Segment]) -> Result<HashSet<u32>, FileError> {
        let services = self.delivery.services;
        let starts: Vec<u32> = open.iter().map(|s| s.start_ms).collect();
        let lines =
            with_retries(&*services.clock, || services.store.lines(&self.recording.uid, self.recording.id, &starts))
                .await?;
        Ok(lines.into_iter().map(|line| line.start_ms).collect())
    }

    /// Fails the file, because its bytes are gone or differ from the announced ones.
    async fn fail(&mut self, failure: Failure) -> Result<(), FileError> {
        // Stored texts are placed even so.
        self.place().await?;
        let mut job = self.delivery.writer.fail_file(self.index, failure).await?;
        self.file = job.files.swap_remove(self.index);
        Ok(())
    }

    /// The levels at which the stored plan is cut. Another job may have made it.
    async fn levels(&self) -> Result<Levels, FileError> {
        let (services, of) = (self.delivery.services, &self.recording);
        let kept = with_retries(&*services.clock, || services.store.levels(&of.uid, of.id)).await?;
        Ok(kept.unwrap_or_else(|| Levels::one(of.facts.gain)))
    }

    async fn transcribe(&mut self, cutter: Cutter) -> Result<(), FileError> {
        let delivery = self.delivery;
        let language = self.recording.language.clone();
        let mut next: Vec<u32> = cutter.wanted.iter().rev().map(|segment| segment.end_ms - segment.start_ms).collect();
        let permit = delivery.instance.decode_permits.acquire(delivery.user()).await;
        let room = delivery.calls.capabilities().concurrency.max(1);
        let (mut cuts, cutter) = cut_in_background(cutter, permit);
        let (mut in_flight, mut in_flight_ms) = (FuturesUnordered::new(), 0_u32);
        while !next.is_empty() || !in_flight.is_empty() {
            // Pending answers are awaited and stored before the permit is released to others.
            if delivery.must_yield() {
                next.clear();
                if in_flight.is_empty() {
                    break;
                }
            }
            let fits = |length: &u32| in_flight_ms.saturating_add(*length) <= MAX_IN_FLIGHT_MS;
            let takes = in_flight.is_empty() || in_flight.len() < room && next.last().is_some_and(fits);
            let mut answered = Vec::new();
            tokio::select! {
                // The engine is not called again if it does not answer another file; answers that have arrived are
                // kept.
                () = delivery.calls.is_down.cancelled() => {
                    return self.handle(arrived_answers(&mut in_flight, MAX_GROUP)).await;
                }
                cut = cuts.recv(), if takes && !next.is_empty() => match cut {
                    Some((segment, cut)) => {
                        in_flight_ms += next.pop().unwrap_or_default();
                        in_flight.push(delivery.calls.ask(segment, cut, language.as_deref()));
                    }
                    None => next.clear(),
                },
                Some(answer) = in_flight.next(), if !in_flight.is_empty() => answered.push(answer),
            }
            // Other answers that have arrived are stored in the same write.
            let room_left = MAX_GROUP - answered.len();
            answered.extend(arrived_answers(&mut in_flight, room_left));
            if !answered.is_empty() {
                in_flight_ms -= answered.iter().map(|(segment, _)| segment.end_ms - segment.start_ms).sum::<u32>();
                self.handle(answered).await?;
            }
            if self.engine_failure.as_ref().is_some_and(CallResult::engine_is_down) {
                return Ok(());
            }
        }
        if delivery.is_yielding() {
            return Ok(());
        }
        match cutter.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(FileError::File(error)),
            Err(panic) => {
                Err(FileError::File(Error::new(Kind::Invalid, "audio.cut", self.file.name.as_str()).because(panic)))
            }
        }
    }

    /// Handles answers of the engine: stores the texts, and places a group when it is time.
    async fn handle(&mut self, answered: Vec<(Segment, CallResult)>) -> Result<(), FileError> {
        let mut texts = Vec::new();
        for (segment, call) in answered {
            match call {
                CallResult::Transcribed(transcribed) => texts.push(self.line(&segment, transcribed)),
                CallResult::Empty => self.empty.push(segment.start_ms),
                CallResult::Refused => self.ready.push((segment.start_ms, Answer::Failed { refused: true })),
                engine_failure => self.engine_failure = Some(engine_failure.worse(self.engine_failure.take())),
            }
        }
        if !texts.is_empty() {
            self.store(texts).await?;
        }
        let pace_over = self.delivery.is_time_to_place();
        if self.ready.len() >= MAX_GROUP || (pace_over && !self.ready.is_empty()) {
            self.place().await?;
        }
        Ok(())
    }

    async fn store(&mut self, lines: Vec<Line>) -> Result<(), FileError> {
        let delivery = self.delivery;
        let (services, job, fence) = (delivery.services, delivery.job.id, delivery.fence);
        let stored =
            delivery.writer.write(|| services.store.store_texts(job, fence, lines.clone(), services.at())).await?;
        tracing::debug!(step = "transcribe", job_id = %job, file = self.index, segments = stored.len());
        self.ready.extend(stored.iter().map(|line| (line.start_ms, Answer::Text)));
        Ok(())
    }

    async fn place(&mut self) -> Result<(), FileError> {
        let delivery = self.delivery;
        let (services, id) = (delivery.services, delivery.job.id);
        while !self.ready.is_empty() {
            let rest = self.ready.split_off(self.ready.len().min(MAX_GROUP));
            let answers = std::mem::replace(&mut self.ready, rest);
            let group = Group { fence: delivery.fence, index: self.index, answers };
            let (mut job, recording) =
                delivery.writer.write(|| services.store.place(id, &group, services.at())).await?;
            (self.file, self.recording) = (job.files.swap_remove(self.index), recording);
            delivery.note_placed();
            tracing::debug!(step = "place", job_id = %id, file = self.index, segments = group.answers.len());
        }
        Ok(())
    }

    /// Ends the file in this delivery: decides whether empty answers count as silence, places the rest, and returns why
    /// the file is still open, if it is.
    async fn close(mut self) -> Result<(), FileError> {
        let delivery = self.delivery;
        let stops = delivery.calls.is_down.is_cancelled() || delivery.is_yielding();
        let asks = self.engine_failure.is_none() && !stops;
        let engine_works = if asks { Some(self.empty_answers_are_credible().await) } else { None };
        let answer = if engine_works == Some(true) { Answer::Empty } else { Answer::EmptyOnce };
        let doubted = engine_works == Some(false);
        self.ready.extend(self.empty.drain(..).map(|start| (start, answer)));
        self.place().await?;
        if self.file.status.is_settled() { Ok(()) } else { Err(self.why_open(doubted).await) }
    }

    /// Why the file is still open: the engine is down, or this audio fails. If the engine answered nothing in this
    /// delivery, it may have got only one segment on which it always fails; then the built-in sample decides.
    async fn why_open(&self, doubted: bool) -> FileError {
        let retry_after = self.engine_failure.as_ref().and_then(CallResult::retry_after);
        let down = |proven| FileError::Engine { retry_after, proven };
        match &self.engine_failure {
            // Another file has found that the engine is down.
            _ if self.delivery.calls.is_down.is_cancelled() => down(false),
            None if doubted => down(true),
            None if self.delivery.is_yielding() => FileError::YieldToOthers,
            Some(_) if self.delivery.calls.any_answered() => FileError::Segments { retry_after },
            Some(call) if call.engine_is_down() => down(false),
            Some(_) if !self.delivery.calls.proven_to_answer().await => down(true),
            _ => FileError::Segments { retry_after },
        }
    }

    /// Whether empty answers may count as silence: another segment of the file had text, or the engine transcribes the
    /// built-in sample. A broken provider must not look like silence.
    async fn empty_answers_are_credible(&self) -> bool {
        let some_text = self.ready.iter().any(|(_, answer)| *answer == Answer::Text) || self.file.counts.placed > 0;
        self.empty.is_empty() || some_text || self.delivery.calls.proven_to_answer().await
    }

    fn line(&self, segment: &Segment, transcribed: Transcribed) -> Line {
        let captured_at = self.recording.captured_at.unwrap_or(self.delivery.job.created_at);
        let at = domain::placement::interval(captured_at, segment);
        Line {
            recording: self.recording.id,
            start_ms: segment.start_ms,
            uid: self.recording.uid.clone(),
            stream: self.recording.stream.clone(),
            starts_at: at.start,
            ends_at: at.end,
            language: transcribed.language.or_else(|| self.recording.language.clone()),
            words: domain::line::count_words(&transcribed.utterances),
            utterances: transcribed.utterances,
            conversation_id: None,
            attached: false,
            stub: false,
        }
    }
}

/// At most `most` answers that have arrived already.
fn arrived_answers(
    in_flight: &mut (impl Stream<Item = (Segment, CallResult)> + Unpin),
    most: usize,
) -> Vec<(Segment, CallResult)> {
    let mut arrived = Vec::new();
    while arrived.len() < most
        && let Some(Some(answer)) = in_flight.next().now_or_never()
    {
        arrived.push(answer);
    }
    arrived
}
