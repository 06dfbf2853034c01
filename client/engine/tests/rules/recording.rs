//! R1 to R6: frames, journals, the store gate, names, and the reserve.

use std::time::Duration;

use engine::domain::{Codec, FrameFormat};
use engine::ports::Disk;
use engine::{RecordError, State};

use crate::harness::{Bench, OPUS, PCM};

fn silent_server(_: &crate::harness::Seen) -> Option<crate::harness::Reply> {
    None
}

fn offline() -> Bench {
    let bench = Bench::new(silent_server);
    bench.set_conditions(|conditions| conditions.online = false);
    bench
}

#[test]
fn r01_frames_of_every_codec_are_recorded_with_their_length() {
    let mut bench = offline();
    let wide = FrameFormat { codec: Codec::OpusFs320, frame_samples: 320, ..OPUS };
    for (format, frames, ms) in [(OPUS, 100, 1_000), (wide, 50, 1_000), (PCM, 100, 1_000)] {
        let mut recorder = bench.recorder_of("s", format);
        bench.feed(&mut recorder, frames);
        recorder.finalize().unwrap();
        let chunk = bench.chunks().pop().unwrap();
        assert_eq!((chunk.duration_ms, chunk.frames, chunk.format), (ms, u64::from(frames), Some(format)));
        assert_eq!(chunk.bytes, 8 * u64::from(frames), "a length and four bytes for each frame");
    }
    let mut recorder = bench.recorder("s");
    assert!(matches!(recorder.record(&[], false), Err(RecordError::Frame(0))));
    assert!(matches!(recorder.record(&[0; 65_537], false), Err(RecordError::Frame(65_537))));
}

#[test]
fn r01_frames_that_the_live_socket_took_are_counted() {
    let bench = offline();
    let mut recorder = bench.recorder("s");
    for live in [true, true, false, true] {
        recorder.record(b"frame", live).unwrap();
    }
    recorder.finalize().unwrap();
    let chunk = bench.chunks().pop().unwrap();
    assert_eq!((chunk.frames, chunk.synced_prefix), (4, 2));
}

#[test]
fn r02_chunks_have_sixty_seconds_and_a_row_before_their_file() {
    let mut bench = offline();
    let mut recorder = bench.recorder("s");
    bench.feed(&mut recorder, 12_500);
    let chunks = bench.chunks();
    assert_eq!(chunks.iter().map(|chunk| chunk.duration_ms).collect::<Vec<_>>(), [60_000, 60_000, 0]);
    assert_eq!(bench.states(), [State::Pending, State::Pending, State::Recording]);
    assert_eq!((chunks[1].captured_at.millis() - chunks[0].captured_at.millis()), 60_000);
}

#[test]
fn r02_kill_loses_no_frame_and_a_power_failure_at_most_the_last_second() {
    for (power, least) in [(false, 250), (true, 150)] {
        let mut bench = offline();
        let mut recorder = bench.recorder("s");
        bench.feed(&mut recorder, 250);
        drop(recorder);
        bench.stop(power);
        bench.start();
        let chunk = bench.chunks().pop().unwrap();
        assert_eq!(chunk.transfer.state, State::Pending);
        assert!((least..=250).contains(&chunk.frames), "{power}: {}", chunk.frames);
        assert_eq!(chunk.bytes, bench.content(&chunk).unwrap().len() as u64);
    }
}

#[test]
fn r02_frames_become_durable_also_when_no_further_frame_comes() {
    let mut bench = offline();
    let mut recorder = bench.recorder("s");
    recorder.record(b"frame", false).unwrap();
    bench.run_for(Duration::from_millis(2_100));
    assert_eq!(bench.engine().status().unwrap().in_flight_seconds, 0.0);
    drop(recorder);
    bench.stop(true);
    bench.start();
    assert_eq!(bench.chunks().pop().unwrap().frames, 1);
}

#[test]
fn r02_recording_costs_at_most_two_fsyncs_a_second_and_six_more_a_chunk() {
    // Signed out and driven by nobody: every commit and every fsync is the recorder's.
    let bench = offline();
    let mut recorder = bench.recorder("s");
    let begin = bench.disk.syncs() + bench.disk.commits();
    let mut minutes = Vec::new();
    for minute in 1..=3 {
        for number in 0..6_000_u32 {
            recorder.record(&number.to_le_bytes(), false).unwrap();
            bench.clock.advance_to(bench.clock.elapsed() + Duration::from_millis(10));
        }
        assert_eq!(bench.states(), vec![State::Pending; minute], "a chunk a minute");
        minutes.push(bench.disk.syncs() + bench.disk.commits() - begin);
    }
    for (minute, cost) in minutes.iter().enumerate() {
        let chunks = minute as u64 + 1;
        // The file that says whose folder this is costs two more, once.
        assert!(*cost <= chunks * (2 * 60 + 6) + 2, "{minutes:?}");
        assert!(*cost >= chunks * 2 * 55, "at most a second is at risk: {minutes:?}");
    }
}

#[test]
fn r02_torn_tail_is_cut_and_never_uploaded() {
    let mut bench = offline();
    let mut recorder = bench.recorder("s");
    bench.feed(&mut recorder, 20);
    drop(recorder);
    let chunk = bench.chunks().pop().unwrap();
    let engine::Place::Own(path) = chunk.place else { panic!() };
    let path = std::path::Path::new(crate::harness::FOLDER).join(path);
    for (cut, frames) in [(3, 19), (0, 19)] {
        let length = bench.disk.content(&path).unwrap().len() as u64;
        if bench.states() == [State::Recording] {
            bench.disk.truncate(&path, length - cut).unwrap();
        }
        bench.restart();
        let chunk = bench.chunks().pop().unwrap();
        assert_eq!((chunk.frames, chunk.bytes), (frames, frames * 8), "{cut}");
        assert_eq!(bench.disk.content(&path).unwrap().len() as u64, frames * 8);
    }
}

