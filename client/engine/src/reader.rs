//! Reads the index of an engine that another process may have open: for a status beside a running upload.

use domain::{Timestamp, Uid};

use crate::chunk::{Chunk, ChunkId, State};
use crate::completed::Completed;
use crate::coordinator::Blocked;
use crate::engine::{ACCOUNT, RESULTS};
use crate::index::{Index, IndexError};
use crate::settings::Config;
use crate::status::{self, Shown, Status, Sums};

/// A reader of an index. It changes nothing, and needs no network and no credentials.
pub struct Reader {
    index: Index,
}

impl Reader {
    /// Opens the index of this engine to read it.
    pub fn open(config: &Config) -> Result<Self, IndexError> {
        Ok(Self { index: Index::open_to_read(&config.index)? })
    }

    /// The account that is signed in.
    pub fn account(&self) -> Result<Option<Uid>, IndexError> {
        Ok(self.index.setting(ACCOUNT)?.and_then(|text| Uid::new(text).ok()))
    }

    fn blocked(&self, account: &Uid, now: Timestamp) -> Result<Option<Blocked>, IndexError> {
        let cooldown = self.index.cooldowns(account, now)?.effective(now);
        Ok(cooldown.map(|cooldown| Blocked::Cooldown { reason: cooldown.reason, until: cooldown.until }))
    }

    /// The state of everything that the account has on this device, as far as the index knows it.
    pub fn status(&self, now: Timestamp) -> Result<Status, IndexError> {
        let Some(account) = self.account()? else {
            let sums = Sums { in_flight: std::time::Duration::ZERO, sums: Vec::new(), oldest: None };
            return Ok(status::status(None, sums, None, Some(Blocked::SignedOut), false, now));
        };
        let sums = Sums {
            in_flight: std::time::Duration::ZERO,
            sums: self.index.sums(&account)?,
            oldest: self.index.oldest_pending(&account)?,
        };
        let cooldown = self.index.cooldowns(&account, now)?.effective(now);
        Ok(status::status(Some(account.to_string()), sums, cooldown, self.blocked(&account, now)?, false, now))
    }

    /// A page of the account's recordings, newest first, before this place in the list.
    pub fn list(
        &self,
        state: Option<State>,
        before: Option<(Timestamp, ChunkId)>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(Chunk, Shown)>, IndexError> {
        let Some(account) = self.account()? else { return Ok(Vec::new()) };
        let blocked = self.blocked(&account, now)?;
        let page = self.index.list(&account, state, before, limit)?;
        let shown = |chunk: Chunk| {
            let job = match chunk.transfer.job_id {
                Some(id) if chunk.transfer.state == State::Uploaded => self.index.job(id)?,
                _ => None,
            };
            let shown = status::show(&chunk, job.as_ref(), None, blocked, now);
            Ok((chunk, shown))
        };
        page.into_iter().map(shown).collect()
    }

    /// Jobs that are over and that the app has not acknowledged.
    pub fn completed(&self) -> Result<Vec<Completed>, IndexError> {
        let Some(account) = self.account()? else { return Ok(Vec::new()) };
        let open = self.index.open_results(&account, RESULTS)?;
        Ok(open.into_iter().filter_map(|result| serde_json::from_str(&result.body).ok()).collect())
    }
}
