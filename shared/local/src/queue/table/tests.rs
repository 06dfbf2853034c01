use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const MS: Duration = Duration::from_millis(1);
const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn database() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    MIGRATIONS.iter().for_each(|sql| db.execute_batch(sql).unwrap());
    db
}

fn task(name: &str, due: Timestamp) -> Task {
    Task { id: 0, name: name.into(), due, retries: 0, answers: 0, body: Bytes::from_static(b"{}"), traceparent: None }
}

#[test]
fn row_is_read_back_unchanged() {
    let db = database();
    let new = Task { traceparent: Some("00-a-b-01".into()), ..task("a", NOW) };
    let id = create(&db, &new, NOW).unwrap().unwrap();
    let page = nearest(&db, 10).unwrap();
    assert_eq!(page.tasks, [Task { id, ..new.clone() }]);
    assert!(page.complete && page.last_id == id);
    let later = Task { id, due: NOW + HOUR, retries: 2, answers: 1, ..new };
    put_off(&db, &later).unwrap();
    assert_eq!(nearest(&db, 10).unwrap().tasks, [later]);
}

#[test]
fn name_is_free_one_hour_after_its_task_ended() {
    for (passed, is_free) in [(HOUR - MS, false), (HOUR, true), (HOUR + MS, true)] {
        let db = database();
        let first = create(&db, &task("a", NOW), NOW).unwrap().unwrap();
        assert_eq!(create(&db, &task("a", NOW), NOW + 9 * HOUR).unwrap(), None, "it waits");
        end(&db, first, NOW).unwrap();
        let second = create(&db, &task("a", NOW), NOW + passed).unwrap();
        assert_eq!(second.is_some(), is_free, "{passed:?}");
        assert!(second.is_none_or(|second| second > first), "ids only grow");
        assert_eq!(is_unfinished(&db, "a").unwrap(), is_free);
    }
}

#[test]
fn ended_task_is_not_changed() {
    let db = database();
    let id = create(&db, &task("a", NOW), NOW).unwrap().unwrap();
    end(&db, id, NOW).unwrap();
    put_off(&db, &Task { id, ..task("a", NOW) }).unwrap();
    end(&db, id, NOW + HOUR).unwrap();
    assert!(nearest(&db, 10).unwrap().tasks.is_empty());
    assert_eq!(purge(&db, NOW + HOUR, 10).unwrap(), 1, "it ended at the first time");
}

#[test]
fn names_are_freed_in_pages_and_only_after_their_hour() {
    let db = database();
    for n in 0..5_u32 {
        let id = create(&db, &task(&n.to_string(), NOW), NOW).unwrap().unwrap();
        end(&db, id, NOW + n * MS).unwrap();
    }
    create(&db, &task("waits", NOW), NOW).unwrap();
    assert_eq!(purge(&db, NOW + HOUR - MS, 10).unwrap(), 0);
    assert_eq!(purge(&db, NOW + HOUR, 10).unwrap(), 1);
    assert_eq!([2, 2, 0].map(|_| purge(&db, NOW + HOUR + 9 * MS, 2).unwrap()), [2, 2, 0]);
    assert_eq!(nearest(&db, 10).unwrap().tasks.len(), 1);
}

#[test]
fn row_id_is_never_used_twice() {
    let db = database();
    let first = create(&db, &task("a", NOW), NOW).unwrap().unwrap();
    end(&db, first, NOW).unwrap();
    assert_eq!(purge(&db, NOW + HOUR, 10).unwrap(), 1);
    assert_eq!(nearest(&db, 10).unwrap().last_id, first);
    assert!(create(&db, &task("a", NOW), NOW).unwrap().unwrap() > first);
}

#[test]
fn nearest_tasks_come_first_and_queries_use_an_index() {
    let db = database();
    for (name, seconds) in [("b", 2), ("c", 3), ("a", 1)] {
        create(&db, &task(name, NOW + Duration::from_secs(seconds)), NOW).unwrap();
    }
    let page = nearest(&db, 2).unwrap();
    assert_eq!(page.tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(!page.complete);
    for (sql, index) in [
        ("SELECT id, body FROM tasks WHERE due IS NOT NULL ORDER BY due, id LIMIT 5", "tasks_due"),
        ("SELECT id FROM tasks WHERE ended <= 5 ORDER BY ended LIMIT 5", "tasks_ended"),
    ] {
        let plan: String = db.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get(3)).unwrap();
        assert!(plan.contains(index), "{plan}");
    }
}
