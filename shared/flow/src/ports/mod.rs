//! What the use cases need from the world: one trait for each thing outside. Adapters hold no rules.

pub mod admission;
pub mod blobs;
pub mod clock;
pub mod identity;
pub mod push;
pub mod queue;
pub mod random;
pub mod store;
pub mod uploads;

pub use admission::{Admission, AlwaysAdmit, Verdict};
pub use blobs::{BlobName, BlobWriter, Blobs, Stored};
pub use clock::Clock;
pub use identity::{Denied, Identity};
pub use push::{Device, Platform, Push, PushMessage, PushOutcome};
pub use queue::{NewTask, Queue, TaskBody, TaskName};
pub use random::Random;
pub use store::{
    At, ConversationPage, Created, DueCursor, JobCursor, LineCursor, Opened, SessionCompleted, Stepped, Store, Written,
};
pub use uploads::{Arriving, Expected, PartWriter, Progress, ReceivesUploads, Uploads};
