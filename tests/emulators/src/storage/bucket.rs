//! The contents of the stand-in: buckets, objects, upload sessions. Every operation is atomic.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Refusal, crc_text};

/// The largest object; a test that needs more is wrong here.
pub const MAX_OBJECT_SIZE: u64 = 512 * 1024 * 1024;
const MAX_OBJECTS: usize = 100_000;

pub struct Buckets {
    endpoint: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    /// The settings of every bucket.
    settings: Option<Value>,
    sessions: HashMap<String, Upload>,
    generations: i64,
    keeps_nothing: bool,
    now: Option<SystemTime>,
}

#[derive(Clone, Debug)]
pub struct Object {
    pub name: String,
    pub bucket: String,
    pub generation: i64,
    pub size: u64,
    pub crc32c: u32,
    pub bytes: Bytes,
    pub content_type: String,
    pub metadata: BTreeMap<String, String>,
    pub written: SystemTime,
    /// Whether its writer gave a checksum.
    pub is_checked: bool,
}

impl Object {
    /// The resource as JSON REST shows it.
    pub fn json(&self) -> Value {
        let written = prost_types::Timestamp::from(self.written).to_string();
        json!({
            "kind": "storage#object",
            "id": format!("{}/{}/{}", self.bucket, self.name, self.generation),
            "name": self.name,
            "bucket": self.bucket,
            "generation": self.generation.to_string(),
            "metageneration": "1",
            "contentType": self.content_type,
            "storageClass": "STANDARD",
            "size": self.size.to_string(),
            "crc32c": crc_text(self.crc32c),
            "etag": format!("etag-{}", self.generation),
            "timeCreated": written,
            "updated": written,
            "metadata": self.metadata,
        })
    }
}

/// The settings of a bucket as `docs/CLOUD.md` asks for them.
pub fn intended_settings() -> Value {
    json!({
        "softDeletePolicy": { "retentionDurationSeconds": "0" },
        "lifecycle": { "rule": [{ "action": { "type": "Delete" }, "condition": { "age": 30 } }] },
    })
}

/// The properties requested for an object before it is written.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub bucket: String,
    pub name: String,
    pub if_generation_match: Option<i64>,
    pub content_type: String,
    pub metadata: BTreeMap<String, String>,
    pub crc32c: Option<u32>,
}

/// The bytes received so far, with their checksum.
#[derive(Clone, Debug, Default)]
pub struct Content {
    pub size: u64,
    pub crc32c: u32,
    kept: BytesMut,
}

impl Content {
    fn add(&mut self, bytes: &[u8], keeps_nothing: bool) {
        self.size += bytes.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        if !keeps_nothing {
            self.kept.extend_from_slice(bytes);
        }
    }

    pub fn of(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        content.add(bytes, false);
        content
    }

    /// Changes the bytes, but not their number.
    pub fn spoil(&mut self) {
        if let Some(first) = self.kept.first_mut() {
            *first ^= 1;
        }
        self.crc32c = crc32c::crc32c(&self.kept);
    }
}

/// An upload session.
#[derive(Clone, Debug)]
pub struct Upload {
    pub wanted: Wanted,
    /// The size announced at the start.
    pub announced: Option<u64>,
    pub content: Content,
    /// Bytes of the current request; only whole quanta of them count, unless the request completes.
    pub state: UploadState,
}

#[derive(Clone, Debug)]
pub enum UploadState {
    Open,
    Finished(Box<Object>),
    Cancelled,
}

/// An open session, as shown to a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub name: String,
    pub received: u64,
}

