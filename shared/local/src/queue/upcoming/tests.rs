use bytes::Bytes;

use super::*;

fn task(id: i64, due: i64) -> Task {
    let due = Timestamp::from_millis(due);
    Task { id, name: id.to_string(), due, retries: 0, answers: 0, body: Bytes::new(), traceparent: None }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// A load of the whole table.
fn all(tasks: Vec<Task>) -> Page {
    let last_id = tasks.iter().map(|task| task.id).max().unwrap_or(0);
    Page { tasks, complete: true, last_id }
}

/// A window that has loaded an empty table.
fn loaded() -> Upcoming {
    let mut upcoming = Upcoming::new();
    upcoming.begin_load().unwrap();
    upcoming.end_load(all(vec![]));
    assert_eq!(upcoming.begin_load(), None);
    upcoming
}

fn take(upcoming: &mut Upcoming) -> Option<i64> {
    (upcoming.next(at(1_000_000)) == Next::Ready).then(|| upcoming.take().unwrap().id)
}

#[test]
fn no_task_is_kept_before_first_load() {
    let mut upcoming = Upcoming::new();
    assert!(!upcoming.offer(task(1, 5)));
    assert_eq!((upcoming.len(), upcoming.next(at(9))), (0, Next::Nothing));
}

#[test]
fn tasks_come_by_schedule_and_then_by_age() {
    let mut upcoming = loaded();
    assert!(upcoming.offer(task(2, 50)));
    assert!(!upcoming.offer(task(3, 50)));
    assert!(upcoming.offer(task(4, 10)));
    assert_eq!(upcoming.next(at(9)), Next::At(at(10)));
    assert_eq!([(); 4].map(|()| take(&mut upcoming)), [Some(4), Some(2), Some(3), None]);
}

#[test]
fn load_does_not_add_running_or_finished_tasks() {
    let mut upcoming = loaded();
    for id in [1, 2, 3] {
        upcoming.offer(task(id, id));
    }
    let rows = vec![task(1, 1), task(2, 2), task(3, 3)];
    upcoming.doubt((at(0), 0));
    upcoming.begin_load().unwrap();
    upcoming.end_load(all(rows.clone()));
    assert_eq!([take(&mut upcoming), take(&mut upcoming)], [Some(1), Some(2)]);
    upcoming.doubt((at(0), 0));
    upcoming.begin_load().unwrap();
    upcoming.finish(1, None);
    upcoming.end_load(all(rows));
    assert_eq!([take(&mut upcoming), take(&mut upcoming)], [Some(3), None]);
}

#[test]
fn late_offer_does_not_bring_back_finished_task() {
    let mut upcoming = Upcoming::new();
    upcoming.begin_load().unwrap();
    upcoming.end_load(all(vec![task(1, 5)]));
    assert_eq!(take(&mut upcoming), Some(1));
    upcoming.finish(1, None);
    assert!(!upcoming.offer(task(1, 5)));
    assert_eq!(take(&mut upcoming), None);
}

#[test]
fn tasks_offered_during_load_are_kept() {
    let mut upcoming = Upcoming::new();
    upcoming.begin_load().unwrap();
    upcoming.offer(task(7, 50));
    upcoming.end_load(all(vec![]));
    assert_eq!(take(&mut upcoming), Some(7));
    upcoming.doubt((at(0), 0));
    upcoming.begin_load().unwrap();
    upcoming.finish(7, Some(task(7, 60)));
    upcoming.end_load(all(vec![task(7, 50)]));
    assert_eq!(upcoming.next(at(55)), Next::At(at(60)), "put off while the load looked");
}

#[test]
fn uncertain_row_stops_later_deliveries_until_reload() {
    let mut upcoming = loaded();
    upcoming.offer(task(1, 10));
    upcoming.offer(task(2, 30));
    upcoming.doubt((at(20), i64::MIN));
    assert_eq!([take(&mut upcoming), take(&mut upcoming)], [Some(1), None]);
    upcoming.begin_load().unwrap();
    upcoming.doubt((at(25), i64::MIN));
    upcoming.end_load(all(vec![task(3, 20), task(2, 30)]));
    assert_eq!([take(&mut upcoming), take(&mut upcoming)], [Some(3), None], "a doubt during a load outlives it");
    assert!(upcoming.begin_load().is_some());
}

#[test]
fn lost_task_is_loaded_again_from_its_row() {
    let mut upcoming = loaded();
    upcoming.offer(task(1, 10));
    assert_eq!(take(&mut upcoming), Some(1));
    upcoming.lose((at(10), 1));
    upcoming.begin_load().unwrap();
    upcoming.end_load(all(vec![task(1, 10)]));
    assert_eq!(take(&mut upcoming), Some(1));
}

#[test]
fn failed_load_of_tasks_from_the_table_can_be_begun_again() {
    let mut upcoming = Upcoming::new();
    assert!(upcoming.begin_load().is_some());
    assert_eq!(upcoming.begin_load(), None);
    upcoming.fail_load();
    assert!(upcoming.begin_load().is_some());
}

/// A long table is loaded page by page while its tasks run: each comes once and in order, and memory
/// stays small.
#[test]
fn all_tasks_of_a_long_table_are_loaded_in_parts() {
    let count = 30_000;
    let mut rows: std::collections::VecDeque<_> = (1..=count).map(|id| task(id, id)).collect();
    let mut upcoming = Upcoming::new();
    let mut expected = 1;
    while expected <= count {
        if let Some(limit) = upcoming.begin_load() {
            let tasks: Vec<_> = rows.iter().take(limit).cloned().collect();
            upcoming.end_load(Page { complete: tasks.len() < limit, tasks, last_id: count });
        }
        assert_eq!(take(&mut upcoming), Some(expected));
        upcoming.finish(expected, None);
        rows.pop_front();
        expected += 1;
        assert!(upcoming.len() <= CAPACITY);
    }
}

#[test]
fn tasks_beyond_capacity_are_loaded_again_later() {
    let mut upcoming = loaded();
    let count = CAPACITY as i64 + 500;
    for id in (1..=count).rev() {
        upcoming.offer(task(id, id));
    }
    assert_eq!(upcoming.len(), CAPACITY);
    for id in 1..=CAPACITY as i64 {
        assert_eq!(take(&mut upcoming), Some(id));
        upcoming.finish(id, None);
    }
    assert_eq!(take(&mut upcoming), None);
    upcoming.begin_load().unwrap();
    upcoming.end_load(all((CAPACITY as i64 + 1..=count).map(|id| task(id, id)).collect()));
    assert_eq!(take(&mut upcoming), Some(CAPACITY as i64 + 1));
}
