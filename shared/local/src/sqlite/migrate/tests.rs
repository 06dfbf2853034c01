use super::super::connection::{Deleted, open_alongside, open_to_write};
use super::super::testing::{Database, MIGRATIONS, add, words};
use super::*;

const SECOND: &[&str] = &[MIGRATIONS[0], "ALTER TABLE words ADD COLUMN language TEXT"];
const BROKEN: &[&str] = &[MIGRATIONS[0], "CREATE TABLE more (id INTEGER); NONSENSE"];

fn refusal(database: &Database, migrations: &[&str]) -> String {
    open_to_write(&database.path, migrations, Deleted::Left).unwrap_err().to_string()
}

#[test]
fn older_database_is_upgraded_and_keeps_its_rows() {
    let database = Database::new();
    add(&open_to_write(&database.path, MIGRATIONS, Deleted::Left).unwrap(), "one").unwrap();
    for _ in 0..2 {
        let db = open_to_write(&database.path, SECOND, Deleted::Left).unwrap();
        assert_eq!(words(&db).unwrap(), ["one"]);
        assert_eq!(check(&db, &database.path, SECOND).unwrap(), 2);
        db.prepare("SELECT language FROM words").unwrap();
    }
}

#[test]
fn newer_database_is_refused_with_path_and_version() {
    let database = Database::new();
    drop(open_to_write(&database.path, SECOND, Deleted::Left).unwrap());
    let refusal = refusal(&database, MIGRATIONS);
    assert!(refusal.contains("newer version (schema 2, this program knows 1)"), "{refusal}");
    assert!(refusal.starts_with(database.path.to_str().unwrap()), "{refusal}");
}

#[test]
fn command_beside_server_does_not_upgrade() {
    let database = Database::new();
    assert!(open_alongside(&database.path, MIGRATIONS, Deleted::Left).is_err());
    assert!(!database.path.exists());
    drop(open_to_write(&database.path, MIGRATIONS, Deleted::Left).unwrap());
    open_alongside(&database.path, MIGRATIONS, Deleted::Left).unwrap();
    assert!(matches!(
        open_alongside(&database.path, SECOND, Deleted::Left),
        Err(OpenError::Older { found: 1, known: 2, .. })
    ));
}

#[test]
fn failed_migration_leaves_previous_version() {
    let database = Database::new();
    assert!(matches!(open_to_write(&database.path, BROKEN, Deleted::Left), Err(OpenError::Failed { .. })));
    let db = open_to_write(&database.path, MIGRATIONS, Deleted::Left).unwrap();
    assert!(db.prepare("SELECT id FROM more").is_err());
}

#[test]
fn database_of_another_program_is_not_changed() {
    let database = Database::new();
    Connection::open(&database.path).unwrap().execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
    let before = std::fs::read(&database.path).unwrap();
    assert!(refusal(&database, MIGRATIONS).contains("another program"));
    assert_eq!(std::fs::read(&database.path).unwrap(), before);
}

#[test]
fn file_that_is_no_database_is_reported_as_damaged() {
    let database = Database::new();
    std::fs::write(&database.path, "not a database, and longer than the header of one: ".repeat(100)).unwrap();
    assert!(refusal(&database, MIGRATIONS).contains("is damaged"));
}

#[test]
fn lock_held_elsewhere_is_reported_as_locked() {
    let database = Database::new();
    let mut db = Connection::open(&database.path).unwrap();
    let other = Connection::open(&database.path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    db.busy_timeout(std::time::Duration::ZERO).unwrap();
    let refusal = migrate(&mut db, &database.path, MIGRATIONS).unwrap_err().to_string();
    assert!(refusal.contains("locked"), "{refusal}");
}
