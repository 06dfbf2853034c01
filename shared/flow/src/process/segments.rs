//! The second pass: the open segments of a planned file are transcribed, stored, and placed in groups.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use audio::{AudioError, Cut, Span};
use domain::placement::{Answer, Group, MAX_GROUP};
use domain::{Format, Gain, Job, Line, Plan, PutBack, Recording, Segment, Timestamp};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use super::delivery::Delivery;
use super::stop::{Stop, unfenced};
use super::transcribe::{Call, Said};
use crate::bytes_in::Staged;
use crate::error::{Error, Kind};
use crate::first_pass::{Again, Source, read_error};
use crate::persist::persist;

/// A segment's audio on its way to the engine.
type Heard = (Segment, Cut);

/// What a delivery collects for one file.
struct File<'a> {
    job: Job,
    recording: Recording,
    index: usize,
    /// Finished and not yet placed.
    ready: Vec<(u32, Answer)>,
    /// Answered twice with nothing: silence, if the engine is proven to hear.
    empty: Vec<u32>,
    placed_at: Option<Timestamp>,
    trouble: Option<Call>,
    delivery: &'a Delivery<'a>,
}

impl Delivery<'_> {
    /// Brings every open segment of a planned file to its end, as far as the engine goes along.
    pub async fn speech(
        &self,
        job: Job,
        recording: Recording,
        index: usize,
        staged: &Staged<'_>,
        again: &Again,
    ) -> Result<Job, Stop> {
        let mut file = File {
            job,
            recording,
            index,
            ready: Vec::new(),
            empty: Vec::new(),
            placed_at: None,
            trouble: None,
            delivery: self,
        };
        let open = file.open_segments();
        let stored = file.stored(&open).await?;
        file.ready.extend(open.iter().filter(|s| stored.contains(&s.start_ms)).map(|s| (s.start_ms, Answer::Text)));
        let wanted: Vec<Segment> = open.into_iter().filter(|s| !stored.contains(&s.start_ms)).collect();
        if !wanted.is_empty() {
            // What was kept are samples.
            let packets = self.engine.capabilities().opus && audio::has_packets(&staged.format);
            let again = if packets && matches!(again, Again::Samples(_)) { &Again::Staged } else { again };
            match again.open(staged).await {
                // `_feeding` ends the reading on the other thread when this delivery is dropped.
                Ok((source, _feeding)) => file.transcribe(source, wanted, &staged.format).await?,
                Err(error) if error.kind == Kind::NotFound => file.missing().await?,
                Err(error) => return Err(Stop::File(error)),
            }
        }
        file.close().await
    }
}

