//! The wish of a user, or of the system, that a long command ends.

use tokio::signal::unix::{SignalKind, signal};

/// Ready when Ctrl-C is pressed, or when the system ends the program in an orderly way.
pub async fn asked() {
    // Without its handler the signal ends the process, which loses nothing either.
    let Ok(mut end) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = end.recv() => {}
    }
}
