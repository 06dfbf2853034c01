use super::*;

#[tokio::test]
async fn delivery_has_cloud_tasks_headers_and_the_secret() {
    let mut site = Site::new().await;
    let queue = site.open();
    let running = start(&queue);
    let task = NewTask { traceparent: Some("00-0af7-b7ad-01".into()), ..new(1) };
    queue.enqueue(task.clone()).await.unwrap();
    let call = site.call().await;
    for (name, value) in [
        ("x-cloudtasks-queuename", "afterword"),
        ("x-cloudtasks-taskname", task.name().as_str()),
        ("x-cloudtasks-taskretrycount", "0"),
        ("x-cloudtasks-taskexecutioncount", "0"),
        ("x-cloudtasks-tasketa", "1800000000.000"),
        ("x-task-secret", SECRET),
        ("traceparent", "00-0af7-b7ad-01"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(call.header(name), value, "{name}");
    }
    assert_eq!(call.task(), task.body);
    call.answer(200);
    until_ended(&queue, 1).await;
    running.stop().await;
}

#[tokio::test]
async fn any_success_status_ends_a_task() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    for (n, status) in [(1, 200), (2, 202), (3, 204), (4, 299)] {
        queue.enqueue(new(n)).await.unwrap();
        site.call().await.answer(status);
        until_ended(&queue, n).await;
        assert!(!queue.exists(&new(n).name()).await.unwrap());
    }
}

#[tokio::test]
async fn new_task_wakes_sleeping_dispatcher() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    queue.enqueue(new_at(1, NOW + HOUR)).await.unwrap();
    // The dispatcher and the purge sleep.
    site.clock.until_asleep(2).await;
    queue.enqueue(new(2)).await.unwrap();
    assert_eq!(site.call().await.answer(200), 2);
}

#[tokio::test]
async fn task_is_delivered_at_its_time_and_not_a_millisecond_before() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    let due = NOW + HOUR;
    queue.enqueue(new_at(1, due)).await.unwrap();
    site.assert_nothing_due(&queue, 2).await;
    site.clock.set(due - MS);
    site.assert_nothing_due(&queue, 3).await;
    site.clock.set(due);
    let call = site.call().await;
    assert_eq!((call.number(), call.at), (1, due));
    assert_eq!(call.header("x-cloudtasks-tasketa"), "1800003600.000");
}

#[tokio::test]
async fn earliest_tasks_are_delivered_first() {
    let mut site = Site::new().await;
    let queue = site.open_with(QueueSettings { max_concurrent: 1, ..site.settings() });
    for (n, seconds) in [(1, 30), (2, 10), (3, 20)] {
        queue.enqueue(new_at(n, NOW + seconds * SECOND)).await.unwrap();
    }
    site.clock.advance(HOUR);
    let _running = start(&queue);
    for n in [2, 3, 1] {
        assert_eq!(site.call().await.answer(200), n);
    }
}

#[tokio::test]
async fn cancelled_enqueue_is_delivered_all_the_same() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    site.assert_nothing_due(&queue, 1).await;
    tokio::select! {
        biased;
        _ = queue.enqueue(new(2)) => panic!("a commit takes longer than one poll"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(site.call().await.answer(200), 2);
}
