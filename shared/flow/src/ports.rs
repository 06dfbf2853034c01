//! The ports: one trait for each external service that the use cases need. Adapters implement them and hold no rules.

pub mod admission;
pub mod archive;
pub mod blobs;
pub mod clock;
pub mod feed;
pub mod identity;
pub mod push;
pub mod queue;
pub mod random;
pub mod store;
pub mod uploads;
pub mod written_user;

pub use admission::{Admission, AlwaysAdmit, DailyBudget, Stage, Standing, Verdict, Window};
pub use archive::{Archive, Imported, Record};
pub use blobs::{BlobName, BlobWriter, Blobs, Checksum, StoredBlob};
pub use clock::Clock;
pub use feed::{Feed, Watch};
pub use identity::{Denied, Identity, TaskIdentity};
pub use push::{Device, Platform, Push, PushMessage, PushOutcome};
pub use queue::{NewTask, Queue, TaskBody, TaskName};
pub use random::Random;
pub use store::{
    At, ChangeCursor, ChangeQuery, ConversationPage, ConversationQuery, Created, DeviceStore, DueCursor, DueDeletion,
    JobCursor, JobQuery, JobStats, JobStore, LibraryStore, LineCursor, LineQuery, MAX_EFFECTS_COUNTED,
    MaintenanceStore, Opened, Page, Removed, SessionCompleted, Stepped, Store, Withdrawn, Written,
};
pub use uploads::{Expected, IncomingUpload, PartWriter, Progress, ReceivesUploads, Uploads};
pub use written_user::WrittenUser;
