//! The first pass over a staged file of a job: is it complete, what is in it, where is speech. The plan is made from
//! it.

use audio::{RestartPoints, Survey, Verdict};
use domain::planning::{FilePlan, Heard};
use domain::{Code, Failure, JobFile, Levels, Peaks, Recording, Segment};

use super::checkpoints::checkpoint_of;
use super::delivery::Delivery;
use super::outcome::FileError;
use super::second_pass::{AudioToCut, transcribe_file};
use super::segment_rules::segment_rules;
use super::sharing::Sharing;
use super::verify::{Mark, verified};
use crate::blob_reader::StagedBlob;
use crate::error::Kind;
use crate::first_pass::{self, Listened, Pass, Retained};
use crate::ports::BlobName;
use crate::retry::with_retries;

/// Processes one file, from its bytes to a settled state.
pub async fn process_file(delivery: &Delivery<'_>, index: usize) -> Result<(), FileError> {
    let services = delivery.services;
    let file = &delivery.job.files[index];
    let wanted = [file.recording];
    let recording = with_retries(&*services.clock, || services.store.recordings(&delivery.job.uid, &wanted)).await?;
    // A recording whose document cannot be read is listened to and planned again.
    let recording = recording.into_iter().next().flatten().filter(|recording| !recording.needs_listening());
    let format = match domain::name::parse(&file.name) {
        Ok(name) => name.format,
        // The name was valid when the file was accepted: a version that knows more names must have accepted it.
        Err(why) => return invalid(delivery, index, Failure::because(Code::InvalidAudio, why.to_string())).await,
    };
    let (blob, clock) = (BlobName::listed(file.blob.clone()), Some(&*services.clock));
    let staged = StagedBlob { blobs: &services.blobs, blob, size: file.size, format, clock };
    let reached = checkpoint_of(delivery, index).await?;
    let mut points = reached.as_ref().map(audio::Progress::restart_points).cloned().unwrap_or_default();
    let (plan, kept) = match recording {
        None => match listen(delivery, index, &staged, reached).await? {
            Ok((plan, retained, known)) => {
                points = known;
                let levels = plan.levels.clone();
                (plan, Some((retained, levels)))
            }
            Err(failure) => return invalid(delivery, index, failure).await,
        },
        // An earlier job has planned the recording, and this one continues with that plan.
        Some(Recording { facts, .. }) => {
            let (heard, peaks, levels) = (Heard::Silence, Peaks::default(), Levels::default());
            (FilePlan { fence: delivery.fence, index, verified: false, facts, heard, peaks, levels }, None)
        }
    };
    let (file, recording) = write_plan(delivery, &plan).await?;
    if file.status.is_settled() {
        delivery.latest(index).take();
        return Ok(());
    }
    if kept.is_some() {
        delivery.latest(index).listened(&points);
    }
    // If another job planned the recording first and found other facts, its plan cannot be cut at the levels of this
    // one.
    let kept = kept.filter(|_| recording.facts == plan.facts);
    transcribe_file(delivery, file, recording, index, AudioToCut { staged: &staged, kept, points }).await
}

async fn invalid(delivery: &Delivery<'_>, index: usize, failure: Failure) -> Result<(), FileError> {
    delivery.writer.fail_file(index, failure).await.map(drop)
}

async fn write_plan(delivery: &Delivery<'_>, plan: &FilePlan) -> Result<(JobFile, Recording), FileError> {
    let services = delivery.services;
    let (mut job, recording) =
        delivery.writer.write(|| services.store.plan_file(delivery.job.id, plan, services.at())).await?;
    let file = job.files.swap_remove(plan.index);
    tracing::debug!(step = "plan", job_id = %job.id, file = plan.index, status = ?file.status, segments = file.counts.segments);
    Ok((file, recording))
}

/// Returns the plan, what was kept of the file, and the positions at which decoding can begin. `Ok(Err(_))` means that
/// the file cannot be processed at all.
async fn listen(
    delivery: &Delivery<'_>,
    index: usize,
    staged: &StagedBlob<'_>,
    reached: Option<audio::Progress>,
) -> Result<Result<(FilePlan, Retained, RestartPoints), Failure>, FileError> {
    let from = match verified(delivery, index, &delivery.job.files[index], staged, Mark::WithPlan).await? {
        Ok(from) => from,
        Err(failure) => return Ok(Err(failure)),
    };
    // The permit is acquired before the stream is opened, so that no stream is left open while nobody reads it.
    let (permit, _listening) = Sharing::of(delivery.instance.decode_permits.acquire(delivery.user()).await);
    let detection = permit.detection(delivery.services.detection.clone());
    let (rules, latest) = (segment_rules(delivery), delivery.latest(index));
    let pass = Pass { rules, detection, within: None, from: reached, latest };
    Ok(match first_pass::listen(staged, from, pass, permit).await {
        Err(error) if error.kind == Kind::NotFound => {
            Err(Failure::because(Code::StagedAudioMissing, "the staged audio of the file is gone"))
        }
        Err(error) => return Err(FileError::File(error)),
        Ok(Listened::Unreadable(why)) => Err(Failure::because(Code::InvalidAudio, why.to_string())),
        Ok(Listened::Readable(file)) => Ok((plan(delivery.fence, index, &file), file.retained, file.points)),
    })
}

fn plan(fence: u64, index: usize, listened: &first_pass::ListenedFile) -> FilePlan {
    let (facts, analysis) = (listened.facts(), &listened.analysis);
    let segment = |span: &audio::Span| Segment::open(span.start_ms, span.end_ms, analysis.speech_ms_in(*span));
    let heard = match analysis.verdict() {
        Verdict::Speech => Heard::Speech(analysis.segments.iter().map(segment).collect()),
        Verdict::Silent => Heard::Silence,
        Verdict::Invalid => Heard::Nothing(why_invalid(&analysis.survey)),
    };
    let (peaks, levels) = (analysis.peaks.clone(), listened.levels());
    FilePlan { fence, index, verified: true, facts, heard, peaks, levels }
}

fn why_invalid(survey: &Survey) -> String {
    if survey.frames == 0 {
        "nothing in the file can be decoded; does its name tell the right codec?".to_owned()
    } else if survey.roar {
        "the file is loud noise without speech; does its name tell the right codec?".to_owned()
    } else if survey.dropped_bytes == 0 && survey.concealed_ms == 0 {
        "no speech was found, and some of the file could not be heard: samples are no numbers or far beyond full scale, \
         or a channel of more than two is covered by the others"
            .to_owned()
    } else {
        format!(
            "no speech was found, and too much of the file is damaged or missing to call it silent ({} bytes dropped, \
             {} ms concealed)",
            survey.dropped_bytes, survey.concealed_ms
        )
    }
}
