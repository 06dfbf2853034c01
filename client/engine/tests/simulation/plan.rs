//! What happens in a life, and what is to be true of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::Settings;

use crate::world::{ACCOUNTS, World};

/// What came of a life.
#[derive(Debug, PartialEq, Eq)]
pub struct Lived {
    pub violations: Vec<String>,
    pub kills: u64,
    pub frames: u64,
    pub polls: u64,
}

/// Lives the life of a seed.
pub fn live(seed: u64) -> Lived {
    let mut world = World::new(seed);
    world.sign_in(ACCOUNTS[0]);
    let happenings = world.random.between(15, 40);
    for _ in 0..happenings {
        let happening = world.random.below(20);
        world.note(|| format!("happening {happening}"));
        happen(&mut world, happening);
        world.check_rows();
        if !world.violations.is_empty() {
            if std::env::var_os("SIMULATION_LOG").is_some() {
                world.print_events();
            }
            break;
        }
    }
    end(&mut world);
    if std::env::var_os("SIMULATION_LOG").is_some() && !world.violations.is_empty() {
        world.print_events();
    }
    let frames = world.frames.len() as u64;
    Lived { violations: world.violations, kills: world.kills, frames, polls: world.polls }
}

fn happen(world: &mut World, happening: u64) {
    let random = world.random.clone();
    let seconds = |first, last| Duration::from_secs(random.between(first, last));
    match happening {
        0..6 => {
            world.begin_session();
            world.record(seconds(1, 40));
            if random.permille(600) {
                world.process_session();
            } else {
                world.end_session();
            }
        }
        6 => world.run_for(seconds(1, 20)),
        7 => world.run_for(seconds(60, 3_600)),
        8 => world.run_for(seconds(3_600, 40_000)),
        9 => {
            world.network.set_online(false);
            world.conditions_changed();
            world.run_for(seconds(1, 2_000));
            world.network.set_online(true);
            world.conditions_changed();
        }
        10 => {
            let power = random.permille(500);
            world.kill(power);
        }
        // The process ends at some operation of the disk.
        11 | 12 => world.disk.set_fuse(random.below(120)),
        13 => {
            let year = 365 * 86_400_000;
            let by = random.pick(&[-year, -3_600_000, 240_000, 6 * 3_600_000, -1_000]);
            world.note(|| format!("the clock is set by {by} ms"));
            world.clock.set_by(by);
            world.was_set_forward |= by > 0;
        }
        14 => {
            world.disk.set_full(true);
            world.begin_session();
            world.record(seconds(1, 5));
            world.end_session();
            world.disk.set_full(false);
        }
        15 => {
            world.disk.set_locked(true);
            world.run_for(seconds(1, 600));
            world.disk.set_locked(false);
        }
        16 => {
            world.sign_out();
            world.run_for(seconds(0, 30));
            let account = random.pick(&ACCOUNTS);
            world.sign_in(account);
        }
        17 => {
            let settings =
                Settings { unmetered_only: random.permille(300), paused: random.permille(300), charging_only: false };
            world.set_settings(settings);
            world.around.unmetered.store(random.permille(500), Ordering::Relaxed);
            world.conditions_changed();
        }
        18 => {
            world.handle_results();
            world.retry_one();
        }
        _ => {
            world.hide_one();
            world.run_for(seconds(0, 10));
            world.call(|engine| {
                engine.cancel();
                engine.foreground();
                Ok(())
            });
        }
    }
}

/// The faults stop: everything comes to its end without anybody's help, but for what only the user may decide.
fn end(world: &mut World) {
    world.end_session();
    world.kill(false);
    world.is_calm = true;
    world.network.calm();
    world.disk.set_full(false);
    world.disk.set_locked(false);
    world.around.unmetered.store(true, Ordering::Relaxed);
    for account in [ACCOUNTS[0], ACCOUNTS[1], ACCOUNTS[0], ACCOUNTS[1]] {
        world.sign_out();
        world.run_for(Duration::from_secs(20));
        world.sign_in(account);
        world.set_settings(Settings::default());
        world.run_for(Duration::from_secs(3 * 86_400));
        world.check_rows();
        world.handle_results();
        if world.random.permille(500) {
            world.retry_one();
        }
        world.call(|engine| engine.retry_all().map_err(|error| error.to_string()));
        world.run_for(Duration::from_secs(6 * 3_600));
        world.check_rows();
        world.handle_results();
    }
    world.check_end();
}
