//! The run of one claimed delivery: several of its files at a time, while the lease is renewed and the deadline is watched.

use std::collections::VecDeque;

use domain::PutBack;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Semaphore;

use super::delivery::Delivery;
use super::file;
use super::outcome::{DeliveryEnd, FileError, FileErrors};
use crate::error::{Kind, REMEDY};

/// Works until all files are settled or the delivery has to end. Work that is still running is dropped then.
pub async fn run(delivery: &Delivery<'_>) -> DeliveryEnd {
    let deadline = delivery.services.now().until(delivery.ends_at);
    tokio::select! {
        biased;
        () = delivery.instance.shutdown.cancelled() => PutBack::Shutdown.into(),
        why = delivery.writer.keep_lease() => DeliveryEnd::Lost(why),
        () = delivery.services.clock.sleep(deadline) => PutBack::Deadline.into(),
        end = work(delivery) => end,
    }
}

/// Works on all open files. The error of one file does not stop the others; it is reported when they are done.
async fn work(delivery: &Delivery<'_>) -> DeliveryEnd {
    let own = Semaphore::new(1);
    let is_open = |index: &usize| !delivery.job.files[*index].status.is_settled();
    let mut open: VecDeque<usize> = (0..delivery.job.files.len()).filter(is_open).collect();
    let (mut running, mut errors) = (FuturesUnordered::new(), FileErrors::default());
    loop {
        while running.len() <= delivery.instance.at_once
            && let Some(index) = open.pop_front()
        {
            running.push(file_with_permit(delivery, index, &own));
        }
        match running.next().await {
            None => return errors.end(delivery.calls.any_answered()),
            Some((_, Ok(()))) => {}
            Some((index, Err(error))) => {
                note(delivery, index, &error);
                if let Some(end) = errors.add(index, error) {
                    return end;
                }
            }
        }
    }
}

/// Works on a file with a permit. Every delivery has one permit of its own; for more files it queues with other jobs.
async fn file_with_permit(delivery: &Delivery<'_>, index: usize, own: &Semaphore) -> (usize, Result<(), FileError>) {
    let _permit = tokio::select! {
        biased;
        permit = own.acquire() => (permit.ok(), None),
        permit = delivery.instance.more_files.acquire(delivery.user()) => (None, Some(permit)),
    };
    // If the engine is down, this file is left to the next delivery. The file that found out puts the job back.
    let ended = if delivery.calls.is_down.is_cancelled() {
        Ok(())
    } else if delivery.must_yield() {
        Err(FileError::YieldToOthers)
    } else {
        file::process_file(delivery, index).await
    };
    (index, ended)
}

fn note(delivery: &Delivery<'_>, index: usize, error: &FileError) {
    let job_id = delivery.job.id;
    match error {
        FileError::File(error) if error.kind == Kind::Misconfigured => {
            tracing::error!(
                %job_id, file = index, %error, remedy = REMEDY,
                "a file cannot be read until a person mends it"
            );
        }
        FileError::File(error) => tracing::warn!(%job_id, file = index, %error, "a file cannot be read now"),
        FileError::Engine { .. } => delivery.calls.is_down.cancel(),
        _ => {}
    }
}
