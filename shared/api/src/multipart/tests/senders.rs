//! Bodies as real clients write them.

use super::*;

/// Audio with each of the bytes that a client might spoil: CR, LF, NUL and a high byte.
const AUDIO: &[u8] = b"OPUS\r\n--\x00\xff";

fn body(head: &str, content: &[u8], tail: &str) -> Vec<u8> {
    [head.as_bytes(), content, tail.as_bytes()].concat()
}

#[test]
fn body_of_chrome_and_safari_is_read() {
    let parts = read_in_every_cut(
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW1",
        &body(
            "------WebKitFormBoundary7MA4YWxkTrZu0gW1\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"audio %22Gruß%22.bin\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            AUDIO,
            "\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW1\r\n\
             Content-Disposition: form-data; name=\"note\"\r\n\r\n\
             hi\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW1--\r\n",
        ),
    );
    let expected = [read_part("files", Some("audio %22Gruß%22.bin"), AUDIO), read_part("note", None, b"hi")];
    assert_eq!(parts.unwrap(), expected);
}

#[test]
fn body_of_firefox_with_an_empty_file_field_is_read() {
    let parts = read_in_every_cut(
        "multipart/form-data; boundary=----geckoformboundary5d7a1e0c6a1f7b2f8c3f3b0ce7a2ab11",
        &body(
            "------geckoformboundary5d7a1e0c6a1f7b2f8c3f3b0ce7a2ab11\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"a.bin\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            AUDIO,
            "\r\n------geckoformboundary5d7a1e0c6a1f7b2f8c3f3b0ce7a2ab11\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\
             \r\n------geckoformboundary5d7a1e0c6a1f7b2f8c3f3b0ce7a2ab11--\r\n",
        ),
    );
    assert_eq!(parts.unwrap(), [read_part("files", Some("a.bin"), AUDIO), read_part("files", Some(""), b"")]);
}

#[test]
fn body_of_older_firefox_is_read() {
    let parts = read_in_every_cut(
        "multipart/form-data; boundary=---------------------------9051914041544843365972754266",
        &body(
            "-----------------------------9051914041544843365972754266\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"a.bin\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            AUDIO,
            "\r\n-----------------------------9051914041544843365972754266--\r\n",
        ),
    );
    assert_eq!(parts.unwrap(), [read_part("files", Some("a.bin"), AUDIO)]);
}

/// Recorded from curl 7.88.1: `-F 'files=@a.bin;filename=na"me\x.bin' -F note=hi`.
#[test]
fn body_of_curl_is_read() {
    let parts = read_in_every_cut(
        "multipart/form-data; boundary=------------------------88a693ae6ee5e6a8",
        &body(
            "--------------------------88a693ae6ee5e6a8\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"na%22me\\x.bin\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            AUDIO,
            "\r\n--------------------------88a693ae6ee5e6a8\r\n\
             Content-Disposition: form-data; name=\"note\"\r\n\r\n\
             hi\r\n--------------------------88a693ae6ee5e6a8--\r\n",
        ),
    );
    let expected = [read_part("files", Some("na%22me\\x.bin"), AUDIO), read_part("note", None, b"hi")];
    assert_eq!(parts.unwrap(), expected);
}

/// Recorded with `--form-escape`, which does what curl did before 7.81.
#[test]
fn body_of_older_curl_is_read() {
    let parts = read_in_every_cut(
        "multipart/form-data; boundary=------------------------245821b1ad3bbab4",
        &body(
            "--------------------------245821b1ad3bbab4\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"na\\\"me.bin\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            AUDIO,
            "\r\n--------------------------245821b1ad3bbab4--\r\n",
        ),
    );
    assert_eq!(parts.unwrap(), [read_part("files", Some("na\"me.bin"), AUDIO)]);
}

/// reqwest 0.13, as the client of this project sends it: a digest for each part, and a name that needs no escape.
#[test]
fn body_of_reqwest_is_read() {
    let parts = read_in_every_cut(
        "multipart/form-data; boundary=2b4a1c8f9e7d6053-8d1f0a3b5c7e9246-0f1e2d3c4b5a6978-e1c2d3b4a5968778",
        &body(
            "--2b4a1c8f9e7d6053-8d1f0a3b5c7e9246-0f1e2d3c4b5a6978-e1c2d3b4a5968778\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"a.bin\"\r\n\
             Content-Type: application/octet-stream\r\n\
             content-digest: sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:\r\n\r\n",
            AUDIO,
            "\r\n--2b4a1c8f9e7d6053-8d1f0a3b5c7e9246-0f1e2d3c4b5a6978-e1c2d3b4a5968778\r\n\
             Content-Disposition: form-data; name*=utf-8''two%20words\r\n\r\n\
             hi\r\n--2b4a1c8f9e7d6053-8d1f0a3b5c7e9246-0f1e2d3c4b5a6978-e1c2d3b4a5968778--\r\n",
        ),
    );
    let expected = [read_part("files", Some("a.bin"), AUDIO), read_part("two words", None, b"hi")];
    assert_eq!(parts.unwrap(), expected);
}

/// `package:http`, as in the shipped apps: header names in lower case, and a boundary of the full 70 characters.
#[test]
fn body_of_dart_http_is_read() {
    let parts = read_in_every_cut(
        "multipart/form-data; boundary=dart-http-boundary-+Pq_9z.1-aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcdef",
        &body(
            "--dart-http-boundary-+Pq_9z.1-aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcdef\r\n\
             content-type: application/octet-stream\r\n\
             content-disposition: form-data; name=\"files\"; filename=\"audio_omi_opus_fs320_1760000000.bin\"\r\n\r\n",
            AUDIO,
            "\r\n--dart-http-boundary-+Pq_9z.1-aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcdef--\r\n",
        ),
    );
    assert_eq!(parts.unwrap(), [read_part("files", Some("audio_omi_opus_fs320_1760000000.bin"), AUDIO)]);
}
