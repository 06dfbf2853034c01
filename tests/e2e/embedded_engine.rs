//! The engine that needs only its model, as it is chosen by default, and what prevents a start.

use testkit::ggml::{self, GgmlModel};
use tests::recordings::T0;
use tests::{Recording, Setup};

fn real() -> Setup {
    Setup::new().with("engine.name", "auto")
}

#[tokio::test]
async fn job_uploaded_before_the_model_is_loaded_waits_for_it() {
    let server = real().start().await;
    let client = server.client();
    let job = client.done(&[Recording::speech(T0)]).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert!(client.segments().await.iter().all(|segment| segment["language"] == "en"));
    // The model was loaded for the job, so the server is ready now.
    client.get("/readyz").await.ok();
}

#[tokio::test]
async fn start_names_the_engine_and_fails_without_one() {
    let (running, greeting) = real().start_for_people("Logs go to standard error").await;
    let engine = greeting.iter().find_map(|line| line.trim_start().strip_prefix("engine")).unwrap();
    assert_eq!(engine.trim(), "moonshine-tiny");
    assert!(!greeting.iter().any(|line| line.contains("MAKES UP TEXT")), "{greeting:#?}");
    running.kill9().await;

    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().display();
    // Engines built into a release need no folder.
    if cfg!(debug_assertions) {
        let line = real().with("engine.models", &folder).refused().await;
        assert!(line.contains("engine.name is `auto`") && line.contains("make setup"), "{line}");
        assert!(line.contains(&format!("{folder}/moonshine-tiny/encoder_model.onnx")), "{line}");
    }
    std::fs::create_dir(empty.path().join("moonshine-tiny")).unwrap();
    std::fs::write(empty.path().join("moonshine-tiny/encoder_model.onnx"), "something else").unwrap();
    let line = real().with("engine.models", &folder).refused().await;
    assert!(line.contains("is not the one that is expected (SHA-256 c6fc4b7bc5af75c0591f"), "{line}");
}

#[tokio::test]
async fn whisper_uses_the_model_of_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("ggml-tiny.bin");
    std::fs::write(&model, ggml::model(&GgmlModel { multilingual: true })).unwrap();
    let server =
        Setup::new().with("engine.name", "whisper").with("engine.whisper_model", model.display()).start().await;
    let client = server.client();
    let job = client.done(&[Recording::speech(T0)]).await;
    assert_eq!(job["status"], "completed", "{job}");
    let segments = client.segments().await;
    assert!(!segments.is_empty());
    for segment in segments {
        assert_eq!(
            (&segment["text"], &segment["language"]),
            (&ggml::TEXT.into(), &ggml::DETECTED_LANGUAGE.into()),
            "{segment}"
        );
        let words: Vec<_> = segment["words"].as_array().unwrap().iter().map(|word| word["text"].clone()).collect();
        assert_eq!(words, ["Hello", "world."]);
    }
}

#[tokio::test]
async fn wrong_whisper_model_prevents_the_start() {
    let whisper = || Setup::new().with("engine.name", "whisper");
    let line = whisper().refused().await;
    assert!(line.contains("engine.whisper_model names no file"), "{line}");
    let line = whisper().with("engine.whisper_model", "/nowhere/ggml.bin").refused().await;
    assert!(line.contains("engine.whisper_model: the model /nowhere/ggml.bin cannot be read"), "{line}");
}
