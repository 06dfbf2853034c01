//! State that is shared with the blocking threads.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::blobs::Shared;
use crate::blobs::folders::Folders;

pub const DATA: &str = ".part";
pub const MARK: &str = ".mark";

pub struct PartialUploads {
    pub shared: Arc<Shared>,
    pub parts: PathBuf,
    pub folders: Folders,
    pub permits: Arc<Semaphore>,
}
