//! Shows what came of the recordings of a watch, and writes their texts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine::{Chunk, ChunkId, State};
use formats::{Conversation, Format, Options};
use serde_json::json;
use terminal::output::{print, print_line, tell};

use super::ledger::{Ledger, Taken};
use super::texts::{TextError, can_write, write};
use crate::api::Api;
use crate::clock;
use crate::failure::Failure;
use crate::push::device::{Device, unusable};
use crate::push::results::tell_of;
use crate::push::sending::as_json;
use crate::push::states::{Standing, sentence, standing};
use crate::push::words;
use crate::times::Zone;

/// The files that are not over and are looked through at a time.
const PAGE: usize = 200;

pub struct Finisher<'f> {
    pub device: &'f Device,
    pub api: &'f Api,
    pub ledger: Ledger,
    pub formats: Vec<Format>,
    pub zone: Zone,
    pub json: bool,
    /// Given when a file came whose recording was over before.
    pub has_known: Arc<AtomicBool>,
    /// What was read from the server in this round.
    pub read: words::Read,
    /// The files whose text could not be written: each is told once, and tried again.
    pub not_written: BTreeSet<PathBuf>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Over,
    /// The server, or the disk, does not let it be finished now.
    Later,
}

impl Finisher<'_> {
    /// Handles the jobs that are over, and acknowledges each when its texts are written. Whether some have to wait.
    pub async fn results(&mut self) -> Result<bool, Failure> {
        let mut waits = false;
        // What was read before these jobs ended lacks their words.
        self.read = words::Read::default();
        for result in self.device.engine.completed().map_err(unusable)? {
            let (mut is_handled, mut others) = (true, 0);
            for file in &result.files {
                let ours = self.ledger.of_chunk(file.id)?;
                others += usize::from(ours.is_empty() && file.state == State::Synced);
                for one in ours.into_iter().filter(|one| !one.is_over) {
                    is_handled &= self.file(&one).await? == Step::Over;
                }
            }
            if is_handled {
                self.device.engine.acknowledge(result.job_id, result.completed_at).map_err(unusable)?;
            }
            waits |= !is_handled;
            if is_handled {
                tell_of(others);
            }
        }
        Ok(waits)
    }

    /// Looks at every file that is not over: some never become part of a job, and some were over before they came.
    pub async fn all(&mut self) -> Result<(), Failure> {
        let mut after = String::new();
        loop {
            let page = self.ledger.open_files(&after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.facts.path);
            self.read = words::Read::default();
            for one in &page {
                self.file(one).await?;
            }
            // There may be ten thousand of them: others go on meanwhile.
            tokio::task::yield_now().await;
        }
    }

    async fn file(&mut self, file: &Taken) -> Result<Step, Failure> {
        let Some(id) = file.chunk else { return Ok(Step::Over) };
        let found = self.device.engine.recording(id).map_err(unusable)?;
        let path = Path::new(&file.facts.path);
        let is_it = |chunk: &Chunk| (chunk.name.as_str(), chunk.bytes) == (file.name.as_str(), file.facts.size);
        let Some((chunk, shown)) = found.filter(|(chunk, _)| is_it(chunk)) else {
            // The index was made anew: the file is taken once more, and the server recognises it.
            self.ledger.forget(&file.facts.path)?;
            return Ok(Step::Over);
        };
        match standing(&shown) {
            Standing::Open => Ok(Step::Later),
            Standing::Failed => {
                self.tell_failure(path, id, &sentence(&shown, clock::now()))?;
                if chunk.transfer.state == State::Missing {
                    // If it comes back, it is taken again.
                    self.ledger.forget(&file.facts.path)?;
                } else {
                    self.ledger.over(&file.facts.path, &file.written)?;
                }
                Ok(Step::Over)
            }
            Standing::Done => self.done(path, file, &chunk).await,
        }
    }

    fn tell_failure(&self, path: &Path, id: ChunkId, sentence: &str) -> Result<(), Failure> {
        tell(crate::PROGRAM, format_args!("{}: {sentence}", path.display()));
        if self.json {
            self.print_json(path, id, None, &[])?;
        }
        Ok(())
    }

    async fn done(&mut self, path: &Path, file: &Taken, chunk: &Chunk) -> Result<Step, Failure> {
        if self.not_written.contains(path) && !can_write(path) {
            return Ok(Step::Later);
        }
        let chunks = std::slice::from_ref(chunk);
        let said = match words::of(self.api, &self.device.account, chunks, &mut self.read).await {
            Ok(said) => of_recording(said, chunk),
            // It is asked again; the state of the connection is told elsewhere.
            Err(_) => return Ok(Step::Later),
        };
        let mut written = file.written.clone();
        let mut paths = Vec::new();
        let wanted: Vec<Format> =
            self.formats.iter().copied().filter(|format| !written.iter().any(|name| name == format.name())).collect();
        for format in wanted.iter().filter(|_| said.is_some()) {
            let text = self.text(*format, said.as_ref());
            match write(&self.ledger, path, format.name(), &text) {
                Ok(target) => paths.push(target),
                Err(TextError::Ledger(message)) => return Err(message.into()),
                Err(error @ TextError::Taken(..)) => tell(crate::PROGRAM, error),
                Err(error @ TextError::Disk { .. }) => {
                    if self.not_written.insert(path.to_owned()) {
                        tell(crate::PROGRAM, format_args!("{error}; it is tried again"));
                    }
                    return Ok(Step::Later);
                }
            }
            written.push(format.name().to_owned());
        }
        if said.is_none() {
            written.extend(wanted.iter().map(|format| format.name().to_owned()));
        }
        self.not_written.remove(path);
        // It is shown before it is over: after a kill it is shown once more, rather than never.
        self.show(path, chunk.id, said.as_ref(), &paths)?;
        self.ledger.over(&file.facts.path, &written)?;
        Ok(Step::Over)
    }

    fn text(&self, format: Format, said: Option<&Conversation>) -> String {
        let Some(said) = said else { return String::new() };
        let options = Options { offset: self.zone.offset(said.head.started_at), list: false };
        formats::to_string(format, options, std::slice::from_ref(said))
    }

    fn show(&self, path: &Path, id: ChunkId, said: Option<&Conversation>, written: &[PathBuf]) -> Result<(), Failure> {
        let shown = path.display();
        if self.json {
            return self.print_json(path, id, said, written);
        }
        let Some(said) = said else { return Ok(print_line(format_args!("{shown}: nobody speaks in it"))?) };
        if self.formats.is_empty() {
            print_line(format_args!("{shown}:"))?;
            return Ok(print(format_args!("{}\n", self.text(Format::Txt, Some(said))))?);
        }
        let names: Vec<_> =
            written.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy()).collect();
        if !names.is_empty() {
            print_line(format_args!("{shown}: {}", names.join(", ")))?;
        }
        Ok(())
    }

    fn print_json(
        &self,
        path: &Path,
        id: ChunkId,
        said: Option<&Conversation>,
        written: &[PathBuf],
    ) -> Result<(), Failure> {
        let mut value = as_json(self.device, id)?.unwrap_or_default();
        value["file"] = json!(path);
        value["conversation"] = json!(said);
        value["written"] = json!(written);
        Ok(print_line(value)?)
    }
}

