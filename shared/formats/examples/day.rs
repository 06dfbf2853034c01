use formats::{Conversation, Format, Options, Writer};

pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    // As `GET /v2/conversations/{id}` answers it.
    let json = r#"{
        "id": "6f1c1f0e-7c55-4c0a-9a5e-0d3b6f0f3c11",
        "started_at": "2026-11-20T08:00:00.000Z",
        "source": "phone",
        "title": "Release",
        "segments": [
            {"start_ms": 0, "end_ms": 1900, "text": "Shall we ship it today?", "speaker": "Ann"},
            {"start_ms": 2100, "end_ms": 2600, "text": "Yes.", "speaker": "Bob"}
        ]
    }"#;
    let conversation: Conversation = serde_json::from_str(json)?;

    let options = Options { offset: "+01:00".parse()?, ..Options::default() };
    let mut text = Writer::new(Format::Txt, options, Vec::new());
    text.conversation(&conversation)?;
    assert_eq!(
        String::from_utf8(text.finish()?)?,
        "Release\n\
         2026-11-20 09:00 (UTC+01:00), phone\n\
         \n\
         [09:00:00] Ann: Shall we ship it today?\n\
         [09:00:02] Bob: Yes.\n"
    );

    let subtitles = formats::to_string(Format::Srt, Options::default(), [&conversation]);
    assert!(subtitles.starts_with("1\n00:00:00,000 --> 00:00:01,900\nAnn: Shall we ship it today?\n"));
    Ok(())
}
