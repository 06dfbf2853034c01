//! Real speech through the real program with its built-in engine: the words come back at the times when they were
//! spoken, and sounds other than speech produce no words.

use serde_json::{Value, json};
use testkit::wer::{Errors, errors, words};
use tests::recordings::T0;
use tests::sounds::{MS, breathing, clicks, clip, music, pink, recorded, silence, text, tone, without_pauses};
use tests::{Client, Recording, Setup, program};

/// The largest difference between the start of a line and the moment at which someone begins to speak.
const NEAR_MS: i64 = 250;

/// A line of a transcript: its offset in the recording, and its text.
struct Heard {
    start_ms: i64,
    end_ms: i64,
    text: String,
    language: Value,
}

/// The transcript of one device's recording that began at `T0`.
async fn heard(client: &Client, device: &str) -> Vec<Heard> {
    let conversations = client.conversations().await;
    let of_device = conversations.iter().filter(|conversation| conversation["device"] == device);
    let lines = of_device.flat_map(|conversation| {
        let began = millis(&conversation["started_at"]) - T0 * 1000;
        conversation["segments"].as_array().unwrap().iter().map(move |line| Heard {
            start_ms: began + line["start_ms"].as_i64().unwrap(),
            end_ms: began + line["end_ms"].as_i64().unwrap(),
            text: line["text"].as_str().unwrap().to_owned(),
            language: line["language"].clone(),
        })
    });
    let mut lines: Vec<Heard> = lines.collect();
    lines.sort_by_key(|line| line.start_ms);
    lines
}

fn millis(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<domain::Timestamp>().unwrap().millis()
}

fn wrong(id: &str, heard: &[Heard]) -> Errors {
    let all: Vec<&str> = heard.iter().map(|line| line.text.as_str()).collect();
    errors(&words(&text(id)), &words(&all.join(" ")))
}

fn setup() -> Setup {
    Setup::new().with_speech_engine()
}

async fn completed(client: &Client, files: &[Recording]) -> Value {
    let job = client.done(files).await;
    assert_eq!(job["status"], "completed", "{job}");
    job
}

#[tokio::test]
async fn speech_is_transcribed_correctly_and_counted_once() {
    let server = setup().start().await;
    let client = server.client();
    for (id, most) in [("jfk", 1), ("ss0890", 1)] {
        let samples = clip(id);
        let job = completed(&client, &[recorded(id, T0, &samples)]).await;
        let lines = heard(&client, id).await;
        let errors = wrong(id, &lines);
        assert!(errors.wrong <= most, "{id}: {} of {} words are wrong", errors.wrong, errors.words);
        assert!(lines.iter().all(|line| line.language == "en"));
        let speech = job["files"][0]["speech_ms"].as_u64().unwrap();
        assert!(speech * MS as u64 <= samples.len() as u64 && speech > 2_000, "{speech} ms of speech");
    }
    let (segments, counted, transcribed_ms) = client.usage().await;
    assert!((10_000..16_300).contains(&transcribed_ms), "{transcribed_ms}");
    assert!((34..39).contains(&counted) && segments >= 2, "{counted} words in {segments} segments");
}

#[tokio::test]
async fn other_sounds_than_speech_give_no_words_and_no_usage() {
    let server = setup().start().await;
    let client = server.client();
    let sounds = [
        ("silence", silence(20_000)),
        ("tone", tone(20, 440.0)),
        ("clicks", clicks(20)),
        ("breathing", breathing(20)),
        ("music", music(20)),
        ("pink", pink(20)),
    ];
    for (device, samples) in sounds {
        let job = completed(&client, &[recorded(device, T0, &samples)]).await;
        assert_eq!(job["files"][0]["status"], "silent", "{device}: {job}");
    }
    assert_eq!(client.usage().await, (0, 0, 0));
    assert_eq!(client.conversations().await, Vec::<Value>::new());
    let metrics = client.get("/metrics").await.text;
    let asked = metrics.lines().find(|line| line.starts_with("afterword_engine_call_duration_seconds_count"));
    assert_eq!(asked, None, "the engine was asked");
}

