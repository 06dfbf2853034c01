//! What has to be true, at every moment and at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine::domain::Uid;
use engine::{Place, State};

use crate::backend::Found;
use crate::life::{ACCOUNTS, FOLDER, Life};

/// The frames of a recording; `None` if the bytes do not end with a whole frame.
pub fn frames_of(content: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut frames, mut rest) = (Vec::new(), content);
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        frames.push(rest.get(4..4 + length)?);
        rest = &rest[4 + length..];
    }
    Some(frames)
}

impl Life {
    /// No file is deleted before its own outcome allows it.
    pub fn check_removed(&mut self) {
        for path in self.disk.take_removed() {
            let text = path.to_string_lossy().into_owned();
            let Some(relative) = text.strip_prefix(FOLDER).filter(|text| text.ends_with(".bin")) else { continue };
            let mut parts = relative.trim_start_matches('/').split('/');
            let (owner, name) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
            let allowed_since = self.network.backend(|backend| backend.allows_deletion_since(&owner, &name));
            // A chunk that was never finished, or that the live socket took, may go: its frames are checked at the end.
            let was_accepted = self.network.backend(|backend| backend.has_accepted(&owner, &name));
            match allowed_since {
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
        let page = self.call(|engine| engine.list(None, None, 10_000).map_err(|error| error.to_string()));
        for (chunk, _) in page.unwrap_or_default() {
            let told = self.network.backend(|backend| backend.content_failures(account, &chunk.name));
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
        let confirmed = self.network.backend(|backend| backend.allows_deletion_since(account, name).is_some());
        if !confirmed {
            self.violations.push(format!("{name} is synced, and no job said so"));
        }
    }

    /// Everything that was promised is at the server exactly once, or still on the device for the user to decide.
    pub fn check_end(&mut self) {
        let frames = self.frames.clone();
        let mut violations = Vec::new();
        let mut found: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for Found { frame, owner, place, conversation } in self.network.backend(|backend| backend.found()) {
            let Some(known) = frames.get(frame as usize) else {
                violations.push(format!("{place} holds the frame {frame} that nobody recorded"));
                continue;
            };
            if known.owner != owner {
                violations.push(format!("frame {frame} of {} is at {owner}", known.owner));
            }
            let stamped = self.stamps.get(&known.session).map(ToString::to_string);
            if conversation.is_some() && conversation != stamped {
                violations.push(format!("{place} of {} is in another conversation", known.session));
            }
            found.entry(frame).or_default().push(place);
        }
        self.found = found.len() as u64;
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
        self.violations.append(&mut self.network.take_violations());
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
                    // One that was removed for want of space, just before the process ended, is noticed when its days are over.
                    if chunk.transfer.state != State::Synced {
                        violations.push(format!("the file of {} is gone: {:?}", chunk.name, chunk.transfer.state));
                    }
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
