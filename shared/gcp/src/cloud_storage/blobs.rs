//! Implements the port `Blobs` with one bucket.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Timestamp;
use flow::ports::{BlobName, BlobWriter, Blobs};
use flow::{Kind, Result};
use futures_util::stream::BoxStream;
use google_cloud_storage::model::{ListObjectsResponse, Object};
use google_cloud_wkt::Timestamp as Moment;

use super::fault::Call;
use super::session::Announced;
use super::writer::Writer;
use super::{Storage, read};

/// The largest page that Google returns.
const PAGE: usize = 1000;

pub struct GcsBlobs {
    storage: Arc<Storage>,
}

impl GcsBlobs {
    pub fn new(storage: Arc<Storage>) -> Self {
        Self { storage }
    }
}

#[async_trait]
impl Blobs for GcsBlobs {
    async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>> {
        Ok(Box::new(Writer::new(self.storage.clone(), name.clone())))
    }

    async fn read(&self, name: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        Box::pin(read::read(self.storage.clone(), name, offset)).await
    }

    async fn delete(&self, name: &BlobName) -> Result<()> {
        let call = self.storage.call("blobs.delete", name.as_str()).writing();
        self.storage.remove(&call, name, None).await
    }

    async fn list(&self, prefix: &str, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>> {
        let call = self.storage.call("blobs.list", prefix);
        let (mut listed, mut page) = (Vec::new(), String::new());
        while listed.len() < limit {
            let most = limit - listed.len() + 1;
            let wanted = PageRequest { prefix, after, page: &page, most: most.min(PAGE) };
            let answer = self.storage.tries().run(&call, || self.storage.page(&call, &wanted)).await?;
            let now = self.storage.clock.now();
            let fresh =
                answer.objects.into_iter().filter(|object| after.is_none_or(|after| object.name != after.as_str()));
            let room = limit - listed.len();
            listed.extend(fresh.take(room).map(|object| {
                let age = written(&object).until(now);
                (BlobName::listed(object.name), age)
            }));
            page = answer.next_page_token;
            if page.is_empty() {
                break;
            }
        }
        Ok(listed)
    }

    /// Starts an upload session and cancels it: this is the first half of a write and leaves nothing
    /// behind.
    async fn ready(&self) -> Result<()> {
        self.storage.can_write("blobs.ready").await
    }
}

/// A request for one page of a listing.
struct PageRequest<'a> {
    prefix: &'a str,
    after: Option<&'a BlobName>,
    page: &'a str,
    most: usize,
}

impl Storage {
    /// Deletes an object, or only one generation of it. "Not found" is success.
    pub(super) async fn remove(&self, call: &Call<'_>, name: &BlobName, generation: Option<i64>) -> Result<()> {
        self.tries().run(call, || self.ask_to_remove(call, name, generation)).await
    }

    async fn ask_to_remove(&self, call: &Call<'_>, name: &BlobName, generation: Option<i64>) -> Result<()> {
        let control = self.control(call).await?;
        let mut request = control.client.delete_object().set_bucket(self.bucket_path()).set_object(name.as_str());
        if let Some(generation) = generation {
            request = request.set_if_generation_match(generation);
        }
        let removed = request.send().await;
        match control.answered(call, removed) {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            removed => removed,
        }
    }

    async fn page(&self, call: &Call<'_>, wanted: &PageRequest<'_>) -> Result<ListObjectsResponse> {
        let control = self.control(call).await?;
        let mut request = control
            .client
            .list_objects()
            .set_parent(self.bucket_path())
            .set_prefix(wanted.prefix)
            .set_page_size(i32::try_from(wanted.most).unwrap_or(i32::MAX))
            .set_page_token(wanted.page);
        if let Some(after) = wanted.after {
            // Google includes the name itself, which `list` removes.
            request = request.set_lexicographic_start(after.as_str());
        }
        let page = request.send().await;
        match control.answered(call, page) {
            // A listing without results is empty, so the bucket itself is missing.
            Err(error) if error.kind == Kind::NotFound => Err(call.no_bucket()),
            page => page,
        }
    }

    pub(super) async fn can_write(&self, operation: &'static str) -> Result<()> {
        // A unique name, so that two checks at the same moment do not disturb each other.
        let name = BlobName::listed(format!("uploads/.ready-{}", self.random.uuid().simple()));
        let call = self.call(operation, "");
        if let Some(url) = self.start_session(&call, &name, Announced::default()).await? {
            self.give_up_session(&url, &name).await;
        }
        Ok(())
    }
}

/// The time of the object's last change.
fn written(object: &Object) -> Timestamp {
    let moment = object.update_time.or(object.create_time);
    let millis = |at: Moment| at.seconds() * 1000 + i64::from(at.nanos()) / 1_000_000;
    moment.map(|at| Timestamp::from_millis(millis(at))).unwrap_or_default()
}
