//! What every format is made of: pieces of text for the beginning, the segments and the end.

use crate::conversation::{Head, Segment};

/// A format. The parts are called in the order in which they stand here.
pub trait Output: Send {
    /// Before the first conversation, also if none follows.
    fn start(&mut self, _to: &mut String) {}
    fn begin(&mut self, to: &mut String, head: &Head);
    fn segment(&mut self, to: &mut String, segment: &Segment);
    fn end(&mut self, to: &mut String);
    /// After the last conversation.
    fn finish(&mut self, _to: &mut String) {}
}
