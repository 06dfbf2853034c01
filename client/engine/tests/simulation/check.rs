//! What has to be true, at every moment and at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine::domain::Uid;
use engine::{Place, State};

use crate::life::{ACCOUNTS, FOLDER, Life};
use crate::server::frames_of;

impl Life {
    /// No file is deleted before its own outcome allows it.
    pub fn check_removed(&mut self) {
        for path in self.disk.take_removed() {
            let text = path.to_string_lossy().into_owned();
            let Some(relative) = text.strip_prefix(FOLDER).filter(|text| text.ends_with(".bin")) else { continue };
            let mut parts = relative.trim_start_matches('/').split('/');
            let (owner, name) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
            let key = (owner.clone(), name.clone());
            let told_done = self.network.server(|server| server.told_done.get(&key).copied());
            // A chunk that was never finished, or that the live socket took, may go: its frames are checked at the end.
            let was_accepted =
                self.network.server(|server| server.recordings.keys().any(|id| id.0 == owner && id.1 == name));
            match told_done {
                None if was_accepted => {
                    self.violations.push(format!("{relative} was deleted before its outcome allowed it"));
                }
                Some(at) if at + self.kept_for() > self.clock.elapsed() => {
                    self.violations.push(format!("{relative} was deleted before the app's policy allowed it"));
                }
                _ => {}
            }
        }
    }

    /// Only what the server blamed on the content was counted, and nothing was given up.
    pub fn check_rows(&mut self) {
        let Some(account) = *self.around.signed_in.lock().unwrap() else { return };
        let failures = self.network.server(|server| server.content_failures.clone());
        let page = self.call(|engine| engine.list(None, None, 10_000).map_err(|error| error.to_string()));
        for (chunk, _) in page.unwrap_or_default() {
            let told = failures.get(&(account.to_owned(), chunk.name.clone())).copied().unwrap_or(0);
            if chunk.transfer.retry_count > told {
                let (count, name) = (chunk.transfer.retry_count, &chunk.name);
                self.violations
                    .push(format!("{name} has {count} counted failures, and the content was blamed {told} times"));
            }
            if chunk.transfer.state == State::Missing {
                self.violations.push(format!("{} was given up as missing", chunk.name));
            }
            if chunk.owner != Uid::new(account).unwrap() {
                self.violations.push(format!("{account} sees {} of {}", chunk.name, chunk.owner));
            }
            if chunk.transfer.state == State::Synced {
                self.check_synced(account, &chunk.name);
            }
        }
    }

    fn check_synced(&mut self, account: &str, name: &str) {
        let key = (account.to_owned(), name.to_owned());
        let confirmed = self.network.server(|server| server.told_done.contains_key(&key));
        if !confirmed {
            self.violations.push(format!("{name} is synced, and no job said so"));
        }
    }

    /// Everything that was promised is at the server exactly once, or still on the device for the user to decide.
    pub fn check_end(&mut self) {
        let mut found: BTreeMap<u64, Vec<(String, String)>> = BTreeMap::new();
        let stamps = self.stamps.clone();
        let frames = self.frames.clone();
        let mut violations = Vec::new();
        self.network.server(|server| {
            for ((owner, name, _), recording) in &server.recordings {
                for frame in frames_of(&recording.content).unwrap_or_default() {
                    let Some(number) = frame.get(..8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())) else {
                        violations.push(format!("{name} holds a frame that nobody recorded"));
                        continue;
                    };
                    found.entry(number).or_default().push((owner.clone(), name.clone()));
                    let known = &frames[number as usize];
                    if known.owner != owner {
                        violations.push(format!("frame {number} of {} is at {owner}", known.owner));
                    }
                    let stamped = stamps.get(&known.session).map(ToString::to_string);
                    if recording.conversation.is_some() && recording.conversation != stamped {
                        violations.push(format!("{name} of {} is in another conversation", known.session));
                    }
                }
            }
        });
        let kept = self.kept_frames(&mut violations);
        for (number, frame) in frames.iter().enumerate() {
            let places = found.get(&(number as u64)).map_or(0, Vec::len);
            if places > 1 {
                violations
                    .push(format!("frame {number} is at the server {places} times: {:?}", found[&(number as u64)]));
            }
            if frame.is_promised && places == 0 && !kept.contains(&(number as u64)) {
                violations.push(format!("frame {number} of {} ({}) is lost", frame.owner, frame.session));
            }
        }
        violations.truncate(10);
        self.violations.append(&mut violations);
        self.violations.append(&mut self.around.violations.lock().unwrap());
        let mut told = self.network.server(|server| std::mem::take(&mut server.violations));
        self.violations.append(&mut told);
    }

    /// The frames of files that wait for the user's decision.
    fn kept_frames(&mut self, violations: &mut Vec<String>) -> BTreeSet<u64> {
        let mut kept = BTreeSet::new();
        for account in ACCOUNTS {
            self.sign_out();
            self.sign_in(account);
            let page = self.call(|engine| engine.list(None, None, 100_000).map_err(|error| error.to_string()));
            for (chunk, shown) in page.unwrap_or_default() {
                if chunk.transfer.state.is_open() {
                    violations.push(format!("{} of {account} is not over: {:?} {shown:?}", chunk.name, chunk.transfer));
                }
                let Place::Own(path) = &chunk.place else { continue };
                let Some(content) = self.disk.content(&Path::new(FOLDER).join(path)) else {
                    violations.push(format!("the file of {} is gone: {:?}", chunk.name, chunk.transfer.state));
                    continue;
                };
                for frame in frames_of(&content).unwrap_or_default() {
                    kept.extend(frame.get(..8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())));
                }
            }
        }
        kept
    }
}
