//! Connections whose other side is gone without a message.

use emulators::wire::Wire;

use super::*;

#[tokio::test]
async fn call_on_dead_connection_is_repeated_on_a_new_one() {
    let cloud = CloudStorage::start(BUCKET).await;
    let wire = Wire::to(cloud.endpoint()).await;
    let endpoint = Some(wire.endpoint().to_owned());
    let (storage, _) = storage(Settings { endpoint, policy: impatient(), ..settings(&cloud) });
    let blobs = GcsBlobs::new(storage);
    cloud.put(name().as_str(), sound(1000));
    for _ in 0..2 {
        assert_eq!(blobs.list("", None, 10).await.unwrap().len(), 1);
        wire.fall_silent();
        assert_eq!(blobs.list("", None, 10).await.unwrap().len(), 1);
        let read: Vec<Bytes> = blobs.read(&name(), 0).await.unwrap().try_collect().await.unwrap();
        assert_eq!(read.concat(), sound(1000));
        wire.fall_silent();
        let read: Vec<Bytes> = blobs.read(&name(), 0).await.unwrap().try_collect().await.unwrap();
        assert_eq!(read.concat(), sound(1000));
    }
    wire.fall_silent();
    blobs.delete(&name()).await.unwrap();
    assert_eq!(cloud.names(), [] as [String; 0]);
}