/// When someone begins to speak in the clip, by its loudness.
fn onset_ms(samples: &[i16]) -> i64 {
    let loud = |step: &[i16]| step.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0) > 1_500;
    let step = samples.chunks(10 * MS).position(loud).unwrap();
    i64::try_from(step).unwrap() * 10
}

#[tokio::test]
async fn lines_begin_where_they_were_spoken() {
    let server = setup().start().await;
    let client = server.client();
    let spoken = clip("ss0880");
    let onset = onset_ms(&spoken);
    for (device, before_ms) in [("at0", 0), ("at10", 10_000), ("at123", 123_456)] {
        let samples = [silence(before_ms), spoken.clone(), silence(5_000)].concat();
        completed(&client, &[recorded(device, T0, &samples)]).await;
        let lines = heard(&client, device).await;
        let off = lines[0].start_ms - (i64::try_from(before_ms).unwrap() + onset);
        assert!(off.abs() <= NEAR_MS, "{device}: {off} ms beside it");
        assert!(lines.iter().all(|line| line.end_ms > line.start_ms));
        assert!(wrong("ss0880", &lines).wrong <= 1, "{device}");
    }
}

/// A minute of speech without a pause has to be cut three times, and each cut may cost a word.
#[tokio::test]
async fn speech_without_pauses_is_cut_without_losing_words() {
    let server = setup().start().await;
    let client = server.client();
    let whole = clip("sonnet");
    let breathless = without_pauses(&whole, 80);
    assert!(breathless.len() + 4_000 * MS < whole.len(), "the sonnet has pauses");
    let files = [recorded("paused", T0, &whole), recorded("breathless", T0, &breathless)];
    let job = completed(&client, &files).await;
    let segments = job["files"][1]["segments"].as_u64().unwrap();
    assert!(segments >= 3, "{job}");
    let (paused, cut) =
        (wrong("sonnet", &heard(&client, "paused").await), wrong("sonnet", &heard(&client, "breathless").await));
    let cuts = usize::try_from(segments - 1).unwrap();
    assert!(cut.wrong <= paused.wrong + cuts, "{} wrong with pauses, {} without, {cuts} cuts", paused.wrong, cut.wrong);
}

#[tokio::test]
async fn batch_with_silent_files_completes() {
    let server = setup().start().await;
    let client = server.client();
    let files = [recorded("voice", T0, &clip("ss0880")), recorded("quiet", T0, &silence(3_000))];
    let job = completed(&client, &files).await;
    let status = |at: usize| job["files"][at]["status"].clone();
    assert_eq!((status(0), status(1)), (json!("done"), json!("silent")));
}

/// The first words that a new user reads.
#[tokio::test]
async fn sample_of_a_new_server_is_transcribed_without_a_mistake() {
    let (running, greeting) = setup().start_for_people("Logs go to standard error").await;
    let after = |label: &str| {
        let line = greeting.iter().find_map(|line| line.trim_start().strip_prefix(label)).unwrap().trim();
        line.split_whitespace().next().unwrap().to_owned()
    };
    let upload = greeting.iter().find(|line| line.trim_start().starts_with("curl") && line.contains("sync/upload"));
    program::shell(upload.unwrap().trim()).await;
    let client = Client::new(&after("address"), &running.setup().token("local").await);
    let jobs = client.get("/v2/sync/jobs").await.ok();
    let job = client.terminal(jobs["jobs"][0]["job_id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "completed", "{job}");
    let texts: Vec<_> = client.segments().await.iter().map(|segment| segment["text"].clone()).collect();
    let spoken =
        "And so my fellow Americans ask not what your country can do for you, ask what you can do for your country.";
    assert_eq!(texts, [spoken]);
    running.kill9().await;
}
