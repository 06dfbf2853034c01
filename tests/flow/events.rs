//! An event stream as time passes: heartbeats, and its end.

use std::time::Duration;

use tests::events::Event;

use crate::harness::Stage;
use crate::upload_server::UploadServer;

/// An idle stream has two timers: its deadline and its next heartbeat.
const WAITS: usize = 2;

#[tokio::test]
async fn idle_stream_sends_heartbeats_and_ends_at_its_time_limit() {
    let stage = Stage::new();
    let clock = stage.clock.clone();
    let server = UploadServer::of(stage);
    let mut events = server.client.events("").await;
    assert_eq!(events.next().await.unwrap().retry, "3000");
    for _ in 1..20 {
        clock.until_asleep(WAITS).await;
        clock.advance(Duration::from_secs(15));
        assert_eq!(events.next().await.unwrap(), Event { comment: true, ..Event::default() });
    }
    clock.until_asleep(WAITS).await;
    clock.advance(Duration::from_secs(15));
    assert_eq!(events.rest().await, []);
}
