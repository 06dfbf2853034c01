use super::*;

async fn sql(queue: &LocalQueue, sql: &'static str) {
    queue.rows.call("test", "", move |db| db.execute_batch(sql)).await.unwrap();
}

const REFUSE: &str = "CREATE TRIGGER refuse BEFORE UPDATE ON tasks BEGIN SELECT RAISE (ABORT, 'broken'); END";

/// Advances the clock until the future is ready.
async fn while_time_passes<T>(clock: &TestClock, future: impl Future<Output = T>) -> T {
    tokio::pin!(future);
    loop {
        tokio::select! {
            value = &mut future => return value,
            () = tokio::task::yield_now() => clock.advance(100 * MS),
        }
    }
}

fn patient(site: &Site) -> Arc<LocalQueue> {
    site.open_with(QueueSettings { dispatch_deadline: 100_000 * HOUR, ..site.settings() })
}

#[tokio::test]
async fn failed_write_of_outcome_is_retried() {
    let mut site = Site::new().await;
    let queue = patient(&site);
    let _running = start(&queue);
    queue.enqueue(new(1)).await.unwrap();
    let call = site.call().await;
    sql(&queue, REFUSE).await;
    call.answer(200);
    // Three are asleep: the delivery before its next try, the dispatcher and the purge.
    site.clock.until_asleep(3).await;
    sql(&queue, "DROP TRIGGER refuse").await;
    while_time_passes(&site.clock, until_ended(&queue, 1)).await;
    site.assert_nothing_due(&queue, 2).await;
}

#[tokio::test]
async fn task_with_unwritten_outcome_is_delivered_again() {
    let mut site = Site::new().await;
    let queue = patient(&site);
    let _running = start(&queue);
    queue.enqueue(new(1)).await.unwrap();
    let call = site.call().await;
    sql(&queue, REFUSE).await;
    call.answer(200);
    let clock = site.clock.clone();
    let again = while_time_passes(&clock, site.call()).await;
    assert_eq!(again.header("x-cloudtasks-taskretrycount"), "0");
    sql(&queue, "DROP TRIGGER refuse").await;
    again.answer(200);
    while_time_passes(&clock, until_ended(&queue, 1)).await;
}

#[tokio::test]
async fn failed_load_of_tasks_from_the_table_is_retried() {
    let mut site = Site::new().await;
    let queue = site.open();
    queue.enqueue(new(1)).await.unwrap();
    sql(&queue, "ALTER TABLE tasks RENAME TO away").await;
    assert!(queue.ready().await.is_err());
    let _running = start(&queue);
    // Three are asleep: the load before its next try, the dispatcher and the purge.
    site.clock.until_asleep(3).await;
    sql(&queue, "ALTER TABLE away RENAME TO tasks").await;
    let clock = site.clock.clone();
    let call = while_time_passes(&clock, site.call()).await;
    assert_eq!(call.answer(200), 1);
    queue.ready().await.unwrap();
}
