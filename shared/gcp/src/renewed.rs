//! A client that is made at its first use, and anew when it turned out to be no good.

use std::sync::{Arc, Mutex, PoisonError};

pub struct Renewed<T> {
    present: Mutex<Option<Arc<T>>>,
    /// Who holds it makes the next one; the others wait for it.
    turn: tokio::sync::Mutex<()>,
}

impl<T> Default for Renewed<T> {
    fn default() -> Self {
        Self { present: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<T> Renewed<T> {
    pub async fn get<E>(&self, make: impl AsyncFnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(present) = self.present() {
            return Ok(present);
        }
        let _turn = self.turn.lock().await;
        if let Some(present) = self.present() {
            return Ok(present);
        }
        let made = Arc::new(make().await?);
        *self.lock() = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The next one who asks gets another. Who found out late leaves the one alone that was made meanwhile.
    pub fn give_up(&self, bad: &Arc<T>) {
        let mut present = self.lock();
        if present.as_ref().is_some_and(|present| Arc::ptr_eq(present, bad)) {
            *present = None;
        }
    }

    /// The next one who asks gets another, whatever the present one is.
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

    async fn get(renewed: &Renewed<u32>, number: u32) -> Arc<u32> {
        renewed.get(async || Ok::<_, ()>(number)).await.unwrap()
    }

    #[tokio::test]
    async fn is_made_once_and_anew_only_for_who_gives_up_the_present_one() {
        let renewed = Renewed::default();
        assert!(renewed.get(async || Err::<u32, _>("not yet")).await.is_err());
        let first = get(&renewed, 1).await;
        assert_eq!(*get(&renewed, 2).await, 1);
        renewed.give_up(&first);
        assert_eq!(*get(&renewed, 2).await, 2);
        renewed.give_up(&first);
        assert_eq!(*get(&renewed, 3).await, 2, "the new one is not to blame");
    }
}
