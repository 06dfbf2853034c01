//! What attackers do to the stream of events.
