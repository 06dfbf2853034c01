//! A push service whose answers are lost.

use async_trait::async_trait;
use flow::Result;
use flow::ports::{Device, Push, PushMessage, PushOutcome};

use super::{Fault, Faulty};

#[async_trait]
impl<P: Push + ?Sized, F: Fault> Push for Faulty<P, F> {
    async fn send(&self, device: &Device, message: &PushMessage) -> Result<PushOutcome> {
        self.writing("push.send", self.inner.send(device, message)).await
    }
}
