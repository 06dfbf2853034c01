//! Whether something may be sent now, and if not, why (R18, R22, R28, R29, R42). Every path asks here.

use domain::Timestamp;
use serde::Serialize;

use super::state::{CredentialState, Purpose, State};
use crate::rules::cooldown::Reason;

/// Why nothing is uploaded at the moment. None of these counts against a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Blocked {
    /// Nobody is signed in.
    SignedOut,
    /// The user has to sign in again.
    SignInNeeded,
    /// The account may not upload.
    Forbidden,
    /// The user paused transfers.
    Paused,
    /// The user cancelled, and has not started again.
    Cancelled,
    /// There is no network.
    Offline,
    /// The user wants no uploads over a metered network.
    Metered,
    /// The user wants uploads only while the device is charging.
    NotCharging,
    /// A cooldown is active.
    #[expect(missing_docs, reason = "the names say it")]
    Cooldown { reason: Reason, until: Timestamp },
    /// The network or the service did not work; it is tried again at this time.
    #[expect(missing_docs, reason = "the name says it")]
    Unreachable { until: Timestamp },
}

impl State {
    /// Whether anything may be sent for the account.
    fn may_send(&self) -> Result<(), Blocked> {
        match self.credentials {
            _ if self.account.is_none() => Err(Blocked::SignedOut),
            _ if self.settings.paused => Err(Blocked::Paused),
            CredentialState::Refused => Err(Blocked::SignInNeeded),
            _ if !self.conditions.online => Err(Blocked::Offline),
            _ => Ok(()),
        }
    }

    /// Whether the last requests of this kind worked, or it is time for the next one.
    fn is_reachable(&self, purpose: Purpose, now: Timestamp) -> Result<(), Blocked> {
        let trouble = self.trouble_of(purpose);
        match trouble.until {
            Some(until) if !trouble.is_over(now) => Err(Blocked::Unreachable { until }),
            _ => Ok(()),
        }
    }

    /// Whether audio may be uploaded.
    pub fn may_upload(&self, now: Timestamp) -> Result<(), Blocked> {
        let sends = self.may_send();
        if let Err(blocked @ (Blocked::SignedOut | Blocked::Paused | Blocked::SignInNeeded)) = sends {
            return Err(blocked);
        }
        if self.credentials == CredentialState::Forbidden {
            return Err(Blocked::Forbidden);
        }
        if self.stopped {
            return Err(Blocked::Cancelled);
        }
        // A cooldown is told before anything that passes sooner: it is what the user has to know.
        if let Some(cooldown) = self.cooldowns.effective(now) {
            return Err(Blocked::Cooldown { reason: cooldown.reason, until: cooldown.until });
        }
        sends?;
        self.is_reachable(Purpose::Upload, now)?;
        match self.settings {
            settings if settings.unmetered_only && !self.conditions.unmetered => Err(Blocked::Metered),
            settings if settings.charging_only && !self.conditions.charging => Err(Blocked::NotCharging),
            _ => Ok(()),
        }
    }

    /// Whether the status of jobs may be asked for. A cooldown and a block of uploads do not stop that.
    pub fn may_ask(&self, now: Timestamp) -> Result<(), Blocked> {
        self.may_send()?;
        self.is_reachable(Purpose::Status, now)?;
        match self.status_until {
            Some(until) if !now.has_reached(until) => Err(Blocked::Unreachable { until }),
            _ => Ok(()),
        }
    }

    /// Whether push tokens may be registered and removed.
    pub fn may_tell(&self, now: Timestamp) -> Result<(), Blocked> {
        self.may_send()?;
        self.is_reachable(Purpose::PushToken, now)
    }

    /// Why jobs are not asked for: the server does not answer. A cooldown of status requests is no such reason.
    pub fn status_is_unreachable(&self, now: Timestamp) -> Option<Blocked> {
        self.is_reachable(Purpose::Status, now).err()
    }
}