impl File<'_> {
    fn open_segments(&self) -> Vec<Segment> {
        let failed: HashSet<u32> = self.job.files[self.index].failed.iter().map(|f| f.start_ms).collect();
        let segments = self.recording.plan.as_ref().map(Plan::segments).unwrap_or_default();
        segments.iter().filter(|s| !s.is_closed() && !failed.contains(&s.start_ms)).copied().collect()
    }

    /// Texts that an earlier delivery, or another job, has stored already: the engine is not asked again.
    async fn stored(&self, open: &[Segment]) -> Result<HashSet<u32>, Stop> {
        let world = self.delivery.world;
        let starts: Vec<u32> = open.iter().map(|s| s.start_ms).collect();
        let lines = persist(&*world.clock, || world.store.lines(&self.job.uid, self.recording.id, &starts)).await?;
        Ok(lines.into_iter().map(|line| line.start_ms).collect())
    }

    async fn missing(&mut self) -> Result<(), Stop> {
        // Texts that are stored find their place even so.
        self.place().await?;
        let failure = domain::Failure::of(domain::Code::StagedAudioMissing);
        self.job = self.delivery.fail_file(self.index, failure).await?;
        Ok(())
    }

    async fn transcribe(&mut self, source: Source, wanted: Vec<Segment>, format: &Format) -> Result<(), Stop> {
        let delivery = self.delivery;
        let language = self.recording.language.clone();
        let capabilities = delivery.engine.capabilities();
        let gain = self.recording.facts.gain;
        let (mut cuts, cutter) = cut_in_background(*format, source, gain, wanted, capabilities.opus);
        let room = capabilities.concurrency.max(1);
        let (mut asked, mut more) = (FuturesUnordered::new(), true);
        while more || !asked.is_empty() {
            let mut answered = Vec::new();
            tokio::select! {
                cut = cuts.recv(), if more && asked.len() < room => match cut {
                    Some((segment, cut)) => asked.push(delivery.ask(segment, cut, language.as_deref())),
                    None => more = false,
                },
                Some(answer) = asked.next(), if !asked.is_empty() => answered.push(answer),
            }
            // Whatever else is there already goes into the same write.
            while answered.len() < MAX_GROUP {
                match asked.next().now_or_never() {
                    Some(Some(next)) => answered.push(next),
                    Some(None) | None => break,
                }
            }
            if !answered.is_empty() {
                self.take(answered).await?;
            }
            if self.trouble.as_ref().is_some_and(Call::engine_is_down) {
                // Nothing more is asked of an engine that does not answer; what was answered stays.
                return Ok(());
            }
        }
        match cutter.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Stop::File(error)),
            Err(panic) => Err(Stop::File(Error::new(Kind::Unavailable, "audio.cut", self.job.id).because(panic))),
        }
    }

    /// Sorts what the engine said, stores the texts, and places a group when it is time.
    async fn take(&mut self, answered: Vec<(Segment, Call)>) -> Result<(), Stop> {
        let mut texts = Vec::new();
        for (segment, call) in answered {
            match call {
                Call::Said(said) => texts.push(self.line(&segment, said)),
                Call::Nothing => self.empty.push(segment.start_ms),
                Call::Refused => self.ready.push((segment.start_ms, Answer::Failed { refused: true })),
                trouble => self.trouble = Some(trouble.worse(self.trouble.take())),
            }
        }
        if !texts.is_empty() {
            self.store(texts).await?;
        }
        let world = self.delivery.world;
        let pace_over = self.placed_at.is_none_or(|at| world.now().has_reached(at + world.settings.worker.place_pace));
        if self.ready.len() >= MAX_GROUP || (pace_over && !self.ready.is_empty()) {
            self.place().await?;
        }
        Ok(())
    }

    async fn store(&mut self, lines: Vec<Line>) -> Result<(), Stop> {
        let delivery = self.delivery;
        let world = delivery.world;
        let written = persist(&*world.clock, || {
            world.store.store_texts(delivery.job_id, delivery.fence, lines.clone(), world.at())
        })
        .await?;
        let stored = unfenced(written)?;
        delivery.wrote();
        tracing::debug!(step = "transcribe", job_id = %delivery.job_id, file = self.index, segments = stored.len());
        self.ready.extend(stored.iter().map(|line| (line.start_ms, Answer::Text)));
        Ok(())
    }

    async fn place(&mut self) -> Result<(), Stop> {
        while !self.ready.is_empty() {
            let rest = self.ready.split_off(self.ready.len().min(MAX_GROUP));
            let answers = std::mem::replace(&mut self.ready, rest);
            let delivery = self.delivery;
            let world = delivery.world;
            let group = Group { fence: delivery.fence, index: self.index, answers };
            let written = persist(&*world.clock, || world.store.place(delivery.job_id, &group, world.at())).await?;
            (self.job, self.recording) = unfenced(written)?;
            delivery.wrote();
            self.placed_at = Some(world.now());
            tracing::debug!(step = "place", job_id = %delivery.job_id, file = self.index, segments = group.answers.len());
        }
        Ok(())
    }

    /// The end of the file in this delivery: silence is accepted or doubted, and what is left open puts the job back.
    async fn close(mut self) -> Result<Job, Stop> {
        let heard = self.trouble.is_none() && self.hears().await?;
        let answer = if heard { Answer::Empty } else { Answer::EmptyOnce };
        let doubted = !heard && !self.empty.is_empty();
        self.ready.extend(self.empty.drain(..).map(|start| (start, answer)));
        self.place().await?;
        if self.job.files[self.index].status.is_settled() {
            return Ok(self.job);
        }
        let retry_after = self.trouble.as_ref().and_then(Call::retry_after);
        Err(Stop::PutBack(if self.engine_is_at_fault(doubted).await {
            PutBack::Engine { retry_after }
        } else {
            PutBack::Fault { code: domain::Code::TranscriptionFailed, retry_after }
        }))
    }

    /// Whether the job waits for the engine, or this audio is what fails. An engine that answered nothing in this delivery
    /// may have been asked for nothing but one segment that it always fails on: then the built-in sample tells.
    async fn engine_is_at_fault(&self, doubted: bool) -> bool {
        match &self.trouble {
            None => doubted,
            Some(_) if self.delivery.any_answered() => false,
            Some(call) if call.engine_is_down() => true,
            Some(_) => !self.delivery.proven_to_hear().await,
        }
    }

    /// Whether answers without a word may be believed: another segment of the file had text, or the built-in sample is
    /// heard. A broken provider must not look like silence.
    async fn hears(&self) -> Result<bool, Stop> {
        let some_text = self.ready.iter().any(|(_, answer)| *answer == Answer::Text)
            || self.job.files[self.index].counts.placed > 0;
        Ok(self.empty.is_empty() || some_text || self.delivery.proven_to_hear().await)
    }

    fn line(&self, segment: &Segment, said: Said) -> Line {
        let captured_at = self.recording.captured_at.unwrap_or(self.job.created_at);
        let at = domain::placement::interval(captured_at, segment);
        Line {
            recording: self.recording.id,
            start_ms: segment.start_ms,
            uid: self.job.uid.clone(),
            stream: self.recording.stream.clone(),
            starts_at: at.start,
            ends_at: at.end,
            language: said.language.or_else(|| self.recording.language.clone()),
            words: domain::line::count_words(&said.utterances),
            utterances: said.utterances,
            conversation_id: None,
            attached: false,
            stub: false,
        }
    }
}

