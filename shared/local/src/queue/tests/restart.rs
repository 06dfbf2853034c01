use super::*;

#[tokio::test]
async fn unfinished_tasks_are_due_by_schedule_after_restart() {
    let mut site = Site::new().await;
    let queue = site.open();
    let running = start(&queue);
    for n in [1, 2, 3] {
        queue.enqueue(new(n)).await.unwrap();
    }
    queue.enqueue(new_at(4, NOW + HOUR / 6)).await.unwrap();
    let mut calls = [site.call().await, site.call().await, site.call().await];
    calls.sort_by_key(Call::number);
    let [done, failed, unanswered] = calls;
    done.answer(200);
    failed.answer(500);
    until_ended(&queue, 1).await;
    let failed = until(&queue, 2, |row| row.retries == 1).await;
    // Like `kill -9`: nothing is waited for.
    running.task.abort();
    assert!(running.task.await.unwrap_err().is_cancelled());
    drop((queue, unanswered));

    let queue = site.open();
    let _running = start(&queue);
    let again = site.call().await;
    assert_eq!(again.header("x-cloudtasks-taskretrycount"), "0", "what ran was only known to memory");
    assert_eq!(again.answer(200), 3);
    until_ended(&queue, 3).await;
    site.assert_nothing_due(&queue, 5).await;
    site.clock.set(Timestamp::from_millis(failed.due.unwrap()));
    assert_eq!(site.call().await.answer(200), 2);
    site.clock.set(NOW + HOUR / 6);
    assert_eq!(site.call().await.answer(200), 4);
    queue.enqueue(new(1)).await.unwrap();
    assert!(!queue.exists(&new(1).name()).await.unwrap(), "what ran keeps its name");
}

#[tokio::test]
async fn shutdown_begins_no_delivery_and_waits_for_answers() {
    let mut site = Site::new().await;
    let queue = site.open_with(QueueSettings { max_concurrent: 1, ..site.settings() });
    queue.enqueue(new(1)).await.unwrap();
    queue.enqueue(new(2)).await.unwrap();
    let running = start(&queue);
    let call = site.call().await;
    running.shutdown.cancel();
    call.answer(200);
    running.stop().await;
    until_ended(&queue, 1).await;
    assert!(site.calls.is_empty());
    let _running = start(&queue);
    assert_eq!(site.call().await.answer(200), 2, "it may run again");
}

#[tokio::test]
async fn shutdown_wait_is_limited_and_dropped_deliveries_are_repeated() {
    let mut site = Site::new().await;
    let queue = site.open();
    queue.enqueue(new(1)).await.unwrap();
    let running = start(&queue);
    let _unanswered = site.call().await;
    running.shutdown.cancel();
    let stop = running.stop();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = tokio::task::yield_now() => site.clock.advance(SECOND),
        }
        assert!(NOW.until(site.clock.now()) < HOUR / 2, "longer than its deadline");
    }
    let _running = start(&queue);
    let call = site.call().await;
    assert_eq!((call.header("x-cloudtasks-taskretrycount"), call.number()), ("0", 1));
}
