use std::collections::BTreeMap;

use emulators::receiver::{Call, Receiver};
use emulators::tasks::Tasks;
use flow::ports::Queue;

use super::*;
use crate::tasks::TaskOidc;

/// The system's clock, which the emulator uses too.
struct Wall;

#[async_trait]
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        wall()
    }

    async fn sleep(&self, _: Duration) {
        unreachable!("only its moment is asked for");
    }
}

async fn site(change: impl FnOnce(&mut CloudTasksSettings)) -> (Tasks, Receiver, Arc<CloudTasks>) {
    let (emulator, worker) = (Tasks::start().await, Receiver::start().await);
    let mut settings = settings(emulator.endpoint(), &worker.url);
    change(&mut settings);
    let queue = open(settings, Arc::new(RealPauses(Arc::new(Wall))));
    (emulator, worker, queue)
}

/// Headers that the service's client always sends, which do not matter here.
const OF_THE_CLIENT: [&str; 5] = ["accept", "accept-encoding", "content-length", "host", "user-agent"];

fn headers(call: &Call) -> BTreeMap<&str, &str> {
    let all = call.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    all.filter(|(name, _)| !OF_THE_CLIENT.contains(name)).collect()
}

#[tokio::test]
async fn delivery_carries_only_ids_secret_and_trace() {
    let (emulator, mut worker, queue) = site(|settings| settings.process_url.push('/')).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let task = NewTask { traceparent: Some(parent.to_owned()), ..new(1) };
    queue.enqueue(task.clone()).await.unwrap();
    let call = worker.call().await;
    assert_eq!((call.method.as_str(), call.uri.path()), ("POST", "/v2/sync/process"));
    let body = format!(r#"{{"job_id":"{}","uid":"ann","dispatch":1}}"#, task.body.job_id);
    assert_eq!(call.body, body);
    let mut headers = headers(&call);
    let eta: f64 = headers.remove("x-cloudtasks-tasketa").unwrap().parse().unwrap();
    assert!((wall().millis() as f64 / 1000.0 - eta).abs() < 60.0);
    let name = task.name();
    let wanted = [
        ("content-type", "application/json"),
        ("traceparent", parent),
        ("x-cloudtasks-queuename", "afterword"),
        ("x-cloudtasks-taskexecutioncount", "0"),
        ("x-cloudtasks-taskname", name.as_str()),
        ("x-cloudtasks-taskretrycount", "0"),
        ("x-task-secret", SECRET),
    ];
    assert_eq!(headers, wanted.into_iter().collect());
    let [listed] = &emulator.tasks().await[..] else { panic!("one task is under way") };
    assert_eq!(listed.dispatch_deadline, "1800s");
    call.answer(200);
}

#[tokio::test]
async fn invalid_trace_is_omitted_and_task_is_created() {
    let (_emulator, mut worker, queue) = site(|_| ()).await;
    queue.enqueue(NewTask { traceparent: Some("00-\n".to_owned()), ..new(1) }).await.unwrap();
    let call = worker.call().await;
    assert!(!call.headers.contains_key("traceparent"));
    call.answer(200);
}

#[tokio::test]
async fn delivery_has_token_for_audience_when_account_is_configured() {
    let oidc = TaskOidc { service_account: "tasks@afterword.test".to_owned(), audience: "https://process".to_owned() };
    let (_emulator, mut worker, queue) = site(|settings| settings.oidc = Some(oidc)).await;
    queue.enqueue(new(1)).await.unwrap();
    let call = worker.call().await;
    let token = call.header("authorization").strip_prefix("Bearer ").unwrap();
    let claims: serde_json::Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
    assert_eq!((&claims["aud"], &claims["email"]), (&"https://process".into(), &"tasks@afterword.test".into()));
    call.answer(200);
}

#[tokio::test]
async fn tasks_arrive_on_schedule_and_not_before() {
    let (_emulator, mut worker, queue) = site(|_| ()).await;
    let now = wall();
    let times = [2000, 1000].map(|ms| now + Duration::from_millis(ms));
    for (n, at) in (1..).zip(times) {
        queue.enqueue(NewTask { schedule: Some(at), ..new(n) }).await.unwrap();
    }
    for (n, at) in [(2, times[1]), (1, times[0])] {
        let call = worker.call().await;
        assert_eq!(call.header("x-cloudtasks-taskname"), new(n).name().as_str());
        assert!(wall().has_reached(at), "it came before its time");
        call.answer(200);
    }
}

#[tokio::test]
async fn schedule_beyond_service_limit_is_shortened() {
    let (emulator, _worker, queue) = site(|_| ()).await;
    let far = wall() + Duration::from_secs(90 * 24 * 3600);
    queue.enqueue(NewTask { schedule: Some(far), ..new(1) }).await.unwrap();
    let [listed] = &emulator.tasks().await[..] else { panic!("it was made") };
    let drawn: Timestamp = listed.schedule_time.parse().unwrap();
    assert!(drawn > wall() + Duration::from_secs(718 * 3600) && drawn < far);
}

#[tokio::test]
async fn failed_delivery_is_repeated_until_success() {
    let (emulator, mut worker, queue) = site(|_| ()).await;
    emulator.retry_at_once().await;
    queue.enqueue(new(1)).await.unwrap();
    for (retries, status) in [("0", 500), ("1", 503), ("2", 200)] {
        assert!(queue.exists(&new(1).name()).await.unwrap());
        let call = worker.call().await;
        assert_eq!((call.header("x-cloudtasks-taskretrycount"), call.header("x-task-secret")), (retries, SECRET));
        call.answer(status);
    }
    emulators::soon("the end of the task", async { while queue.exists(&new(1).name()).await.unwrap() {} }).await;
    assert_eq!(worker.waiting(), 0);
}
