//! Events of AWS Lambda as its services write them: function URLs, API Gateway, load balancers, and damaged ones.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use testkit::skip;
use tests::cloud::Cloud;
use tests::lambda_runtime::{LambdaFunction, Posted};
use tests::recordings::T0;
use tests::wait::{Stopwatch, now_secs};
use tests::{Recording, eventually};

use crate::journey::cloud;

/// A request before it is put into an event.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a [(&'a str, &'a str)],
    headers: &'a [(&'a str, &'a str)],
    body: Option<(&'a str, bool)>,
}

fn map(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn lists(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect::<serde_json::Map<_, _>>().into()
}

impl Request<'_> {
    fn query_text(&self) -> String {
        self.query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    fn body(&self) -> (Value, bool) {
        self.body.map_or((Value::Null, false), |(text, is_base64)| (text.into(), is_base64))
    }

    /// A function URL, or API Gateway's HTTP API with this stage.
    fn http_api(&self, stage: &str) -> Value {
        let (body, is_base64) = self.body();
        let path = if stage == "$default" { self.path.to_owned() } else { format!("/{stage}{}", self.path) };
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": self.query_text(),
            "headers": map(self.headers), "isBase64Encoded": is_base64, "body": body,
            "requestContext": {
                "accountId": "anonymous", "apiId": "id", "domainName": "id.lambda-url.eu-central-1.on.aws",
                "domainPrefix": "id", "requestId": "id", "routeKey": "$default", "stage": stage,
                "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_i64,
                "http": {
                    "method": self.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4", "userAgent": "x"
                },
            },
        })
    }

    /// API Gateway's REST API, whose paths have no stage.
    fn rest_api(&self) -> Value {
        let (body, is_base64) = self.body();
        json!({
            "resource": "/{proxy+}", "path": self.path, "httpMethod": self.method, "headers": map(self.headers),
            "multiValueHeaders": lists(self.headers), "queryStringParameters": map(self.query),
            "multiValueQueryStringParameters": lists(self.query), "pathParameters": {"proxy": self.path},
            "stageVariables": null, "body": body, "isBase64Encoded": is_base64,
            "requestContext": {
                "accountId": "123456789012", "apiId": "id", "resourceId": "r", "resourcePath": "/{proxy+}",
                "httpMethod": self.method, "stage": "prod", "requestId": "id", "path": format!("/prod{}", self.path),
                "protocol": "HTTP/1.1", "domainName": "id.execute-api.eu-central-1.amazonaws.com",
                "requestTimeEpoch": 1_583_348_638_390_i64, "identity": {"sourceIp": "1.2.3.4"},
            },
        })
    }

    fn load_balancer(&self) -> Value {
        let (body, is_base64) = self.body();
        json!({
            "requestContext": {"elb": {
                "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/t/50dc6c495c0c9188"
            }},
            "httpMethod": self.method, "path": self.path, "queryStringParameters": map(self.query),
            "headers": map(self.headers), "body": body, "isBase64Encoded": is_base64,
        })
    }

    fn everywhere(&self) -> [(&'static str, Value); 4] {
        [
            ("function URL", self.http_api("$default")),
            ("HTTP API with a stage", self.http_api("prod")),
            ("REST API", self.rest_api()),
            ("load balancer", self.load_balancer()),
        ]
    }
}

/// The body of a form with one file, as the client of this boundary writes it.
fn form(file: &Recording) -> Vec<u8> {
    let head = format!("--edge\r\ncontent-disposition: form-data; name=\"files\"; filename=\"{}\"\r\n\r\n", file.name);
    [head.as_bytes(), &file.bytes, b"\r\n--edge--\r\n"].concat()
}

