use super::*;

#[tokio::test]
async fn name_of_waiting_or_running_task_creates_no_second_task() {
    let mut site = Site::new().await;
    let queue = site.open();
    queue.enqueue(new_at(1, NOW + HOUR)).await.unwrap();
    queue.enqueue(new(1)).await.unwrap();
    let _running = start(&queue);
    site.assert_nothing_due(&queue, 9).await;
    site.clock.set(NOW + HOUR);
    let call = site.call().await;
    assert!(queue.exists(&new(1).name()).await.unwrap(), "it runs");
    queue.enqueue(new(1)).await.unwrap();
    call.answer(200);
    until_ended(&queue, 1).await;
    site.assert_nothing_due(&queue, 10).await;
}

#[tokio::test]
async fn name_is_free_again_after_one_hour() {
    for (passed, comes) in [(HOUR - MS, false), (HOUR, true), (HOUR + MS, true)] {
        let mut site = Site::new().await;
        let queue = site.open();
        let running = start(&queue);
        queue.enqueue(new(1)).await.unwrap();
        site.call().await.answer(200);
        until_ended(&queue, 1).await;
        // No dispatcher runs, and so no purge: only the name's own age matters.
        running.stop().await;
        site.clock.set(NOW + passed);
        queue.enqueue(new(1)).await.unwrap();
        assert_eq!(queue.exists(&new(1).name()).await.unwrap(), comes, "{passed:?}");
        let _running = start(&queue);
        if comes {
            assert_eq!(site.call().await.answer(200), 1);
        } else {
            site.assert_nothing_due(&queue, 2).await;
        }
    }
}

#[tokio::test]
async fn expired_names_are_purged_page_by_page() {
    let site = Site::new().await;
    let queue = site.open();
    let ended = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1201)
                 INSERT INTO tasks (name, ended, body) SELECT i, ?1, x'' FROM n";
    queue.rows.call("test", "", |db| db.execute(ended, [NOW.millis()])).await.unwrap();
    site.clock.set(NOW + HOUR - MS);
    queue.purge().await.unwrap();
    assert_eq!(count(&queue, "true").await, 1201);
    site.clock.set(NOW + HOUR);
    queue.purge().await.unwrap();
    assert_eq!(count(&queue, "true").await, 0);
}

#[tokio::test]
async fn running_queue_purges_expired_names() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    queue.enqueue(new(1)).await.unwrap();
    site.call().await.answer(200);
    until_ended(&queue, 1).await;
    site.clock.advance(HOUR);
    let gone = async { while count(&queue, "true").await != 0 {} };
    soon("the purge", gone).await;
}
