//! A blob store whose operations fail, above all `finish`.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use flow::Result;
use flow::ports::{BlobName, BlobWriter, Blobs, StoredBlob};
use futures_util::stream::BoxStream;

use super::{Fault, Faulty, Plan, around};

#[async_trait]
impl<P: Blobs + ?Sized, F: Fault> Blobs for Faulty<P, F> {
    async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>> {
        // Creating a writer has no effect yet, so there is no answer to lose.
        let inner = self.reading("blobs.create", self.inner.create(name)).await?;
        Ok(Box::new(Writer::<F> { inner, plan: self.plan.clone(), fault: PhantomData }))
    }

    async fn read(&self, name: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.reading("blobs.read", self.inner.read(name, offset)).await
    }

    async fn delete(&self, name: &BlobName) -> Result<()> {
        self.writing("blobs.delete", self.inner.delete(name)).await
    }

    async fn list(&self, prefix: &str, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>> {
        self.reading("blobs.list", self.inner.list(prefix, after, limit)).await
    }

    async fn ready(&self) -> Result<()> {
        self.reading("blobs.ready", self.inner.ready()).await
    }
}

struct Writer<F> {
    inner: Box<dyn BlobWriter>,
    plan: Arc<Plan>,
    fault: PhantomData<fn() -> F>,
}

#[async_trait]
impl<F: Fault> BlobWriter for Writer<F> {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if F::BEFORE {
            around::<F, ()>(&self.plan, "blobs.write", self.inner.write(bytes)).await
        } else {
            self.inner.write(bytes).await
        }
    }

    async fn finish(self: Box<Self>) -> Result<StoredBlob> {
        let Self { inner, plan, .. } = *self;
        around::<F, StoredBlob>(&plan, "blobs.finish", inner.finish()).await
    }

    async fn abort(self: Box<Self>) {
        self.inner.abort().await;
    }
}
