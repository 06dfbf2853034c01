//! Adapters for Google Cloud: Storage, Firestore, Cloud Tasks, FCM and identity.

mod fcm;
mod tasks;

pub use fcm::{AccessToken, Fcm, FcmSettings, GivenToken, GoogleToken, UnfitFcm};
pub use tasks::{CloudTasks, CloudTasksSettings, TaskOidc, UnfitTasks};
