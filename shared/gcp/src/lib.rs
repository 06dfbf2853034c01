//! Adapters for Google Cloud: Storage, Firestore, Cloud Tasks, FCM and identity.
