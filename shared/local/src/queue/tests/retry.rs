use super::*;

/// Whether the wait is that of the schedule plus at most a fifth, which is the queue's jitter.
fn is_about(waited: Duration, seconds: u32) -> bool {
    let base = seconds * SECOND;
    base <= waited && waited <= base + base / 5
}

#[tokio::test]
async fn failed_task_is_retried_by_schedule() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    queue.enqueue(new(1)).await.unwrap();
    for (retries, seconds) in [(1, 5), (2, 10), (3, 20), (4, 40)] {
        let call = site.call().await;
        assert_eq!(call.header("x-cloudtasks-taskretrycount"), (retries - 1).to_string());
        assert_eq!(call.header("x-cloudtasks-taskexecutioncount"), (retries - 1).to_string());
        let failed = call.at;
        call.answer(500);
        let row = until(&queue, 1, |row| row.retries == retries).await;
        let due = Timestamp::from_millis(row.due.unwrap());
        assert!(is_about(failed.until(due), seconds), "{:?}", failed.until(due));
        site.clock.set(due - MS);
        site.assert_nothing_due(&queue, 100 + u64::from(retries)).await;
        site.clock.set(due);
    }
    assert_eq!(site.call().await.answer(200), 1);
    until_ended(&queue, 1).await;
}

#[tokio::test]
async fn retry_after_is_observed_for_statuses_that_allow_it() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    let cases = [
        (409, "7", 7),
        (429, "60", 60),
        (503, "300", 300),
        (503, "86400", 300),
        (500, "60", 5),
        (503, "0", 5),
        (503, "Wed, 21 Oct 2026 07:28:00 GMT", 5),
        (429, "soon", 5),
    ];
    for (n, (status, requested_wait, seconds)) in (1..).zip(cases) {
        queue.enqueue(new(n)).await.unwrap();
        site.call().await.answer_with(status, Some(requested_wait));
        let row = until(&queue, n, |row| row.retries == 1).await;
        let waits = NOW.until(Timestamp::from_millis(row.due.unwrap()));
        assert!(is_about(waits, seconds), "{status} {requested_wait}: {waits:?}");
    }
}

#[tokio::test]
async fn any_other_status_is_a_failure() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    for (n, status) in (1..).zip([300, 302, 400, 401, 403, 404, 418, 500, 502, 503]) {
        queue.enqueue(new(n)).await.unwrap();
        site.call().await.answer(status);
        let row = until(&queue, n, |row| row.retries == 1).await;
        assert_eq!((row.due.is_some(), row.answers), (true, 1), "{status}");
    }
}

#[tokio::test]
async fn delivery_to_unreachable_worker_is_retried() {
    let mut site = Site::new().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = QueueSettings { url: format!("http://{free}/"), ..site.settings() };
    let queue = site.open_with(nobody);
    let running = start(&queue);
    queue.enqueue(new(1)).await.unwrap();
    let row = until(&queue, 1, |row| row.retries == 1).await;
    assert_eq!(row.answers, 0, "it was never executed");
    running.stop().await;
    drop(queue);
    let queue = site.open();
    site.clock.advance(HOUR);
    let _running = start(&queue);
    let call = site.call().await;
    assert_eq!(call.header("x-cloudtasks-taskretrycount"), "1");
    assert_eq!(call.header("x-cloudtasks-taskexecutioncount"), "0");
}

#[tokio::test]
async fn broken_connection_is_a_failure() {
    let site = Site::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude = QueueSettings { url: format!("http://{}/", listener.local_addr().unwrap()), ..site.settings() };
    let queue = site.open_with(rude);
    let _running = start(&queue);
    queue.enqueue(new(1)).await.unwrap();
    drop(soon("a connection", listener.accept()).await.unwrap());
    assert_eq!(until(&queue, 1, |row| row.retries == 1).await.answers, 0);
}

#[tokio::test]
async fn delivery_fails_at_its_deadline_and_not_before() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    queue.enqueue(new(1)).await.unwrap();
    let unanswered = site.call().await;
    site.clock.set(NOW + HOUR / 2 - MS);
    site.assert_nothing_due(&queue, 2).await;
    assert_eq!(row(&queue, 1).await.retries, 0);
    site.clock.set(NOW + HOUR / 2);
    let row = until(&queue, 1, |row| row.retries == 1).await;
    assert_eq!(row.answers, 0);
    unanswered.answer(200);
    site.clock.advance(HOUR);
    assert_eq!(site.call().await.answer(200), 1, "an answer after the deadline counts for nothing");
}

#[tokio::test]
async fn task_out_of_attempts_is_given_up_and_keeps_its_name() {
    let mut site = Site::new().await;
    let queue = site.open_with(QueueSettings { max_attempts: 2, ..site.settings() });
    let _running = start(&queue);
    queue.enqueue(new(1)).await.unwrap();
    site.call().await.answer(500);
    until(&queue, 1, |row| row.retries == 1).await;
    site.clock.advance(10 * SECOND);
    site.call().await.answer(500);
    until_ended(&queue, 1).await;
    assert!(!queue.exists(&new(1).name()).await.unwrap());
    queue.enqueue(new(1)).await.unwrap();
    site.assert_nothing_due(&queue, 2).await;
}
