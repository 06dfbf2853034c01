//! The limit of open files: it is raised as far as it may be, and bounds the connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files besides connections of clients: databases, staged audio, models, and calls of the queue and to the engine.
const OTHERS: u64 = 256;

/// Raises the limit, and lowers the number of connections if it is too small for them. The usual soft limit of 1,024 is less
/// than `server.max_connections`, and the hard limit may be used.
pub fn prepare(max_connections: &mut usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, open_files = limit.current, "the limit of open files cannot be raised");
    }
    // Without a limit there is nothing to bound.
    let Some(open_files) = getrlimit(Resource::Nofile).current else { return };
    let possible = connections_within(open_files);
    if possible < *max_connections {
        let configured = *max_connections;
        tracing::warn!(
            open_files,
            connections = possible,
            configured,
            "the limit of open files is too small for server.max_connections: the server takes fewer connections"
        );
        *max_connections = possible;
    }
}

/// Half of a very small limit is for connections.
fn connections_within(open_files: u64) -> usize {
    let connections = open_files.saturating_sub(OTHERS).max(open_files / 2).max(1);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        for (open_files, connections) in [(1_048_576, 1_048_320), (1024, 768), (300, 150), (1, 1), (0, 1)] {
            assert_eq!(connections_within(open_files), connections, "{open_files}");
        }
    }
}