impl Buckets {
    pub fn new(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn create_bucket(&self, bucket: &str) {
        self.state().buckets.entry(bucket.to_owned()).or_default();
    }

    pub fn has_bucket(&self, bucket: &str) -> Result<(), Refusal> {
        if self.state().buckets.contains_key(bucket) { Ok(()) } else { Err(no_bucket()) }
    }

    pub fn settings(&self, bucket: &str) -> Result<Value, Refusal> {
        self.has_bucket(bucket)?;
        Ok(self.state().settings.clone().unwrap_or_else(intended_settings))
    }

    pub fn set_settings(&self, settings: Value) {
        self.state().settings = Some(settings);
    }

    pub fn names(&self, bucket: &str) -> Vec<String> {
        self.state().buckets.get(bucket).map(|objects| objects.keys().cloned().collect()).unwrap_or_default()
    }

    pub fn bytes(&self, bucket: &str, name: &str) -> Option<Bytes> {
        Some(self.object(bucket, name)?.bytes)
    }

    pub fn object(&self, bucket: &str, name: &str) -> Option<Object> {
        self.state().buckets.get(bucket)?.get(name).cloned()
    }

    pub fn find(&self, bucket: &str, name: &str, generation: Option<i64>) -> Result<Object, Refusal> {
        self.has_bucket(bucket)?;
        let found =
            self.object(bucket, name).filter(|object| generation.is_none_or(|g| g == 0 || g == object.generation));
        found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "notFound", format!("No such object: {bucket}/{name}")))
    }

    pub fn put(&self, bucket: &str, name: &str, bytes: Bytes) {
        let wanted = Wanted { bucket: bucket.to_owned(), name: name.to_owned(), ..Wanted::default() };
        self.insert(&wanted, Content::of(&bytes)).unwrap();
    }

    pub fn keep_no_bytes(&self) {
        self.state().keeps_nothing = true;
    }

    pub fn set_time(&self, now: SystemTime) {
        self.state().now = Some(now);
    }

    /// Creates the object, if its conditions and its checksum hold.
    pub fn insert(&self, wanted: &Wanted, content: Content) -> Result<Object, Refusal> {
        self.state().insert(wanted, content)
    }

    pub fn remove(&self, bucket: &str, name: &str, if_generation_match: Option<i64>) -> Result<(), Refusal> {
        let object = self.find(bucket, name, None)?;
        if if_generation_match.is_some_and(|wanted| wanted != object.generation) {
            return Err(precondition());
        }
        let mut state = self.state();
        state.buckets.get_mut(bucket).ok_or_else(no_bucket)?.remove(name);
        Ok(())
    }

    /// A page of objects, and whether there are more.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        from: &str,
        after: &str,
        most: usize,
    ) -> Result<(Vec<Object>, bool), Refusal> {
        let state = self.state();
        let objects = state.buckets.get(bucket).ok_or_else(no_bucket)?;
        let fitting = |name: &str| name.starts_with(prefix) && name >= from && (after.is_empty() || name > after);
        let mut listed: Vec<Object> =
            objects.values().filter(|object| fitting(&object.name)).take(most + 1).cloned().collect();
        let more = listed.len() > most;
        listed.truncate(most);
        Ok((listed, more))
    }

    /// Opens an upload session; returns its address.
    pub fn start(&self, wanted: Wanted, announced: Option<u64>) -> String {
        #[expect(clippy::disallowed_methods, reason = "a stand-in's session must be as hard to guess as Google's")]
        let id = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let name: String = url::form_urlencoded::byte_serialize(wanted.name.as_bytes()).collect();
        let query = format!("uploadType=resumable&name={name}&upload_id={id}");
        let url = format!("{}/upload/storage/v1/b/{}/o?{query}", self.endpoint, wanted.bucket);
        let upload = Upload { wanted, announced, content: Content::default(), state: UploadState::Open };
        self.state().sessions.insert(id, upload);
        url
    }

    pub fn upload(&self, id: &str) -> Result<Upload, Refusal> {
        let unknown = || Refusal::new(StatusCode::NOT_FOUND, "notFound", "Upload session not found");
        let upload = self.state().sessions.get(id).cloned().ok_or_else(unknown)?;
        match upload.state {
            UploadState::Cancelled => Err(Refusal::new(StatusCode::GONE, "uploadGone", "Upload session is gone")),
            _ => Ok(upload),
        }
    }

    /// Appends bytes to a session.
    pub fn append(&self, id: &str, bytes: &[u8]) {
        let mut state = self.state();
        let keeps_nothing = state.keeps_nothing;
        if let Some(upload) = state.sessions.get_mut(id) {
            upload.content.add(bytes, keeps_nothing);
        }
    }

    /// Restores the content that counted before.
    pub fn restore(&self, id: &str, content: Content) {
        if let Some(upload) = self.state().sessions.get_mut(id) {
            upload.content = content;
        }
    }

    /// Creates the object of a session that has all its bytes. If the conditions or the checksum do not hold, the
    /// session is over.
    pub fn finish(&self, id: &str, crc32c: Option<u32>, spoil: bool) -> Result<Object, Refusal> {
        let mut state = self.state();
        let Some(upload) = state.sessions.get(id) else { return Err(no_bucket()) };
        let mut wanted = upload.wanted.clone();
        let mut content = upload.content.clone();
        wanted.crc32c = crc32c.or(wanted.crc32c);
        let checked = check_sum(&wanted, &content);
        if spoil {
            content.spoil();
            wanted.crc32c = None;
        }
        let finished = checked.and_then(|()| state.insert(&wanted, content));
        if let Some(upload) = state.sessions.get_mut(id) {
            upload.content = Content::default();
            upload.state = match &finished {
                Ok(object) => UploadState::Finished(Box::new(object.clone())),
                Err(_) => UploadState::Cancelled,
            };
        }
        finished
    }

    pub fn cancel(&self, id: &str) {
        if let Some(upload) = self.state().sessions.get_mut(id)
            && matches!(upload.state, UploadState::Open)
        {
            upload.state = UploadState::Cancelled;
            upload.content = Content::default();
        }
    }

    pub fn sessions(&self) -> Vec<Session> {
        let state = self.state();
        let open = state.sessions.values().filter(|upload| matches!(upload.state, UploadState::Open));
        let mut sessions: Vec<Session> =
            open.map(|upload| Session { name: upload.wanted.name.clone(), received: upload.content.size }).collect();
        sessions.sort_by(|one, other| one.name.cmp(&other.name));
        sessions
    }
}

