//! The first pass over a staged file: is it whole, what is in it, where is speech. Its plan is written from this.

use audio::{Analysis, SegmentRules, Verdict};
use bytes::Bytes;
use domain::planning::{FilePlan, Heard};
use domain::{Code, Failure, Format, JobFile, Recording, Segment};

use super::delivery::Delivery;
use super::stop::Stop;
use crate::bytes_in::Ranges;
use crate::error::{Error, Kind};
use crate::first_pass::{self, Listened, Pass};
use crate::persist::persist;
use crate::ports::BlobName;

impl Delivery<'_> {
    /// One file, from its bytes to a settled state.
    pub async fn file(&self, index: usize) -> Result<(), Stop> {
        let world = self.world;
        let file = &self.job.files[index];
        let wanted = [file.recording];
        let recording = persist(&*world.clock, || world.store.recordings(&self.job.uid, &wanted)).await?;
        let Some(Some(recording)) = recording.into_iter().next() else {
            return Err(Stop::Fault(Error::new(Kind::Corrupt, "process.file", file.recording)));
        };
        let format = match domain::name::parse(&file.name) {
            Ok(name) => name.format,
            // It was accepted by its name: only a version that understood more can have done so.
            Err(why) => return self.invalid(index, Failure::because(Code::InvalidAudio, why.to_string())).await,
        };
        let (plan, kept) = if recording.needs_listening() {
            match self.listen(index, &format).await? {
                Ok(heard) => heard,
                Err(failure) => return self.invalid(index, failure).await,
            }
        } else {
            // Planned by an earlier job: this one goes on with it.
            (FilePlan { fence: self.fence, index, facts: recording.facts, heard: Heard::Silence }, None)
        };
        let (file, recording) = self.write_plan(&plan).await?;
        if file.status.is_settled() {
            return Ok(());
        }
        self.speech(file, recording, index, &format, kept).await
    }

    async fn invalid(&self, index: usize, failure: Failure) -> Result<(), Stop> {
        self.fail_file(index, failure).await.map(drop)
    }

    async fn write_plan(&self, plan: &FilePlan) -> Result<(JobFile, Recording), Stop> {
        let world = self.world;
        let (mut job, recording) = self.write(|| world.store.plan_file(self.job.id, plan, world.at())).await?;
        let file = job.files.swap_remove(plan.index);
        tracing::debug!(step = "plan", job_id = %job.id, file = plan.index, status = ?file.status, segments = file.counts.segments);
        Ok((file, recording))
    }

    /// The plan, and the bytes when they are few. `Ok(Err(_))`: the file cannot be worked on at all.
    async fn listen(&self, index: usize, format: &Format) -> Result<Result<(FilePlan, Option<Bytes>), Failure>, Stop> {
        let file = &self.job.files[index];
        let missing = || Failure::because(Code::StagedAudioMissing, "the staged audio of the file is gone");
        let blob = BlobName::listed(file.blob.clone());
        // First a place, then the bytes: a stream is not left open while nobody reads it.
        let place = self.worker.decoding.place().await;
        let stream = match persist(&*self.world.clock, || self.world.blobs.read(&blob, 0)).await {
            Ok(stream) => stream,
            Err(error) if error.kind == Kind::NotFound => return Ok(Err(missing())),
            Err(error) => return Err(Stop::File(error)),
        };
        let ranges = Ranges::wanted(format, &self.world.blobs, &blob, file.size);
        let pass = Pass { format: *format, rules: self.segment_rules(), keep: Some(file.size), within: None };
        let listened = first_pass::listen(stream, ranges, pass, place).await;
        Ok(match listened {
            Err(error) if error.kind == Kind::NotFound => Err(missing()),
            Err(error) => return Err(Stop::File(error)),
            Ok(Listened::Unreadable(why)) => Err(Failure::because(Code::InvalidAudio, why.to_string())),
            Ok(Listened::Heard(heard)) if heard.sha256 != file.sha256 => {
                Err(Failure::because(Code::DigestMismatch, "the staged bytes differ from those that were announced"))
            }
            Ok(Listened::Heard(heard)) => Ok((plan(self.fence, index, &heard), heard.kept)),
        })
    }

    fn segment_rules(&self) -> SegmentRules {
        let preferred = self.engine.capabilities().preferred_span;
        SegmentRules::new(self.world.settings.max_span.map_or(preferred, |max| max.min(preferred)))
    }
}

fn plan(fence: u64, index: usize, heard: &first_pass::Heard) -> FilePlan {
    let (facts, analysis) = (heard.facts(), &heard.analysis);
    let segment = |span: &audio::Span| Segment::open(span.start_ms, span.end_ms, analysis.speech_ms_in(*span));
    let heard = match analysis.verdict() {
        Verdict::Speech => Heard::Speech(analysis.segments.iter().map(segment).collect()),
        Verdict::Silent => Heard::Silence,
        Verdict::Invalid => Heard::Nothing(why_invalid(analysis)),
    };
    FilePlan { fence, index, facts, heard }
}

fn why_invalid(analysis: &Analysis) -> String {
    if analysis.frames == 0 {
        "nothing in the file can be decoded; does its name tell the right codec?".to_owned()
    } else if analysis.roar {
        "the file is loud noise without speech; does its name tell the right codec?".to_owned()
    } else {
        format!(
            "no speech was found, and too much of the file is damaged to call it silent ({} bytes dropped, {} ms concealed)",
            analysis.dropped_bytes, analysis.concealed_ms
        )
    }
}
