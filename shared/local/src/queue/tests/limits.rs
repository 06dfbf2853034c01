use super::*;
use crate::queue::upcoming::CAPACITY;

#[tokio::test]
async fn concurrent_deliveries_are_limited() {
    let mut site = Site::new().await;
    let queue = site.open_with(QueueSettings { max_concurrent: 3, ..site.settings() });
    for n in 1..=6 {
        queue.enqueue(new(n)).await.unwrap();
    }
    let _running = start(&queue);
    let mut calls = vec![site.call().await, site.call().await, site.call().await];
    // Five are asleep: three deliveries, the dispatcher and the purge.
    site.clock.until_asleep(5).await;
    for n in 4..=6 {
        assert!(site.calls.is_empty(), "{n} had to wait");
        calls.pop().unwrap().answer(200);
        calls.push(site.call().await);
        site.clock.until_asleep(5).await;
    }
}

#[tokio::test]
async fn deliveries_per_second_are_limited() {
    let mut site = Site::new().await;
    let queue = site.open_with(QueueSettings { max_per_second: 10, ..site.settings() });
    for n in 1..=6 {
        queue.enqueue(new(n)).await.unwrap();
    }
    let _running = start(&queue);
    let (mut begun, mut unanswered) = (Vec::new(), Vec::new());
    for n in 1..=6 {
        if n > 2 {
            // Asleep are the deliveries without an answer, the dispatcher and the purge.
            site.clock.until_asleep(n - 1 + 2).await;
            site.clock.advance(99 * MS);
            site.clock.advance(MS);
        }
        let call = site.call().await;
        begun.push(NOW.until(call.at).as_millis());
        unanswered.push(call);
    }
    assert_eq!(begun, [0, 0, 100, 200, 300, 400]);
}

/// Fills the table like `enqueue`, but in one step: that many commits would only take time.
async fn fill(queue: &LocalQueue, count: i64, first: Timestamp) {
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
               INSERT INTO tasks (name, due, body) SELECT i, ?2 + i, x'7b7d' FROM n";
    queue.rows.call("test", "", move |db| db.execute(sql, [count, first.millis()])).await.unwrap();
}

#[tokio::test]
async fn hundred_thousand_scheduled_tasks_take_little_memory_and_delay_no_others() {
    let mut site = Site::new().await;
    let queue = site.open_with(QueueSettings { max_per_second: 1_000_000, ..site.settings() });
    fill(&queue, 100_000, NOW + HOUR).await;
    let _running = start(&queue);
    site.assert_nothing_due(&queue, 1).await;
    for n in 2..100 {
        queue.enqueue(new_at(n, NOW + HOUR - SECOND)).await.unwrap();
    }
    assert!(queue.upcoming().len() <= CAPACITY);
    assert!(queue.exists(&new(2).name()).await.unwrap());
    // More than one page of tasks becomes due.
    let due: u32 = 5000;
    site.clock.set(NOW + HOUR + due * MS);
    for _ in 0..due + 98 {
        let call = site.call().await;
        drop(call.reply.send(Response::new(String::new())));
        assert!(queue.upcoming().len() <= CAPACITY);
    }
    site.assert_nothing_due(&queue, 100).await;
}
