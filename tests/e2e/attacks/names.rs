//! Malicious file names: refused, or treated as plain text. They are never used as a path.

use serde_json::json;
use tests::Recording;
use tests::recordings::{T0, name};

use super::{Target, file_name, form, good_form};

/// Checks that each is refused because of its name alone.
async fn refused(names: &[&str]) {
    let target = Target::start().await;
    for name in names {
        let reply = target.raw(target.upload(&file_name(name))).await;
        let body = reply.problem(400, "invalid_filename");
        assert_eq!(body["errors"][0]["code"], "invalid_filename", "{name}: {body}");
    }
    target.assert_unchanged().await;
}

/// Checks that each name is plain text: the job shows it as it was sent, and the bytes are stored like those of any
/// file.
async fn harmless(words: &[&str]) {
    let target = Target::start().await;
    let client = target.server.client();
    for (at, word) in (0..).zip(words) {
        let recording = Recording { name: format!("{word}_{}", name(T0)), ..Recording::short(T0 + at) };
        let body = good_form(&recording);
        let reply = target.raw(target.upload(&body)).await;
        assert_eq!(reply.status(), 202, "{word}: {}", reply.text);
        let job = client.terminal(reply.body()["job_id"].as_str().unwrap()).await;
        assert_eq!((&job["status"], &job["files"][0]["name"]), (&json!("completed"), &json!(recording.name)));
    }
    let folder = target.server.folder();
    assert_eq!(std::fs::read_dir(folder.path.parent().unwrap()).unwrap().count(), 1, "beside the data folder");
    let strayed = |file: &String| words.iter().any(|word| file.contains(word)) && !file.starts_with("blobs/");
    assert!(!folder.files("").iter().any(strayed), "{:?}", folder.files(""));
    target.assert_running().await;
}

#[tokio::test]
async fn percent_encoded_names_are_not_decoded() {
    refused(&["..%2F..%2Fetc%2Fpasswd_1748300000.bin", "%2e%2e%2f_1748300000.bin%00", "a%2Fb"]).await;
    harmless(&["%2e%2e%2f", "%2Fetc%2Fpasswd", "%5C"]).await;
}

#[tokio::test]
async fn names_that_are_not_utf8_or_hide_behind_overlong_utf8_are_refused() {
    let target = Target::start().await;
    let broken: [&[u8]; 6] = [
        b"filename=\"\xff_1748300000.bin\"",
        b"filename=\"\xc0\xae\xc0\xae\xc0\xaf_1748300000.bin\"",
        b"filename=\"\xed\xa0\x80_1748300000.bin\"",
        b"filename*=UTF-8''%C0%AE%C0%AE%C0%AF_1748300000.bin",
        b"filename*=UTF-8''%FF_1748300000.bin",
        b"filename*=UTF-7''+AC8-_1748300000.bin",
    ];
    for disposition in broken {
        target.raw(target.upload(&form(disposition))).await.problem(400, "malformed_multipart");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn extended_names_are_checked_in_their_decoded_form() {
    let target = Target::start().await;
    let tricks = [
        "filename*=UTF-8''..%2F..%2Fup_1748300000.bin",
        "filename*=UTF-8'en'%2Fetc%2Fpasswd_1748300000.bin",
        "filename=\"good_1748300000.bin\"; filename*=UTF-8''..%5Cup_1748300000.bin",
        "filename*=UTF-8''a%00_1748300000.bin",
        "filename*=UTF-8''a%0D%0Aset-cookie%3A%20x_1748300000.bin",
    ];
    for disposition in tricks {
        let reply = target.raw(target.upload(&form(disposition.as_bytes()))).await;
        reply.problem(400, "invalid_filename");
        assert_eq!(reply.header("set-cookie"), None);
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn backslashes_and_drives_are_refused_or_plain_text() {
    refused(&["..\\up_1748300000.bin", "a\\b_1748300000.bin", "C:\\x_1748300000.bin", "\\\\host\\x_1748300000.bin"])
        .await;
    harmless(&["C:x"]).await;
}

#[tokio::test]
async fn a_nul_in_a_name_is_refused() {
    let target = Target::start().await;
    target.raw(target.upload(&file_name("a\0_1748300000.bin"))).await.problem(400, "malformed_multipart");
    target.assert_unchanged().await;
}

#[tokio::test]
async fn absolute_names_are_refused() {
    refused(&["/etc/passwd_1748300000.bin", "//host/x_1748300000.bin", "/", "/_1748300000.bin"]).await;
}

/// Names are kept in memory and returned: a batch of endless names must fill neither memory nor the answer.
#[tokio::test]
async fn overlong_names_are_refused_and_shortened_in_the_answer() {
    let target = Target::start().await;
    let long = format!("{}_1748300000.bin", "ä".repeat(7_000));
    let part = |at: usize| {
        format!("--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{at}{long}\"\r\n\r\nabc\r\n")
    };
    let body = (0..20).map(part).collect::<String>() + "--b--\r\n";
    let reply = target.raw(target.upload(body.as_bytes())).await;
    let problem = reply.problem(400, "invalid_filename");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 20);
    assert!(reply.text.len() < 16_384, "the answer has {} bytes", reply.text.len());
    // Two names with the same beginning are different names.
    assert!(!reply.text.contains("duplicate_filename"));

    let endless = file_name(&"x".repeat(17_000));
    target.raw(target.upload(&endless)).await.problem(400, "malformed_multipart");
    target.assert_unchanged().await;
}

#[tokio::test]
async fn dot_names_are_refused() {
    refused(&[
        ".",
        "..",
        "...",
        "..._1748300000.bin",
        ".bin",
        ".hidden_1748300000.bin",
        "a..b_1748300000.bin",
        "a_1748300000..bin",
    ])
    .await;
}

#[tokio::test]
async fn windows_device_names_are_plain_text() {
    refused(&["CON", "NUL.", "COM1:", "a_1748300000.bin:stream", "a_1748300000.bin ", "a_1748300000.bin."]).await;
    harmless(&["CON", "nul", "COM1", "PRN.x"]).await;
}

#[tokio::test]
async fn bidirectional_marks_and_line_separators_are_refused() {
    let marks = ['\u{202E}', '\u{202A}', '\u{2066}', '\u{200F}', '\u{61C}', '\u{2028}', '\u{2029}', '\u{85}', '\u{9B}'];
    let names: Vec<String> = marks.iter().map(|mark| format!("a{mark}b_{T0}.bin")).collect();
    refused(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let target = Target::start().await;
    for control in ["\u{7}", "\u{1b}[2J", "\u{7f}", "\r", "\n"] {
        let reply = target.raw(target.upload(&file_name(&format!("a{control}b_{T0}.bin")))).await;
        reply.problem(400, "malformed_multipart");
    }
    target.assert_unchanged().await;
}
