//! Recognises the kind of a request.

use http::{HeaderMap, Method, Uri};

/// The kinds of requests that a test can count and break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// An upload of a whole object in one request.
    Insert,
    /// The start of an upload session.
    Start,
    /// Bytes for an upload session.
    Chunk,
    /// The query of how many bytes an upload session has received.
    Query,
    Cancel,
    Read,
    /// A read of an object's metadata.
    Get,
    Delete,
    List,
    Bucket,
    CreateBucket,
}

/// A request to JSON REST, parsed.
#[derive(Debug)]
pub struct Call {
    pub op: Op,
    pub bucket: String,
    pub object: String,
    pub query: Vec<(String, String)>,
}

impl Call {
    /// Returns `None` for an unknown request.
    pub fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()).into_owned().collect();
        let get = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let path: Vec<String> = uri.path().trim_start_matches('/').split('/').map(decoded).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let (op, bucket, object) = match (method, path.as_slice()) {
            (&Method::POST, ["upload", "storage", "v1", "b", bucket, "o"]) => {
                let op = match get("uploadType")? {
                    "multipart" | "media" => Op::Insert,
                    "resumable" => Op::Start,
                    _ => return None,
                };
                (op, *bucket, get("name").unwrap_or(""))
            }
            (&Method::PUT, ["upload", "storage", "v1", "b", bucket, "o"]) => {
                get("upload_id")?;
                let asks = headers.get("content-range").is_some_and(|range| range.as_bytes().starts_with(b"bytes */"));
                (if asks { Op::Query } else { Op::Chunk }, *bucket, "")
            }
            (&Method::DELETE, ["upload", "storage", "v1", "b", bucket, "o"]) => {
                get("upload_id")?;
                (Op::Cancel, *bucket, "")
            }
            (&Method::GET, ["storage" | "download", .., "b", bucket, "o", object]) => {
                (if get("alt") == Some("media") { Op::Read } else { Op::Get }, *bucket, *object)
            }
            (&Method::DELETE, ["storage", "v1", "b", bucket, "o", object]) => (Op::Delete, *bucket, *object),
            (&Method::GET, ["storage", "v1", "b", bucket, "o"]) => (Op::List, *bucket, ""),
            (&Method::GET, ["storage", "v1", "b", bucket]) => (Op::Bucket, *bucket, ""),
            (&Method::POST, ["storage", "v1", "b"]) => (Op::CreateBucket, "", ""),
            _ => return None,
        };
        let (bucket, object) = (bucket.to_owned(), object.to_owned());
        Some(Self { op, bucket, object, query })
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub fn number(&self, key: &str) -> Option<i64> {
        self.get(key)?.parse().ok()
    }
}

/// A part of a path with its percent escapes decoded.
fn decoded(part: &str) -> String {
    // In a path a plus sign is a plus sign.
    let kept = part.replace('+', "%2B");
    let mut pairs = url::form_urlencoded::parse(kept.as_bytes());
    pairs
        .next()
        .map(|(name, value)| if value.is_empty() { name.into_owned() } else { format!("{name}={value}") })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_are_decoded_from_paths() {
        let uri: Uri = "/storage/v1/b/bucket/o/uploads%2Fann%252Eb%2F0-a+b.bin?alt=media".parse().unwrap();
        let call = Call::of(&Method::GET, &uri, &HeaderMap::new()).unwrap();
        assert_eq!(
            (call.op, call.bucket.as_str(), call.object.as_str()),
            (Op::Read, "bucket", "uploads/ann%2Eb/0-a+b.bin")
        );
    }
}
