//! The program with Deepgram as its engine, against a local provider that behaves as Deepgram documents.

use serde_json::{Value, json};
use testkit::Provider;
use testkit::provider::{ReceivedRequest, Reply};
use tests::recordings::T0;
use tests::wait::{PATIENCE, now_secs};
use tests::{Recording, Setup};

const KEY: &str = "key-of-nobody";

fn setup(provider: &Provider) -> Setup {
    let setup = Setup::new().with("engine.name", "deepgram").with("engine.deepgram.url", &provider.url);
    let setup = setup.with("engine.deepgram.api_key", KEY);
    // Waiting jobs are retried soon.
    setup.with("jobs.backoff_min_seconds", 1).with("jobs.backoff_max_seconds", 1)
}

/// Three seconds of speech, encoded as devices do.
fn opus() -> Recording {
    let path = "fixtures/speech/audio_ss0880_opus_16000_1_fs160_1748300000.bin";
    let bytes = std::fs::read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    Recording::new(format!("audio_phone_opus_16000_1_fs160_{T0}.bin"), bytes)
}

/// An answer with two speakers.
fn heard(_: &ReceivedRequest) -> Reply {
    let word = |word: &str, start: f64, end: f64, speaker: u32, punctuated: &str| json!({"word": word, "start": start, "end": end, "confidence": 0.9, "speaker": speaker, "punctuated_word": punctuated});
    let words = [word("he", 0.5, 0.7, 0, "He"), word("was", 0.7, 0.9, 0, "was."), word("yes", 1.2, 1.5, 1, "Yes.")];
    answer(&json!({
        "channels": [{
            "detected_language": "en",
            "alternatives": [{"transcript": "He was. Yes.", "confidence": 0.9, "words": words}],
        }],
        "utterances": [
            {"start": 0.5, "end": 0.9, "transcript": "He was.", "words": words[..2], "speaker": 0, "channel": 0},
            {"start": 1.2, "end": 1.5, "transcript": "Yes.", "words": words[2..], "speaker": 1, "channel": 0},
        ],
    }))
}

fn nothing(_: &ReceivedRequest) -> Reply {
    let nothing = json!([{"alternatives": [{"transcript": "", "confidence": 0.0, "words": []}]}]);
    answer(&json!({"channels": nothing, "utterances": []}))
}

fn answer(results: &Value) -> Reply {
    Reply::json(200, &json!({"metadata": {"request_id": "1", "duration": 60.0, "channels": 1}, "results": results}))
}

fn complaint(
    status: u16,
    code: &'static str,
    message: &'static str,
) -> impl Fn(&ReceivedRequest) -> Reply + Send + Sync {
    move |_| Reply::json(status, &json!({"err_code": code, "err_msg": message, "request_id": "1"}))
}

/// The number of calls for the recording, and for the built-in sample, which is not Opus.
fn calls(provider: &Provider) -> (usize, usize) {
    let request = provider.requests();
    let ours = request.iter().filter(|request| request.header("content-type") == "audio/ogg").count();
    (ours, request.len() - ours)
}

fn waits(job: &Value) -> bool {
    job["waiting_for"] == "engine"
}

#[tokio::test]
async fn conversation_has_language_speakers_and_words_with_times() {
    let provider = Provider::start(heard).await;
    let server = setup(&provider).start().await;
    let client = server.client();
    let job = client.done(&[opus()]).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(calls(&provider), (1, 0));
    let conversations = client.conversations().await;
    assert_eq!(conversations[0]["language"], "en", "{conversations:?}");
    let segments = client.segments().await;
    let texts: Vec<_> =
        segments.iter().map(|s| (s["text"].as_str().unwrap(), s["speaker"].as_str().unwrap())).collect();
    assert_eq!(texts, [("He was.", "0"), ("Yes.", "1")]);
    // The file that was sent began one packet before the segment: up to 20 ms are subtracted, 6.5 ms added.
    let near = |value: &Value, ms: i64| (ms - 20..=ms + 7).contains(&value.as_i64().unwrap());
    assert!(near(&segments[0]["start_ms"], 500) && near(&segments[1]["end_ms"], 1_500), "{segments:?}");
    let words = segments[0]["words"].as_array().unwrap();
    assert_eq!(words.iter().map(|word| word["text"].as_str().unwrap()).collect::<Vec<_>>(), ["He", "was."]);
    assert!(near(&words[1]["start_ms"], 700) && near(&words[1]["end_ms"], 900), "{words:?}");
    assert_eq!(client.usage().await.1, 3, "three words");
}

