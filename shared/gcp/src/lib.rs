//! Adapters for Google Cloud: Storage, Firestore, Cloud Tasks, FCM and identity.

pub mod cloud_storage;
mod diagnosis;
mod fcm;
pub mod firestore;
mod identity;
mod invalid_setting;
mod reconnect;
mod retry_policy;
mod tasks;

pub use cloud_storage::{GcsBlobs, GcsUploads};
pub use diagnosis::{Cause, Diagnosis};
pub use fcm::{AccessToken, Fcm, FcmSettings, GivenToken, GoogleToken};
pub use firestore::FirestoreStore;
pub use identity::{FirebaseIdentity, FirebaseSettings, GoogleTaskIdentity, TaskIdentitySettings};
pub use invalid_setting::InvalidSetting;
pub use tasks::{CloudTasks, CloudTasksSettings, Target, TaskOidc, Trial};
