//! What belongs to an account and survives a restart: cooldowns and settings.

use domain::{Timestamp, Uid};
use rusqlite::{OptionalExtension, params};

use super::{Index, Result};
use crate::mistakes::{self, Mistake};
use crate::rules::cooldown::{Cooldown, Cooldowns, Reason};

const CHECK_LIMITS: &str = "check_limits";

impl Index {
    pub fn cooldowns(&self, owner: &Uid, now: Timestamp) -> Result<Cooldowns> {
        self.read(|c| {
            let mut statement = c.prepare_cached("SELECT reason, since, until FROM cooldown WHERE owner = ?1")?;
            let mut stored = Vec::new();
            let mut must_check_limits = false;
            let mut rows = statement.query([owner.as_str()])?;
            while let Some(row) = rows.next()? {
                let name: String = row.get(0)?;
                let (since, until) = (Timestamp::from_millis(row.get(1)?), Timestamp::from_millis(row.get(2)?));
                must_check_limits |= name == CHECK_LIMITS;
                if let Some(reason) = Reason::ALL.into_iter().find(|reason| reason.as_str() == name) {
                    stored.push(Cooldown { reason, since, until });
                }
            }
            Ok(Cooldowns::restored(stored, must_check_limits, now))
        })
    }

    pub fn put_cooldowns(&mut self, owner: &Uid, cooldowns: &Cooldowns) -> Result<()> {
        if mistakes::is_planted(Mistake::CooldownForgottenAtRestart) {
            return Ok(());
        }
        self.write(|transaction| {
            transaction.execute("DELETE FROM cooldown WHERE owner = ?1", [owner.as_str()])?;
            let mut statement = transaction.prepare_cached("INSERT INTO cooldown VALUES (?1, ?2, ?3, ?4)")?;
            for one in cooldowns.iter() {
                let values = params![owner.as_str(), one.reason.as_str(), one.since.millis(), one.until.millis()];
                statement.execute(values)?;
            }
            if cooldowns.must_check_limits {
                statement.execute(params![owner.as_str(), CHECK_LIMITS, 0, 0])?;
            }
            Ok(())
        })
    }

    /// The clock was set: what is measured from a time that was stored before moves with it. A cooldown keeps the time that is
    /// left (R28), a file its days until it may be deleted (R41), and a handled job its days until it is forgotten (R11).
    pub fn shift_times(&mut self, by_ms: i64) -> Result<()> {
        self.write(|transaction| {
            transaction.execute("UPDATE cooldown SET since = since + ?1, until = until + ?1", [by_ms])?;
            if mistakes::is_planted(Mistake::SetClockAgesFiles) {
                return Ok(());
            }
            // Only those whose file is still here: as many as the app's policy keeps.
            let sql = "UPDATE chunk SET confirmed_at = confirmed_at + ?1 WHERE state = 'synced' AND place = 'own'";
            transaction.execute(sql, [by_ms])?;
            let sql = "UPDATE result SET handled_at = handled_at + ?1 WHERE handled_at IS NOT NULL";
            transaction.execute(sql, [by_ms]).map(drop)
        })
    }

    pub fn setting(&self, key: &str) -> Result<Option<String>> {
        self.read(|c| {
            let mut statement = c.prepare_cached("SELECT value FROM setting WHERE key = ?1")?;
            statement.query_row([key], |row| row.get(0)).optional()
        })
    }

    pub fn put_setting(&mut self, key: &str, value: Option<&str>) -> Result<()> {
        self.write(|transaction| {
            match value {
                Some(value) => {
                    transaction.execute("INSERT OR REPLACE INTO setting VALUES (?1, ?2)", params![key, value])?
                }
                None => transaction.execute("DELETE FROM setting WHERE key = ?1", [key])?,
            };
            Ok(())
        })
    }
}
