//! What the user of the device does, and what the app does in answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::domain::{ConversationId, Uid};
use engine::ports::Random;
use engine::{Settings, State, Stream};

use super::{ACCOUNTS, Frame, Life};

impl Life {
    pub fn sign_in(&mut self, account: &'static str) {
        self.note(|| format!("{account} signs in"));
        *self.around.signed_in.lock().unwrap() = Some(account);
        self.call(|engine| engine.sign_in(Uid::new(account).unwrap()).map_err(|error| error.to_string()));
        let push = self.random.permille(500);
        if push {
            self.call(|engine| engine.set_push_token("phone", "push-token", "android").map_err(|e| e.to_string()));
        }
    }

    /// Somebody signs in while another account is signed in. The push token of that one is removed in its name.
    pub fn take_over(&mut self, account: &'static str) {
        let before = *self.around.signed_in.lock().unwrap();
        self.end_session();
        let before = before.filter(|before| *before != account);
        self.around.leaving.lock().unwrap().extend(before);
        self.sign_in(account);
        self.run_for(Duration::from_secs(12));
        if let Some(before) = before {
            self.around.leaving.lock().unwrap().remove(before);
        }
    }

    /// Whoever the engine believes to be signed in may still take the push token back.
    pub(super) fn expect_farewell(&mut self, next: &'static str) {
        let before = self.process.as_ref().and_then(|process| process.engine.signed_in());
        let before = ACCOUNTS.into_iter().find(|name| before.as_ref().is_some_and(|uid| uid.as_str() == *name));
        self.around.leaving.lock().unwrap().extend(before.filter(|before| *before != next));
    }

    pub fn sign_out(&mut self) {
        let Some(account) = *self.around.signed_in.lock().unwrap() else { return };
        self.note(|| format!("{account} signs out"));
        self.end_session();
        *self.around.signed_in.lock().unwrap() = None;
        self.leave();
        // A sign-out that failed, because the disk was full, is repeated.
        self.leave();
    }

    /// Signs out whoever the engine believes to be signed in.
    pub(super) fn leave(&mut self) {
        let account = self.process.as_ref().and_then(|process| process.engine.signed_in());
        let Some(account) = ACCOUNTS.into_iter().find(|name| account.as_ref().is_some_and(|a| a.as_str() == *name))
        else {
            return;
        };
        self.around.leaving.lock().unwrap().insert(account);
        let leaving = self.call(|engine| engine.sign_out().map_err(|error| error.to_string()));
        if let (Some(leaving), Some(process)) = (leaving, &mut self.process) {
            process.leaving.push((Box::pin(leaving), account));
        }
    }

    pub fn begin_session(&mut self) {
        self.end_session();
        if self.around.signed_in.lock().unwrap().is_none() {
            return;
        }
        self.sessions += 1;
        let session = format!("session-{}", self.sessions);
        let stream = Stream { format: self.sound.format, device: "phone".to_owned(), session: session.clone() };
        let recorder = self.call(|engine| engine.record(stream).map_err(|error| error.to_string()));
        if let (Some(recorder), Some(process)) = (recorder, &mut self.process) {
            process.recorder = Some(recorder);
            self.session = Some(session);
        }
    }

    /// Records for so long, frame by frame.
    pub fn record(&mut self, duration: Duration) {
        let frames = duration.as_millis() / self.sound.frame.as_millis();
        let live = self.random.permille(200);
        for _ in 0..frames {
            let Some(session) = self.session.clone() else { return };
            let owner = self.around.signed_in.lock().unwrap().unwrap_or("nobody");
            let number = self.frames.len() as u64;
            let payload = (self.sound.payload)(number, owner, &self.random);
            let is_live = live && self.random.permille(500);
            let Some(recorder) = self.process.as_mut().and_then(|process| process.recorder.as_mut()) else { return };
            let recorded = recorder.record(&payload, is_live);
            self.flag.0.store(true, Ordering::Relaxed);
            let (owner, recorded_at) =
                (ACCOUNTS.into_iter().find(|a| *a == owner).unwrap_or("nobody"), self.clock.elapsed());
            let frame = Frame { owner, session, recorded_at, is_promised: false, is_live };
            self.frames.push(frame);
            if recorded.is_err() && self.disk.is_dead() {
                // Whether the last frame counts is not known.
                self.frames.last_mut().unwrap().is_live = true;
                let power = self.random.permille(400);
                self.kill(power);
                return;
            }
            if recorded.is_err() {
                // The disk is full: the app was told, and stops.
                self.frames.last_mut().unwrap().is_live = true;
                self.end_session();
                return;
            }
            self.run_for(self.sound.frame);
        }
    }