/// What was said in a recording, as one conversation whose times count from the beginning of the recording: subtitles are
/// shown beside the sound. `None` if nobody speaks.
fn of_recording(said: Vec<Conversation>, chunk: &Chunk) -> Option<Conversation> {
    let mut whole: Option<Conversation> = None;
    for conversation in said {
        let shift = conversation.head.started_at.millis().saturating_sub(chunk.captured_at.millis());
        let one = whole.get_or_insert_with(|| Conversation { head: conversation.head.clone(), segments: Vec::new() });
        for mut segment in conversation.segments {
            segment.start_ms = segment.start_ms.saturating_add(shift);
            segment.end_ms = segment.end_ms.saturating_add(shift);
            for word in segment.words.iter_mut().flatten() {
                word.start_ms = word.start_ms.saturating_add(shift);
                word.end_ms = word.end_ms.saturating_add(shift);
            }
            one.segments.push(segment);
        }
    }
    let mut whole = whole.filter(|whole| !whole.segments.is_empty())?;
    whole.head.started_at = chunk.captured_at;
    whole.head.finished_at = None;
    whole.segments.sort_by_key(|segment| segment.start_ms);
    Some(whole)
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use formats::{Head, Segment, Word};

    use super::*;

    fn conversation(start: i64, segments: &[(i64, i64)]) -> Conversation {
        let word = |start_ms, end_ms| Word { start_ms, end_ms, text: "w".to_owned() };
        let segment = |(start_ms, end_ms): &(i64, i64)| Segment {
            start_ms: *start_ms,
            end_ms: *end_ms,
            text: "w".to_owned(),
            words: Some(vec![word(*start_ms, *end_ms)]),
            ..Segment::default()
        };
        let head = Head { started_at: Timestamp::from_millis(start), ..Head::default() };
        Conversation { head, segments: segments.iter().map(segment).collect() }
    }

    #[test]
    fn times_of_a_text_count_from_the_beginning_of_its_recording() {
        let chunk = crate::push::device::tests::chunk(Timestamp::from_millis(1_800_000_010_000));
        let said = vec![
            conversation(1_800_000_100_000, &[(0, 500)]),
            conversation(1_800_000_000_000, &[(12_000, 13_000), (11_000, 11_500)]),
        ];
        let whole = of_recording(said, &chunk).unwrap();
        let times: Vec<_> = whole.segments.iter().map(|one| (one.start_ms, one.end_ms)).collect();
        assert_eq!(times, [(1_000, 1_500), (2_000, 3_000), (90_000, 90_500)]);
        assert_eq!(whole.segments[0].words.as_ref().unwrap()[0].start_ms, 1_000);
        assert_eq!(whole.head.started_at, chunk.captured_at);
        assert!(of_recording(vec![conversation(0, &[])], &chunk).is_none());
        assert!(of_recording(Vec::new(), &chunk).is_none());
    }
}
