//! Every query is answered from an index, in the order of the index, so that none slows down as a table
//! grows.

use rusqlite::Connection;

use crate::store::schema::MIGRATIONS;
use crate::store::table::{checkpoints, conversations, devices, jobs, levels, lines, peaks, recordings, usage};

fn plan(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let unbound = vec![rusqlite::types::Null; statement.parameter_count()];
    let rows = statement.query_map(rusqlite::params_from_iter(unbound), |row| row.get("detail")).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn no_query_scans_a_table_or_sorts() {
    let db = Connection::open_in_memory().unwrap();
    MIGRATIONS.iter().for_each(|migration| db.execute_batch(migration).unwrap());
    let tables = [
        ("checkpoints", checkpoints::QUERIES),
        ("conversations", conversations::QUERIES),
        ("devices", devices::QUERIES),
        ("jobs", jobs::QUERIES),
        ("levels", levels::QUERIES),
        ("lines", lines::QUERIES),
        ("peaks", peaks::QUERIES),
        ("recordings", recordings::QUERIES),
        ("usage", usage::QUERIES),
    ];
    for (table, queries) in tables {
        for (name, sql) in queries {
            let plan = plan(&db, sql);
            println!("{table}.{name}: {plan:?}");
            let slow = |step: &String| step.contains("TEMP B-TREE") || step.contains("AUTOMATIC") || scans(step);
            assert!(!plan.iter().any(slow), "{table}.{name}: {plan:?}");
        }
    }
}

/// Counting scans the rows that an inner, bounded query found, which is allowed.
fn scans(step: &str) -> bool {
    step.starts_with("SCAN") && !step.starts_with("SCAN (subquery")
}
