//! Adapters for Google Cloud: Storage, Firestore, Cloud Tasks, FCM and identity.

mod fcm;
mod identity;
mod renewed;
pub mod storage;
pub mod store;
mod tasks;
mod tries;
mod trouble;
mod unfit;

pub use fcm::{AccessToken, Fcm, FcmSettings, GivenToken, GoogleToken};
pub use identity::{FirebaseIdentity, FirebaseSettings, GoogleTaskIdentity, TaskIdentitySettings};
pub use storage::{GcsBlobs, GcsUploads};
pub use store::FirestoreStore;
pub use tasks::{CloudTasks, CloudTasksSettings, TaskOidc};
pub use trouble::{Trouble, Why};
pub use unfit::Unfit;
