//! Adapters for Google Cloud: Storage, Firestore, Cloud Tasks, FCM and identity.

mod tasks;

pub use tasks::{CloudTasks, CloudTasksSettings, TaskOidc, UnfitTasks};