fn problem(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn every_kind_of_http_event_uploads_and_reads() {
    let cloud = cloud!();
    let upload = LambdaFunction::start("afterword-upload", &cloud.env()).await;
    let token = format!("Bearer {}", cloud.token("ann"));
    for n in 0..4 {
        let file = Recording::short(T0 + 10_000 * n);
        let body = BASE64_STANDARD.encode(form(&file));
        let headers = [
            ("authorization", token.as_str()),
            ("content-type", "multipart/form-data; boundary=edge"),
            ("host", "api.example.com"),
        ];
        let sent = Request {
            method: "POST",
            path: "/v2/sync/upload",
            query: &[("language", "en")],
            headers: &headers,
            body: Some((&body, true)),
        };
        let (kind, event) = sent.everywhere()[n as usize].clone();
        let answer = upload.answer(event).await;
        assert_eq!(answer["statusCode"], 202, "{kind}: {answer}");
        let read =
            Request { method: "GET", path: "/v2/sync/jobs", query: &[("limit", "1")], headers: &headers, body: None };
        let answer = upload.answer(read.everywhere()[n as usize].1.clone()).await;
        assert_eq!(answer["statusCode"], 200, "{kind}: {answer}");
        let jobs: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(jobs["jobs"][0]["files"][0]["name"], file.name, "{kind}: {jobs}");
        assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{kind}: the query is read");
    }
}

#[tokio::test]
async fn stage_that_is_called_like_the_first_segment_of_a_route_is_told_from_it() {
    let cloud = cloud!();
    let upload = LambdaFunction::start("afterword-upload", &cloud.env()).await;
    let token = format!("Bearer {}", cloud.token("ann"));
    let headers = [("authorization", token.as_str())];
    let asked = Request { method: "GET", path: "/v2/sync/jobs", query: &[], headers: &headers, body: None };
    assert_eq!(upload.answer(asked.http_api("v2")).await["statusCode"], 200, "the path has the stage");
    // Behind a domain of its own, the API's paths have no stage.
    let mut event = asked.http_api("$default");
    event["requestContext"]["stage"] = "v2".into();
    assert_eq!(upload.answer(event).await["statusCode"], 200, "the path has no stage");
}

#[tokio::test]
async fn body_that_is_not_base64_is_refused_and_the_function_goes_on() {
    let cloud = cloud!();
    let upload = LambdaFunction::start("afterword-upload", &cloud.env()).await;
    let token = format!("Bearer {}", cloud.token("ann"));
    let headers = [("authorization", token.as_str()), ("content-type", "multipart/form-data; boundary=edge")];
    let body = Some(("this is no base64!", true));
    let sent = Request { method: "POST", path: "/v2/sync/upload", query: &[], headers: &headers, body };
    for (kind, event) in sent.everywhere() {
        let answer = upload.answer(event).await;
        assert_eq!(answer["statusCode"], 400, "{kind}: {answer}");
        let problem = problem(&answer);
        assert_eq!(problem["code"], "invalid_parameter", "{kind}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("base64"), "{kind}: {problem}");
    }
    assert!(!upload.function.log.text().contains("panicked"), "{}", upload.function.log.tail());
}

#[tokio::test]
async fn event_without_a_request_is_refused_by_one_clear_line() {
    let cloud = cloud!();
    let upload = LambdaFunction::start("afterword-upload", &cloud.env()).await;
    let soon = u64::try_from(now_secs() + 60).unwrap() * 1000;
    for event in [
        json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}}}]}),
        json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}),
        json!("text"),
        json!(null),
    ] {
        let Posted::Error(error) = upload.invoke(event.clone(), soon).await else { panic!("answered: {event}") };
        assert!(error["errorMessage"].as_str().unwrap().contains("the event is no HTTP request"), "{error}");
    }
    let lines = upload.function.log.lines();
    let refused = lines.iter().filter(|line| line.text.contains("invoke this function by a function URL"));
    assert_eq!(refused.count(), 4, "{}", upload.function.log.tail());
    let errors: Vec<_> = lines.iter().filter(|line| line.field("level") == "ERROR").collect();
    let [error] = &errors[..] else { panic!("not exactly one ERROR: {}", upload.function.log.text()) };
    assert_eq!(error.field("message"), "an event that is no HTTP request was refused");
    assert!(error.field("remedy").contains("trigger"), "{}", error.text);
    let health = Request { method: "GET", path: "/healthz", query: &[], headers: &[], body: None };
    assert_eq!(upload.answer(health.rest_api()).await["statusCode"], 200);
}

#[tokio::test]
async fn delivery_puts_its_job_back_before_lambda_ends_it() {
    let cloud = cloud!().with("engine.name", "null").with("engine.null_delay_ms", "600000");
    let upload = cloud.upload().await;
    let process = LambdaFunction::start("afterword-process", &cloud.env()).await;
    let client = cloud.client(&upload, "ann");
    let job = client.accepted(&[Recording::short(T0)]).await;
    let task = json!({"job_id": job, "uid": "ann", "dispatch": 1}).to_string();
    let authorization = format!("Bearer {}", cloud.account_token());
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("x-task-secret", tests::cloud::SECRET),
    ];
    let sent =
        Request { method: "POST", path: "/v2/sync/process", query: &[], headers: &headers, body: Some((&task, false)) };
    let watch = Stopwatch::start();
    let deadline = u64::try_from(now_secs() + 16).unwrap() * 1000;
    let Posted::Answer(answer) = process.invoke(sent.http_api("$default"), deadline).await else { panic!("it failed") };
    assert!(watch.elapsed().as_secs() < 16, "Lambda would have ended it: {:?}", watch.elapsed());
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(problem(&answer)["status"], "rescheduled", "{answer}");
    // The job is queued again at once, has its progress, and says why.
    let put_back = client.job(&job).await;
    assert_eq!(put_back["status"], "queued", "{put_back}");
    assert_eq!(put_back["waiting"]["code"], "out_of_time", "{put_back}");
    let planned = process.function.log.steps("plan");
    assert_eq!(planned, 1, "the search for speech is not repeated");
    eventually("the next task is created", tests::wait::PATIENCE, async || {
        process.function.log.steps("enqueue").checked_sub(1)
    })
    .await;
}
