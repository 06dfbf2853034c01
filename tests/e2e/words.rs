//! Real words from real speech, by the engine that needs nothing but its model.

use afterword_tests::{Recording, Setup};

fn real() -> Setup {
    Setup::new().with("engine.name", "auto")
}

fn clip(id: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/speech");
    std::fs::read(format!("{folder}/audio_{id}_pcm16_16000_1_fs160_1748300000.bin")).unwrap()
}

#[tokio::test]
async fn a_recording_becomes_what_was_said_in_it() {
    let server = real().start().await;
    let client = server.client();
    // A job that comes before the model is loaded waits for it.
    let job = client.done(&[Recording::new("audio_phone_pcm16_16000_1_fs160_1748300000.bin", clip("jfk"))]).await;
    assert_eq!(job["status"], "completed", "{job}");
    let segments = client.segments().await;
    let texts: Vec<_> = segments.iter().map(|segment| segment["text"].as_str().unwrap()).collect();
    let said: String = texts.join(" ").to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect();
    assert_eq!(
        said,
        "and so my fellow americans ask not what your country can do for you ask what you can do for your country",
        "{texts:?}"
    );
    client.get("/readyz").await.ok();
    let (_, words, _) = client.usage().await;
    assert_eq!(words, 22);
}

#[tokio::test]
async fn the_start_names_the_engine_and_without_one_it_is_refused() {
    let (running, greeting) = real().start_for_people("Logs go to standard error").await;
    let engine = greeting.iter().find_map(|line| line.trim_start().strip_prefix("engine")).unwrap();
    assert_eq!(engine.trim(), "moonshine-tiny");
    assert!(!greeting.iter().any(|line| line.contains("MAKES UP TEXT")), "{greeting:#?}");
    running.kill9().await;

    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().display();
    // What is built into a release needs no folder.
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
