//! Accounts: signing in and out, and the push token of the device.

use domain::Uid;

use super::{ACCOUNT, Engine, Error};
use crate::coordinator::Event;
use crate::index::{PushKind, PushTask};
use crate::signal::Given;

impl Engine {
    /// The account that is signed in. It is remembered over restarts: an app whose sign-out was cut off signs out again.
    pub fn signed_in(&self) -> Option<Uid> {
        self.core.account()
    }

    /// Signs an account in. What another account recorded stays on the device and is not seen (R34).
    pub fn sign_in(&self, account: Uid) -> Result<(), Error> {
        if self.core.account().as_ref() == Some(&account) {
            self.core.post(Event::CredentialsChanged);
            return Ok(());
        }
        let cooldowns = {
            let mut index = self.core.index();
            if let Some(before) = self.core.account() {
                // Nobody signed it out. Its pushes would come to this device, which somebody else has now.
                index.remove_push_tokens(&before)?;
            }
            index.put_setting(ACCOUNT, Some(account.as_str()))?;
            index.cooldowns(&account, self.core.now())?
        };
        self.core.post(Event::SignedIn { account, cooldowns });
        self.core.changed();
        Ok(())
    }

    /// Signs the account out. From this moment nothing that was started for it has an effect. The future is ready when the
    /// server has forgotten the push token, or cannot be reached: keep the credentials until then.
    pub fn sign_out(&self) -> Result<Given, Error> {
        let Some(account) = self.core.account() else { return Ok(Given(None)) };
        let stored = {
            let mut index = self.core.index();
            index.put_setting(ACCOUNT, None).and_then(|()| index.remove_push_tokens(&account))
        };
        let signal = self.core.expect_farewell(&account);
        self.core.post(Event::SignedOut);
        self.core.changed();
        stored?;
        Ok(Given(Some(signal)))
    }

    /// The app has new credentials for the same account.
    pub fn credentials_changed(&self) -> Result<(), Error> {
        let account = self.account()?;
        self.core.index().reset_polls(&account, None, self.core.now())?;
        self.core.post(Event::CredentialsChanged);
        Ok(())
    }

    /// The push service gave this device a token (R40).
    pub fn set_push_token(&self, device_id: &str, token: &str, platform: &str) -> Result<(), Error> {
        let task = PushTask {
            owner: self.account()?,
            device_id: device_id.to_owned(),
            token: token.to_owned(),
            platform: platform.to_owned(),
            kind: PushKind::Register,
            attempts: 0,
            next_attempt_at: None,
        };
        {
            let mut index = self.core.index();
            let known = index.push_tasks(&task.owner)?;
            let is_known = known.iter().any(|known| {
                known.kind == PushKind::Registered
                    && (&known.device_id, &known.token, &known.platform)
                        == (&task.device_id, &task.token, &task.platform)
            });
            if is_known {
                return Ok(());
            }
            index.put_push_task(&task)?;
        }
        self.core.post(Event::Recorded);
        Ok(())
    }
}
