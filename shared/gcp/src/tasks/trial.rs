//! Creates a task and deletes it again, to see whether the account may create tasks, and act as the account that signs them.

use std::time::Duration;

use domain::{JobId, Uid};
use flow::ports::{NewTask, TaskBody};
use flow::{Error, Kind, Result};

use super::{CloudTasks, error};

/// How far ahead the task lies. If it cannot be deleted, it is delivered then, names no job and is skipped.
const AHEAD: Duration = Duration::from_secs(29 * 24 * 3600);
const NOBODY: &str = "doctor";

/// What became of a task that was created.
#[derive(Debug)]
pub enum Trial {
    Deleted,
    /// It stays in the queue, because the account may not delete tasks. The functions never do.
    Left {
        task: String,
        why: Error,
    },
}

impl CloudTasks {
    pub async fn try_to_create(&self) -> Result<Trial> {
        let uid = Uid::new(NOBODY).map_err(|why| Error::new(Kind::Invalid, "queue.doctor", why))?;
        // A name stays taken for an hour, so that each run needs another one.
        let body = TaskBody { job_id: JobId(self.random.uuid()), uid, dispatch: 0 };
        let task = NewTask { body, schedule: Some(self.clock.now() + AHEAD), traceparent: None };
        let name = task.name();
        let created = self.create(&self.call("queue.doctor", Some(&name)), &task).await;
        if let Err(error) = &created
            && !matches!(error.kind, Kind::Unknown | Kind::Unavailable)
        {
            return created.map(|()| Trial::Deleted);
        }
        let call = self.call("queue.doctor", Some(&name));
        let delete = || async {
            let client = call.client().await?;
            match client.delete_task().set_name(self.task(&name)).send().await {
                Ok(()) => Ok(()),
                Err(error) if error::is_not_there(&error) => Ok(()),
                Err(error) => Err(call.refused(&client, &error)),
            }
        };
        // A task may be there although there was no answer.
        match (self.tries().run(&call, delete).await, created) {
            (Ok(()), created) => created.map(|()| Trial::Deleted),
            (Err(why), Ok(())) => Ok(Trial::Left { task: self.task(&name), why }),
            (Err(_), Err(error)) => {
                let text = format!("{error}; the task {} may be in the queue: delete it", self.task(&name));
                Err(Error::new(error.kind, "queue.doctor", text))
            }
        }
    }
}