#[tokio::test]
async fn api_key_is_enough_to_select_deepgram() {
    let provider = Provider::start(heard).await;
    let server =
        setup(&provider).with("engine.name", "auto").with("engine.http.url", "http://localhost:1").start().await;
    let job = server.client().done(&[opus()]).await;
    assert_eq!((&job["status"], calls(&provider)), (&json!("completed"), (1, 0)), "{job}");
}

#[tokio::test]
async fn opus_is_sent_unchanged_and_other_codecs_as_flac() {
    let provider = Provider::start(heard).await;
    let server = setup(&provider).start().await;
    let recording = opus();
    server.client().done(&[recording.clone(), Recording::speech(T0 + 3_600)]).await;
    // The files of a job are transcribed in parallel.
    let mut request = provider.requests();
    request.sort_by_key(|call| call.header("content-type").to_owned());
    let [flac, ogg] = &request[..] else { panic!("{} calls", request.len()) };
    let options = ["model", "smart_format", "punctuate", "diarize", "utterances", "detect_language"];
    assert_eq!(ogg.query.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), options);
    assert_eq!((ogg.path.as_str(), ogg.header("authorization")), ("/v1/listen", format!("Token {KEY}").as_str()));
    assert_eq!((ogg.header("content-type"), flac.header("content-type")), ("audio/ogg", "audio/flac"));
    assert!(ogg.body.starts_with(b"OggS") && flac.body.starts_with(b"fLaC"));
    // Packets from the middle of the recording, unchanged: a length, and as many bytes.
    let mut packets = &recording.bytes[..];
    for _ in 0..150 {
        let length = u32::from_le_bytes(packets[..4].try_into().unwrap()) as usize;
        packets = &packets[4 + length..];
    }
    let packet = &packets[4..4 + u32::from_le_bytes(packets[..4].try_into().unwrap()) as usize];
    assert!(packet.len() > 10 && ogg.body.windows(packet.len()).any(|bytes| bytes == packet), "{packet:?}");
}

#[tokio::test]
async fn language_of_an_upload_is_sent_to_the_engine() {
    let provider = Provider::start(heard).await;
    let server = setup(&provider).start().await;
    let client = server.client();
    let answer = client.upload_to("?language=de-AT", &[opus()]).await.ok();
    client.terminal(answer["job_id"].as_str().unwrap()).await;
    let request = provider.requests().remove(0);
    assert_eq!(request.query.last().unwrap(), &("language".to_owned(), "de".to_owned()));
}

#[tokio::test]
async fn provider_is_not_called_before_its_retry_after() {
    let busy = |after: &'static str| move |_: &ReceivedRequest| Reply::json(429, &json!({})).with("retry-after", after);
    let provider = Provider::start(busy("3600")).await;
    let server = setup(&provider).start().await;
    let client = server.client();
    let job_id = client.accepted(&[opus()]).await;
    let job = client.until(&job_id, "waits for the engine", waits).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("queued"), &json!(0)), "{job}");
    let until: domain::Timestamp = job["until"].as_str().unwrap().parse().unwrap();
    assert!((3_500..=3_601).contains(&(until.millis() / 1_000 - now_secs())), "{job}");
    assert_eq!(calls(&provider), (1, 0), "the provider was called again");

    provider.set_answers(busy("1"));
    let other = client.accepted(&[Recording::speech(T0 + 3_600)]).await;
    client.until(&other, "waits for the engine", waits).await;
    provider.set_answers(heard);
    assert_eq!(client.terminal(&other).await["status"], "completed");
}

#[tokio::test]
async fn wrong_key_is_logged_as_an_alert_and_the_job_waits() {
    let provider = Provider::start(|request: &ReceivedRequest| match request.header("authorization") {
        "Token the-right-key" => heard(request),
        _ => complaint(401, "INVALID_AUTH", "Invalid credentials.")(request),
    })
    .await;
    let setup = setup(&provider);
    let server = setup.start().await;
    let client = server.client();
    let job_id = client.accepted(&[opus()]).await;
    let job = client.until(&job_id, "waits for the engine", waits).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("queued"), &Value::Null), "{job}");
    let alert = |line: &tests::log::Line| line.field("level") == "ERROR" && line.field("job_id") == job_id;
    let line = server.log.wait("an alert", PATIENCE, alert).await;
    for part in ["127.0.0.1:", "answered 401", "INVALID_AUTH", "is the key right"] {
        assert!(line.field("error").contains(part), "{}", line.text);
    }
    assert!(!server.log.text().contains(KEY), "the key is in the log");
    assert!(!job.to_string().contains("INVALID_AUTH"), "the provider's message belongs only into the log: {job}");
    assert_eq!((client.usage().await, calls(&provider).1), ((0, 0, 0), 0));
    server.kill9().await;
    let server = setup.with("engine.deepgram.api_key", "the-right-key").start().await;
    assert_eq!(server.client().terminal(&job_id).await["status"], "completed");
}