impl State {
    fn may_write(&self, wanted: &Wanted) -> Result<(), Refusal> {
        let objects = self.buckets.get(&wanted.bucket).ok_or_else(no_bucket)?;
        let stands = objects.get(&wanted.name).map_or(0, |object| object.generation);
        if wanted.if_generation_match.is_some_and(|wanted| wanted != stands) { Err(precondition()) } else { Ok(()) }
    }

    fn insert(&mut self, wanted: &Wanted, content: Content) -> Result<Object, Refusal> {
        self.may_write(wanted)?;
        check_sum(wanted, &content)?;
        let held: usize = self.buckets.values().map(BTreeMap::len).sum();
        assert!(held < MAX_OBJECTS, "the stand-in does not hold that many objects");
        self.generations += 1;
        #[expect(clippy::disallowed_methods, reason = "a service has its own clock")]
        let written = self.now.unwrap_or_else(SystemTime::now);
        let object = Object {
            name: wanted.name.clone(),
            bucket: wanted.bucket.clone(),
            generation: self.generations,
            size: content.size,
            crc32c: content.crc32c,
            bytes: content.kept.freeze(),
            content_type: wanted.content_type.clone(),
            metadata: wanted.metadata.clone(),
            written,
            is_checked: wanted.crc32c.is_some(),
        };
        if let Some(objects) = self.buckets.get_mut(&wanted.bucket) {
            objects.insert(wanted.name.clone(), object.clone());
        }
        Ok(object)
    }
}

fn check_sum(wanted: &Wanted, content: &Content) -> Result<(), Refusal> {
    match wanted.crc32c {
        Some(given) if given != content.crc32c => {
            let message_text = format!(
                "Provided CRC32C \"{}\" doesn't match calculated CRC32C \"{}\".",
                crc_text(given),
                crc_text(content.crc32c)
            );
            Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid", message_text))
        }
        _ => Ok(()),
    }
}

pub fn no_bucket() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "notFound", "The specified bucket does not exist.")
}

fn precondition() -> Refusal {
    let message_text = "At least one of the pre-conditions you specified did not hold.";
    Refusal::new(StatusCode::PRECONDITION_FAILED, "conditionNotMet", message_text)
}
