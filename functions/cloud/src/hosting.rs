//! The platform on which a function runs: AWS Lambda, Cloud Run or a plain port, detected from the environment. The
//! router is the same on all of them.

pub mod lambda;
mod platform;
mod serve;

pub use platform::Platform;
pub use serve::serve;