#[tokio::test]
async fn malformed_answer_is_retried() {
    let provider = Provider::start(|_: &ReceivedRequest| Reply::json(200, &json!({"results": {"channels": []}}))).await;
    let server = setup(&provider).start().await;
    let client = server.client();
    let job_id = client.accepted(&[opus()]).await;
    client.until(&job_id, "waits for the engine", waits).await;
    let (ours, sample) = calls(&provider);
    assert!(ours >= 2 && sample >= 1, "called {ours} times, and {sample} times with the sample");
    provider.set_answers(heard);
    let job = client.terminal(&job_id).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(client.segments().await.len(), 2);
}

#[tokio::test]
async fn transient_fault_is_not_visible_in_the_job() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let provider = Provider::start(move |request: &ReceivedRequest| {
        if first.swap(false, std::sync::atomic::Ordering::SeqCst) { Reply::cut("{") } else { heard(request) }
    })
    .await;
    let server = setup(&provider).start().await;
    let job = server.client().done(&[opus()]).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("completed"), &json!(1)), "{job}");
    let [one, other] = &provider.requests()[..] else { panic!("{} calls", provider.requests().len()) };
    assert_eq!(one.body, other.body);
}

#[tokio::test]
async fn empty_answer_counts_as_silence_only_if_the_provider_transcribes_the_sample() {
    let provider = Provider::start(nothing).await;
    let server = setup(&provider).start().await;
    let client = server.client();
    let job_id = client.accepted(&[opus()]).await;
    client.until(&job_id, "waits for the engine", waits).await;
    let request = provider.requests();
    assert!(
        request[0].body == request[1].body && request[0].query == request[1].query,
        "the same request is sent once more"
    );
    assert_eq!(request[2].header("content-type"), "audio/flac", "the sample");
    provider.set_answers(|request: &ReceivedRequest| match request.header("content-type") {
        "audio/ogg" => nothing(request),
        _ => heard(request),
    });
    let job = client.terminal(&job_id).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!((client.usage().await, client.conversations().await.len()), ((0, 0, 0), 0));
}

/// The first answer is lost, the second one is empty: so the empty answer was given only once.
#[tokio::test]
async fn empty_answer_after_a_fault_is_requested_once_more() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let provider = Provider::start(move |request: &ReceivedRequest| match request.header("content-type") {
        "audio/ogg" if first.swap(false, std::sync::atomic::Ordering::SeqCst) => Reply::cut("{"),
        "audio/ogg" => nothing(request),
        _ => heard(request),
    })
    .await;
    let server = setup(&provider).start().await;
    let job = server.client().done(&[opus()]).await;
    assert_eq!((&job["status"], calls(&provider)), (&json!("completed"), (3, 1)), "{job}");
}

#[tokio::test]
async fn audio_that_the_provider_cannot_read_fails_as_invalid() {
    let corrupt = "Bad Request: failed to process audio: corrupt or unsupported data";
    let provider = Provider::start(complaint(400, "Bad Request", corrupt)).await;
    let server = setup(&provider).start().await;
    let job = server.client().done(&[opus()]).await;
    let file = &job["files"][0];
    assert_eq!((&file["status"], &file["code"]), (&json!("failed"), &json!("transcription_refused")), "{job}");
    assert_eq!((&file["blame"], calls(&provider)), (&json!("content"), (1, 0)));
    assert!(!job.to_string().contains("corrupt"), "{job}");
}

#[tokio::test]
async fn invalid_settings_prevent_the_start_and_show_no_key() {
    let setup = Setup::new().with("engine.name", "deepgram");
    let line = setup.refused().await;
    assert!(line.contains("engine.deepgram.api_key"), "{line}");
    let with_key = setup.with("engine.deepgram.api_key", KEY);
    for (key, value, wanted) in [
        ("engine.deepgram.api_key", "", "engine.deepgram.api_key: is set, but empty"),
        ("engine.deepgram.url", "deepgram", "engine.deepgram.url: must be an address"),
        ("engine.deepgram.url", "http://api.deepgram.com", "engine.deepgram.url: must begin with https://"),
        ("engine.deepgram.concurrency", "0", "engine.deepgram.concurrency must lie between"),
        ("engine.deepgram.key", "x", "no key `engine.deepgram.key`"),
    ] {
        let line = with_key.clone().with(key, value).refused().await;
        assert!(line.contains(wanted) && !line.contains(KEY), "{key}={value}: {line}");
    }
    let shown = with_key.run(&["config", "show"]).await.ok();
    assert!(shown.contains("api_key = \"********\"  # from AFTERWORD_ENGINE_DEEPGRAM_API_KEY"), "{shown}");
    assert!(!shown.contains(KEY), "{shown}");
}
