//! Adapters for Google Cloud: Storage, Firestore, Cloud Tasks, FCM and identity.

pub mod store;

pub use store::FirestoreStore;