/// Cuts the wanted segments out of the file on a thread of its own; at most one waits beside those that are asked. With
/// `opus`, packets stay as they were recorded.
fn cut_in_background(
    format: Format,
    mut source: Source,
    gain: Gain,
    wanted: Vec<Segment>,
    opus: bool,
) -> (mpsc::Receiver<Heard>, tokio::task::JoinHandle<Result<(), Error>>) {
    let (send, cuts) = mpsc::channel(1);
    let cutter = tokio::task::spawn_blocking(move || {
        let spans: Vec<Span> = wanted.iter().map(|s| Span { start_ms: s.start_ms, end_ms: s.end_ms }).collect();
        let by_start: HashMap<u32, Segment> = wanted.into_iter().map(|s| (s.start_ms, s)).collect();
        let mut sink = |span: Span, cut: Cut| match by_start.get(&span.start_ms) {
            Some(segment) if send.blocking_send((*segment, cut)).is_err() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let input = source.input(&format);
        let done = match opus {
            true => audio::cut_packets(&format, input, gain, &spans, &mut sink),
            false => audio::cut(&format, input, gain, &spans, &mut |span, samples| sink(span, Cut::Samples(samples))),
        };
        match done {
            Ok(()) => Ok(()),
            Err(AudioError::Read(error)) => Err(read_error(error)),
            // The plan was made from these bytes: they were readable.
            Err(why) => Err(Error::new(Kind::Corrupt, "audio.cut", "").because(why)),
        }
    });
    (cuts, cutter)
}
