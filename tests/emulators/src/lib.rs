//! What plays Google Cloud in tests: emulators of Google's and others, started and stopped here, and stand-ins.

pub mod firestore;