    pub fn end_session(&mut self) {
        let recorder = self.process.as_mut().and_then(|process| process.recorder.take());
        let (Some(mut recorder), Some(session)) = (recorder, self.session.take()) else { return };
        let finalised = recorder.finalize();
        drop(recorder);
        self.flag.0.store(true, Ordering::Relaxed);
        if self.disk.is_dead() {
            let power = self.random.permille(400);
            self.kill(power);
            return;
        }
        if finalised.is_ok() {
            for frame in self.frames.iter_mut().rev().take_while(|frame| frame.session == session) {
                frame.is_promised = !frame.is_live;
            }
        }
    }

    /// The backend creates the conversation of a session; sometimes it says so twice, with another id.
    pub fn stamp(&mut self, session: &str) {
        let (a, b) = (self.random.next(), self.random.next());
        let text = format!("{:08x}-0000-4000-8000-{:012x}", a >> 32, b & 0xFFFF_FFFF_FFFF);
        let id: ConversationId = text.parse().unwrap();
        let stamped = self.call(|engine| engine.conversation_created(session, id).map_err(|error| error.to_string()));
        if stamped.is_some_and(|count| count > 0) {
            self.stamps.entry(session.to_owned()).or_insert(id);
        }
    }

    pub fn process_session(&mut self) {
        let Some(session) = self.session.clone() else { return };
        let Some(process) = &mut self.process else { return };
        let recorder = process.recorder.as_mut();
        let _ = process.engine.processing_started(&session, recorder);
        self.flag.0.store(true, Ordering::Relaxed);
        if self.disk.is_dead() {
            self.kill(false);
            return;
        }
        self.end_session();
        if self.random.permille(700) {
            let wait = self.random.between(1, 45);
            self.run_for(Duration::from_secs(wait));
            self.stamp(&session);
            if self.random.permille(500) {
                let wait = self.random.between(0, 5);
                self.run_for(Duration::from_secs(wait));
                self.stamp(&session);
            }
        }
    }

    pub fn conditions_changed(&mut self) {
        self.call(|engine| {
            engine.conditions_changed();
            Ok(())
        });
    }

    pub fn set_settings(&mut self, settings: Settings) {
        self.call(|engine| engine.set_settings(settings).map_err(|error| error.to_string()));
    }

    /// The app handles the jobs that are over.
    pub fn handle_results(&mut self) {
        let Some(results) = self.call(|engine| engine.completed().map_err(|error| error.to_string())) else { return };
        for result in results {
            let key = (result.job_id, result.completed_at);
            if self.handled.contains(&key) {
                self.violations.push(format!("the app was told twice of the end of {}", result.job_id));
            }
            let done = self.call(|engine| engine.acknowledge(key.0, key.1).map_err(|error| error.to_string()));
            if done == Some(true) {
                self.handled.insert(key);
            }
        }
    }

    /// The user looks at what is kept, and wants one of it to be tried again.
    pub fn retry_one(&mut self) {
        let states = [State::Kept, State::Unreadable, State::Held, State::Synced, State::Missing];
        let state = self.random.pick(&states);
        let page = self.call(|engine| engine.list(Some(state), None, 5).map_err(|error| error.to_string()));
        if let Some((chunk, _)) = page.and_then(|page| page.into_iter().next()) {
            self.call(|engine| engine.retry(chunk.id).map_err(|error| error.to_string()));
        }
    }

    /// A pending file is not seen for a moment.
    pub fn hide_one(&mut self) {
        let page = self.call(|engine| engine.list(Some(State::Pending), None, 1).map_err(|error| error.to_string()));
        if let Some((chunk, _)) = page.and_then(|page| page.into_iter().find(|(chunk, _)| !chunk.transfer.was_missing))
        {
            self.disk.hide(Some(&chunk.name));
            self.call(|engine| {
                engine.conditions_changed();
                engine.foreground();
                Ok(())
            });
            let before = self.is_calm;
            // Without a kill, so that the engine sees it in one pass only.
            self.is_calm = true;
            self.run_for(Duration::from_millis(1_500));
            self.is_calm = before;
            self.disk.hide(None);
        }
    }
}
