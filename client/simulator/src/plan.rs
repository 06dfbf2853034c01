//! What happens in a life, and what is to be true of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::Settings;

use crate::life::{ACCOUNTS, Life};
use crate::scene::Scene;

/// What came of a life.
#[derive(Debug, PartialEq, Eq)]
pub struct Lived {
    pub violations: Vec<String>,
    pub kills: u64,
    pub frames: u64,
    /// The frames that are in a transcript.
    pub found: u64,
    pub polls: u64,
}

/// Lives the life of a seed.
pub fn live(around: &Scene, seed: u64) -> Lived {
    let mut life = Life::new(around, seed);
    life.sign_in(ACCOUNTS[0]);
    let happenings = life.random.between(around.happenings.0, around.happenings.1);
    for _ in 0..happenings {
        let happening = life.random.below(23);
        life.note(|| format!("happening {happening}"));
        happen(&mut life, around, happening);
        life.check_rows();
        if !life.violations.is_empty() {
            if std::env::var_os("SIMULATION_LOG").is_some() {
                life.print_events();
            }
            break;
        }
    }
    end(&mut life, around);
    if std::env::var_os("SIMULATION_LOG").is_some() && !life.violations.is_empty() {
        life.print_events();
    }
    let frames = life.frames.len() as u64;
    Lived { violations: life.violations, kills: life.kills, frames, found: life.found, polls: life.polls }
}

fn happen(life: &mut Life, around: &Scene, happening: u64) {
    let random = life.random.clone();
    let seconds = |first, last| Duration::from_secs(random.between(first, last));
    match happening {
        0..6 => {
            life.begin_session();
            life.record(seconds(1, around.longest));
            if random.permille(600) {
                life.process_session();
            } else {
                life.end_session();
            }
        }
        6 => life.run_for(seconds(1, 20)),
        7 => life.run_for(seconds(60, 3_600)),
        8 => life.run_for(seconds(3_600, 40_000)),
        9 => {
            life.network.set_online(false);
            life.conditions_changed();
            life.run_for(seconds(1, 2_000));
            life.network.set_online(true);
            life.conditions_changed();
        }
        10 => {
            let power = random.permille(500);
            life.kill(power);
        }
        // The process ends at some operation of the disk.
        11 | 12 => life.disk.set_fuse(random.below(120)),
        13 => {
            let year = 365 * 86_400_000;
            let weeks = 40 * 86_400_000;
            let by = random.pick(&[-year, -3_600_000, 240_000, 6 * 3_600_000, -1_000, weeks]);
            life.note(|| format!("the clock is set by {by} ms"));
            life.clock.set_by(by);
            life.was_set_forward |= by > 0;
            if by == weeks {
                // Somebody sees it, and sets it right. What is recorded meanwhile would wait for its time to come.
                life.end_session();
                let kills = life.kills;
                life.run_for(seconds(60, 7_200));
                life.clock.set_by(-by);
                // A process that did not live when the clock was set believes it.
                life.ages_are_known &= kills == life.kills;
            }
        }
        14 => {
            life.disk.set_full(true);
            life.begin_session();
            life.record(seconds(1, 5));
            life.end_session();
            life.check_removed();
            life.disk.set_full(false);
        }
        15 => {
            life.disk.set_locked(true);
            life.run_for(seconds(1, 600));
            life.disk.set_locked(false);
        }
        16 | 20 | 21 => change_account(life),
        17 => {
            let settings =
                Settings { unmetered_only: random.permille(300), paused: random.permille(300), charging_only: false };
            life.set_settings(settings);
            life.around.unmetered.store(random.permille(500), Ordering::Relaxed);
            life.conditions_changed();
        }
        18 => {
            life.handle_results();
            life.retry_one();
        }
        19 => life.suspend(seconds(60, 40_000)),
        _ => {
            life.hide_one();
            life.run_for(seconds(0, 10));
            life.call(|engine| {
                engine.cancel();
                engine.foreground();
                Ok(())
            });
        }
    }
}

/// Somebody else takes the device, often while uploads are on their way.
fn change_account(life: &mut Life) {
    let random = life.random.clone();
    if random.permille(600) {
        life.network.set_online(false);
        life.conditions_changed();
        for _ in 0..3 {
            life.begin_session();
            life.record(Duration::from_millis(300));
            life.end_session();
        }
        let goes_by_session = random.permille(400);
        if goes_by_session {
            life.network.break_next_batch();
        }
        life.network.set_online(true);
        life.conditions_changed();
        life.run_for(Duration::from_millis(random.between(1, 4_000)));
        if goes_by_session {
            // The session takes several requests: somebody leaves between two of them.
            life.run_for(Duration::from_millis(random.between(3_000, 9_000)));
        }
    }
    let account = random.pick(&ACCOUNTS);
    if random.permille(300) {
        life.take_over(account);
        return;
    }
    life.sign_out();
    let pause = random.pick(&[0, 0, 3, 30]);
    life.run_for(Duration::from_secs(pause));
    life.sign_in(account);
}

/// The faults stop: everything comes to its end without anybody's help, but for what only the user may decide.
fn end(life: &mut Life, around: &Scene) {
    life.end_session();
    life.kill(false);
    life.is_calm = true;
    life.network.calm();
    life.disk.set_full(false);
    life.disk.set_locked(false);
    life.around.unmetered.store(true, Ordering::Relaxed);
    for account in [ACCOUNTS[0], ACCOUNTS[1], ACCOUNTS[0], ACCOUNTS[1]] {
        life.sign_out();
        life.run_for(Duration::from_secs(20));
        life.sign_in(account);
        life.set_settings(Settings::default());
        life.run_for(around.patience);
        life.check_rows();
        life.handle_results();
        if life.random.permille(500) {
            life.retry_one();
        }
        life.call(|engine| engine.retry_all().map_err(|error| error.to_string()));
        life.run_for(Duration::from_secs(6 * 3_600));
        life.check_rows();
        life.handle_results();
    }
    life.check_end();
}
