//! JSON REST: whole objects, metadata, lists, buckets.

use std::collections::BTreeMap;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::State;
use super::answer::{self, Body, Refusal, hash_header, read_crc};
use super::arriving::Arriving;
use super::bucket::{Content, Wanted};
use super::call::{Call, Op};
use super::fault::Fault;
use super::{media, multipart, resumable};

/// The largest page that Google returns.
const MAX_PAGE: usize = 1000;

type Answer = Result<Response<Body>, Refusal>;

pub async fn act(state: &State, call: &Call, headers: &HeaderMap, body: &mut Arriving, fault: Option<Fault>) -> Answer {
    match call.op {
        Op::Insert => insert(state, call, headers, body, fault).await,
        Op::Start => start(state, call, headers, body).await,
        Op::Chunk | Op::Query => resumable::put(state, call, headers, body, fault).await,
        Op::Cancel => resumable::cancel(state, call),
        Op::Read => media::read(state, call, headers, fault),
        Op::Get => Ok(answer::json(&state.buckets.find(&call.bucket, &call.object, call.number("generation"))?.json())),
        Op::Delete => {
            state.buckets.remove(&call.bucket, &call.object, call.number("ifGenerationMatch"))?;
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        Op::List => list(state, call),
        Op::Bucket => {
            let mut about = state.buckets.settings(&call.bucket)?;
            about["kind"] = json!("storage#bucket");
            about["name"] = json!(call.bucket);
            Ok(answer::json(&about))
        }
        Op::CreateBucket => {
            let about = parse(&body.all().await?)?;
            let name = about["name"].as_str().ok_or_else(|| Refusal::invalid("a bucket needs a name"))?;
            state.buckets.create_bucket(name);
            Ok(answer::json(&json!({ "kind": "storage#bucket", "name": name })))
        }
    }
}

async fn insert(state: &State, call: &Call, headers: &HeaderMap, body: &mut Arriving, fault: Option<Fault>) -> Answer {
    let bytes = body.all().await?;
    if body.is_broken() {
        return Err(Refusal::invalid("the body broke off"));
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let (mut wanted, media) = if call.get("uploadType") == Some("media") {
        (wanted(call, &Value::Null), bytes.as_slice())
    } else {
        let parts = multipart::parts(content_type, &bytes);
        match parts.as_deref() {
            Some([about, media]) => (wanted(call, &parse(about)?), *media),
            Some([about, media, trailer]) => {
                let (mut wanted, trailer) = (wanted(call, &parse(about)?), parse(trailer)?);
                wanted.crc32c = wanted.crc32c.or(sum(&trailer));
                (wanted, *media)
            }
            _ => return Err(Refusal::invalid("Malformed multipart body.")),
        }
    };
    let mut content = Content::of(media);
    if fault == Some(Fault::StoreWrong) {
        content.spoil();
        wanted.crc32c = None;
    }
    Ok(answer::json(&state.buckets.insert(&wanted, content)?.json()))
}

async fn start(state: &State, call: &Call, headers: &HeaderMap, body: &mut Arriving) -> Answer {
    let about = body.all().await?;
    let about = if about.is_empty() { Value::Null } else { parse(&about)? };
    let mut wanted = wanted(call, &about);
    wanted.crc32c = wanted.crc32c.or(hash_header(headers));
    if wanted.name.is_empty() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "required", "Required"));
    }
    // Conditions are checked when the object is created, not before, as observed at Google.
    state.buckets.has_bucket(&wanted.bucket)?;
    let announced = headers.get("x-upload-content-length").and_then(|n| n.to_str().ok()?.parse().ok());
    let url = state.buckets.start(wanted, announced);
    let mut response = answer::empty(StatusCode::OK);
    let url = HeaderValue::from_str(&url).map_err(|_| Refusal::invalid("the name fits into no address"))?;
    response.headers_mut().insert(LOCATION, url);
    Ok(response)
}

fn list(state: &State, call: &Call) -> Answer {
    let get = |key| call.get(key).unwrap_or("");
    let most = call.number("maxResults").and_then(|n| usize::try_from(n).ok()).unwrap_or(MAX_PAGE);
    let (prefix, from, after) = (get("prefix"), get("startOffset"), get("pageToken"));
    let (objects, more) = state.buckets.list(&call.bucket, prefix, from, after, most.clamp(1, MAX_PAGE))?;
    let mut page = json!({ "kind": "storage#objects", "items": objects.iter().map(|o| o.json()).collect::<Vec<_>>() });
    if more && let Some(last) = objects.last() {
        page["nextPageToken"] = json!(last.name);
    }
    Ok(answer::json(&page))
}

/// The properties that the URL and the metadata request for an object.
fn wanted(call: &Call, about: &Value) -> Wanted {
    let text = |key: &str| about[key].as_str().unwrap_or("").to_owned();
    let metadata: BTreeMap<String, String> = about["metadata"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    Wanted {
        bucket: call.bucket.clone(),
        name: if call.object.is_empty() { text("name") } else { call.object.clone() },
        if_generation_match: call.number("ifGenerationMatch"),
        content_type: text("contentType"),
        metadata,
        crc32c: sum(about),
    }
}

fn sum(about: &Value) -> Option<u32> {
    read_crc(about["crc32c"].as_str()?)
}

fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|why| Refusal::new(StatusCode::BAD_REQUEST, "parseError", why.to_string()))
}