/// Somebody records while a recording waits that could not be read at the start.
#[test]
fn r02_left_over_journal_is_recovered_beside_a_recorder_that_is_left_alone() {
    let mut bench = offline();
    let mut left_over = bench.recorder("left over");
    bench.feed(&mut left_over, 10);
    drop(left_over);
    bench.stop(false);
    bench.disk.set_locked(true);
    bench.start();
    bench.disk.set_locked(false);
    let mut recorder = bench.recorder("now");
    bench.feed(&mut recorder, 10);
    bench.engine().foreground();
    bench.run(2);
    assert_eq!(bench.states(), [State::Pending, State::Recording]);
    bench.feed(&mut recorder, 10);
    recorder.finalize().unwrap();
    let frames: Vec<_> = bench.chunks().iter().map(|chunk| (chunk.frames, chunk.transfer.state)).collect();
    assert_eq!(frames, [(10, State::Pending), (20, State::Pending)]);
}

/// The clock that counts the time slept goes on: nothing looks like a clock that was set.
#[test]
fn r02_chunk_after_a_sleep_of_the_device_has_its_own_time() {
    let mut bench = offline();
    let mut recorder = bench.recorder("s");
    bench.feed(&mut recorder, 10);
    recorder.finalize().unwrap();
    bench.suspend(3_600);
    bench.feed(&mut recorder, 10);
    recorder.finalize().unwrap();
    let at: Vec<_> = bench.chunks().iter().map(|chunk| chunk.captured_at.millis()).collect();
    assert!((3_600_000..3_602_000).contains(&(at[1] - at[0])), "{at:?}");
    let moved = |event: &engine::Event| matches!(event.kind, engine::EventKind::ClockMoved { .. });
    assert!(!bench.engine().events().iter().any(moved));
}

#[test]
fn r03_finalize_makes_the_chunk_durable_before_it_returns() {
    let mut bench = offline();
    bench.record("s", 30);
    bench.stop(true);
    bench.start();
    let chunk = bench.chunks().pop().unwrap();
    assert_eq!((chunk.transfer.state, chunk.frames), (State::Pending, 30));
    assert_eq!(bench.content(&chunk).unwrap().len(), 240);
}

#[test]
fn r03_change_of_the_codec_finalises_and_empty_chunks_are_not_kept() {
    let mut bench = offline();
    let mut recorder = bench.recorder("s");
    recorder.finalize().unwrap();
    recorder.set_format(PCM).unwrap();
    assert_eq!(bench.states(), []);
    bench.feed(&mut recorder, 10);
    recorder.set_format(PCM).unwrap();
    assert_eq!(bench.states(), [State::Recording], "the same codec changes nothing");
    recorder.set_format(OPUS).unwrap();
    bench.feed(&mut recorder, 10);
    recorder.finalize().unwrap();
    let codecs: Vec<_> = bench.chunks().iter().map(|chunk| chunk.format.unwrap().codec).collect();
    assert_eq!(codecs, [Codec::Pcm16, Codec::Opus]);
}

#[test]
fn r04_chunk_that_the_live_socket_took_is_not_kept() {
    for (live, everything, minimum_ms, kept) in [
        (100, false, 0, false),
        (99, false, 0, true),
        (99, false, 20, false),
        (98, false, 20, true),
        (100, true, 20, true),
    ] {
        let change = |config: &mut engine::Config| {
            config.keep_everything = everything;
            config.min_unsynced = Duration::from_millis(minimum_ms);
        };
        let bench = Bench::with(change, silent_server);
        bench.engine().sign_in(engine::domain::Uid::new("anna").unwrap()).unwrap();
        let mut recorder = bench.recorder("s");
        for number in 0..100 {
            recorder.record(b"frame", number < live).unwrap();
        }
        recorder.finalize().unwrap();
        assert_eq!(bench.states().len(), usize::from(kept), "{live} {everything} {minimum_ms}");
        let files = bench.disk.list(&std::path::Path::new(crate::harness::FOLDER).join("anna")).unwrap();
        let files: Vec<_> = files.into_iter().filter(|name| name != "owner").collect();
        assert_eq!(files.len(), usize::from(kept), "{files:?}");
    }
}

#[test]
fn r05_two_recorders_at_one_moment_have_distinct_names() {
    let bench = offline();
    let mut recorders: Vec<_> = (0..3).map(|_| bench.recorder("s")).collect();
    recorders.iter_mut().for_each(|recorder| recorder.record(b"frame", false).unwrap());
    recorders.iter_mut().for_each(|recorder| recorder.finalize().unwrap());
    let mut names: Vec<_> = bench.chunks().into_iter().map(|chunk| chunk.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn r06_full_disk_refuses_new_audio_loudly_and_evicts_nothing() {
    let mut bench = offline();
    bench.record("s", 100);
    let mut recorder = bench.recorder("s");
    bench.feed(&mut recorder, 50);
    bench.disk.set_full(true);
    let refused = (0..200).find_map(|_| {
        bench.run_for(Duration::from_millis(10));
        recorder.record(b"frame", false).err()
    });
    assert!(refused.is_some(), "the app is told");
    assert!(matches!(recorder.record(b"frame", false), Err(RecordError::NoSpace { free_bytes: 0, .. })));
    bench.disk.set_full(false);
    bench.restart();
    let frames: Vec<_> = bench.chunks().iter().map(|chunk| (chunk.frames, chunk.transfer.state)).collect();
    assert_eq!(frames, [(100, State::Pending), (50, State::Pending)], "what was recorded is kept");
    let mut recorder = bench.recorder("s");
    bench.feed(&mut recorder, 1);
}
