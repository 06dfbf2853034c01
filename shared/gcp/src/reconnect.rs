//! A client that is created at its first use, and replaced when it no longer works.

use std::sync::{Arc, Mutex, PoisonError};

pub struct Reconnect<T> {
    present: Mutex<Option<Arc<T>>>,
    /// The caller that holds the lock creates the client; the others wait for it.
    creation: tokio::sync::Mutex<()>,
}

impl<T> Default for Reconnect<T> {
    fn default() -> Self {
        Self { present: Mutex::default(), creation: tokio::sync::Mutex::default() }
    }
}

impl<T> Reconnect<T> {
    pub async fn get<E>(&self, make: impl AsyncFnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(present) = self.present() {
            return Ok(present);
        }
        let _creation = self.creation.lock().await;
        if let Some(present) = self.present() {
            return Ok(present);
        }
        let made = Arc::new(make().await?);
        *self.lock() = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Drops a client that does not work, so that the next caller creates another one. A client that
    /// somebody has already replaced is not dropped again.
    pub fn give_up(&self, bad: &Arc<T>) {
        let mut present = self.lock();
        if present.as_ref().is_some_and(|present| Arc::ptr_eq(present, bad)) {
            *present = None;
        }
    }

    /// Drops the present client, so that the next caller creates another one.
    pub fn clear(&self) {
        *self.lock() = None;
    }

    fn present(&self) -> Option<Arc<T>> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<T>>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(reconnect: &Reconnect<u32>, number: u32) -> Arc<u32> {
        reconnect.get(async || Ok::<_, ()>(number)).await.unwrap()
    }

    #[tokio::test]
    async fn client_is_made_once_and_replaced_only_when_present_one_is_given_up() {
        let reconnect = Reconnect::default();
        assert!(reconnect.get(async || Err::<u32, _>("not yet")).await.is_err());
        let first = get(&reconnect, 1).await;
        assert_eq!(*get(&reconnect, 2).await, 1);
        reconnect.give_up(&first);
        assert_eq!(*get(&reconnect, 2).await, 2);
        reconnect.give_up(&first);
        assert_eq!(*get(&reconnect, 3).await, 2, "the new one is not to blame");
    }
}
