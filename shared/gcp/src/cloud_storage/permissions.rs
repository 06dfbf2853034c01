//! Checks that the bucket exists and which permissions the account has in it, by one harmless call for
//! each permission.

use std::sync::Arc;

use flow::Result;
use flow::ports::{BlobName, Blobs};

use super::{GcsBlobs, Storage};

/// A permission, and the result of trying it.
#[derive(Debug)]
pub struct Permission {
    pub name: &'static str,
    pub outcome: Result<()>,
}

/// All permissions that the functions need in their bucket; `roles/storage.objectUser` contains them.
pub async fn permissions(storage: &Arc<Storage>) -> Vec<Permission> {
    let nothing = BlobName::listed(format!("uploads/.doctor-{}", storage.random.uuid().simple()));
    let call = storage.call("storage.doctor", "");
    let blobs = GcsBlobs::new(storage.clone());
    vec![
        Permission { name: "storage.objects.create", outcome: storage.can_write("storage.doctor").await },
        Permission { name: "storage.objects.get", outcome: storage.object(&call, &nothing).await.map(drop) },
        Permission { name: "storage.objects.list", outcome: blobs.list("uploads/", None, 1).await.map(drop) },
        Permission { name: "storage.objects.delete", outcome: storage.remove(&call, &nothing, None).await },
    ]
}
