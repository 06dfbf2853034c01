//! What the coordinator remembers.

use std::time::Duration;

use domain::{Timestamp, Uid};

use crate::ports::Conditions;
use crate::rules::backoff;
use crate::rules::cooldown::Cooldowns;
use crate::rules::limits::UploadLimits;
use crate::settings::Settings;

/// Whether requests can be authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialState {
    Good,
    /// The token was refused, also after it was renewed: the user has to sign in (R22).
    Refused,
    /// The account may not do this (403), until its credentials change.
    Forbidden,
}

/// The steps of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Prepare,
    Reconcile,
    Upload,
    ReconcileAgain,
    Finish,
}

/// What the first step of a pass does to the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prepare {
    /// Rows whose budget is used up get a new one.
    pub rearm: bool,
    /// Delays are forgotten, because the network is back.
    pub forget_delays: bool,
    /// Jobs are asked for from the first step again.
    pub reset_polls: bool,
}

impl Prepare {
    pub const EVERYTHING: Self = Self { rearm: true, forget_delays: true, reset_polls: true };

    pub fn and(self, other: Self) -> Self {
        Self {
            rearm: self.rearm || other.rearm,
            forget_delays: self.forget_delays || other.forget_delays,
            reset_polls: self.reset_polls || other.reset_polls,
        }
    }
}

/// A pass that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    pub stage: Stage,
    /// Something woke the coordinator since: one more pass follows.
    pub again: bool,
    /// Whether anything was uploaded in it.
    pub uploaded: bool,
}

/// When something is due, as the index says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dues {
    pub upload: Option<Timestamp>,
    pub poll: Option<Timestamp>,
    pub task: Option<Timestamp>,
}

/// What is asked of the server. While one of them does not work, the others go on (R33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Upload,
    Status,
    PushToken,
}

/// The network or the service did not work in the last attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    pub failures: u32,
    pub until: Option<Timestamp>,
}

impl Trouble {
    /// One more failure: nothing is sent for a while.
    pub fn grow(&mut self, now: Timestamp, asked: Option<Duration>, random: f64) {
        self.failures = self.failures.saturating_add(1);
        let wait = backoff::delay(self.failures, random);
        self.until = Some(now + asked.map_or(wait, |asked| asked.max(wait)));
    }

    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now.has_reached(until))
    }
}

/// The state of the coordinator.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The account that is signed in.
    pub account: Option<Uid>,
    /// Grows with every sign-in and sign-out. What was started under another number has no effect any more (R34).
    pub fence: u64,
    pub foreground: bool,
    pub conditions: Conditions,
    pub settings: Settings,
    pub cooldowns: Cooldowns,
    pub credentials: CredentialState,
    /// The trouble of uploads.
    pub trouble: Trouble,
    pub status_trouble: Trouble,
    pub token_trouble: Trouble,
    /// No status is asked for until then (R29).
    pub status_until: Option<Timestamp>,
    /// The user cancelled: nothing is uploaded until the user, the app or the network starts it again (R35).
    pub stopped: bool,
    pub pass: Option<Pass>,
    pub prepare: Prepare,
    pub dues: Dues,
    pub armed: Option<Timestamp>,
    pub rearmed_at: Timestamp,
    pub limits: Option<UploadLimits>,
}

impl State {
    pub fn new(conditions: Conditions, settings: Settings, now: Timestamp) -> Self {
        Self {
            account: None,
            fence: 0,
            foreground: true,
            conditions,
            settings,
            cooldowns: Cooldowns::default(),
            credentials: CredentialState::Good,
            trouble: Trouble::default(),
            status_trouble: Trouble::default(),
            token_trouble: Trouble::default(),
            status_until: None,
            stopped: false,
            pass: None,
            prepare: Prepare::default(),
            dues: Dues::default(),
            armed: None,
            rearmed_at: now,
            limits: None,
        }
    }

    pub fn trouble_of(&self, purpose: Purpose) -> &Trouble {
        match purpose {
            Purpose::Upload => &self.trouble,
            Purpose::Status => &self.status_trouble,
            Purpose::PushToken => &self.token_trouble,
        }
    }

    pub fn troubles(&mut self) -> [&mut Trouble; 3] {
        [&mut self.trouble, &mut self.status_trouble, &mut self.token_trouble]
    }

    pub fn trouble_of_mut(&mut self, purpose: Purpose) -> &mut Trouble {
        match purpose {
            Purpose::Upload => &mut self.trouble,
            Purpose::Status => &mut self.status_trouble,
            Purpose::PushToken => &mut self.token_trouble,
        }
    }

    /// The network and the service work again, or somebody wants them to be tried.
    pub fn forget_troubles(&mut self) {
        self.troubles().into_iter().for_each(|trouble| *trouble = Trouble::default());
    }
}
