//! Adapters for Google Cloud: Storage, Firestore, Cloud Tasks, FCM and identity.

pub mod storage;

pub use storage::{GcsBlobs, GcsUploads};
