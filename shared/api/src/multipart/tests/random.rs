//! Property tests: random forms are read as they were written, and random bytes do no harm, in any frames.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Content made of fragments that resemble the boundary, above all of its beginning.
fn look_alikes(boundary: String) -> impl Strategy<Value = Vec<u8>> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let whole = delimiter.len();
    let fragment = prop_oneof![
        4 => (0..whole).prop_map(move |length| delimiter[..length].to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"--".to_vec()),
        1 => Just(boundary.into_bytes()),
        2 => vec(any::<u8>(), 0..200),
    ];
    vec(fragment, 0..20).prop_map(|fragments| fragments.concat())
}

/// Content that resembles the boundary but does not contain it: no client may use it in content.
fn content(boundary: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    look_alikes(boundary.to_owned()).prop_map(move |mut content| {
        // The line break before the content can be part of a delimiter too.
        content.splice(0..0, *b"\r\n");
        while let Some(start) = memchr::memmem::find(&content, &delimiter) {
            content.remove(start + 2);
        }
        content.split_off(2)
    })
}

fn part(boundary: &str) -> impl Strategy<Value = Read> + use<> {
    let text = "[^\"\\\\\\p{C}]{0,20}";
    (proptest::option::of(text), proptest::option::of(text), content(boundary))
        .prop_map(|(name, file_name, content)| Read { name, file_name, content })
}

fn form() -> impl Strategy<Value = (String, Vec<Read>)> {
    let boundary = "[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]";
    boundary.prop_flat_map(|boundary| (Just(boundary.clone()), vec(part(&boundary), 0..5)))
}

fn written(boundary: &str, parts: &[Read]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data").into_bytes());
        body.extend(part.name.iter().flat_map(|name| format!("; name=\"{name}\"").into_bytes()));
        body.extend(part.file_name.iter().flat_map(|name| format!("; filename=\"{name}\"").into_bytes()));
        body.extend(b"\r\n\r\n");
        body.extend(&part.content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").into_bytes());
    body
}

/// Frame sizes: mostly tiny, sometimes the whole body.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![4 => 1..10usize, 2 => 10..100usize, 1 => Just(usize::MAX)], 1..10)
}

const WORDS: &[&str] = &[
    "--xyz",
    "\r\n--xyz",
    "--",
    "\r\n",
    "\r",
    "\n",
    ":",
    "a: b\r\n",
    " ",
    "\"",
    ";",
    "\\",
    "=",
    "Content-Disposition: form-data; name=",
];

/// Bytes that are almost a form: the reader gets somewhere before it fails.
fn nearly_a_form() -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec());
    let fragment = prop_oneof![9 => word, 1 => vec(any::<u8>(), 0..10)];
    (any::<bool>(), vec(fragment, 0..30)).prop_map(|(begun, fragments)| {
        let start: &[u8] = if begun { b"--xyz\r\n" } else { b"" };
        [start, &fragments.concat()].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn form_is_read_as_it_was_written((boundary, parts) in form(), sizes in sizes()) {
        let frames = cut(&written(&boundary, &parts), &sizes);
        let read = read_all(reader(&format!("multipart/form-data; boundary=\"{boundary}\""), frames));
        prop_assert_eq!(read.unwrap(), parts);
    }

    #[test]
    fn any_bytes_give_the_same_result_in_any_frames(body in nearly_a_form(), sizes in sizes()) {
        let whole = read_all(reader(PLAIN, [Bytes::from(body.clone())]));
        let again = read_all(reader(PLAIN, cut(&body, &sizes)));
        prop_assert_eq!(format!("{:?}", whole), format!("{:?}", again));
    }

    #[test]
    fn any_header_is_read_or_refused_without_panic(value in vec(any::<u8>(), 0..100)) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let _ = content_type::boundary(&HeaderMap::from_iter([(CONTENT_TYPE, value.clone())]));
            let _ = disposition::names(&HeaderMap::from_iter([(http::header::CONTENT_DISPOSITION, value)]));
        }
    }
}
