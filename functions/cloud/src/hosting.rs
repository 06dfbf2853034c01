//! Where a function runs: AWS Lambda, Cloud Run or a plain port, told by the environment. The same router everywhere.

mod platform;
mod serve;

pub use platform::Platform;
pub use serve::serve;
