//! Everything outside of the engine, behind traits.

mod clock;
mod credentials;
mod device;
mod disk;
mod http;
mod random;

use std::sync::Arc;

pub use clock::Clock;
pub use credentials::{Credentials, NoToken, Token};
pub use device::{Conditions, Device, UnknownDevice};
pub use disk::{Disk, FileReader, FileWriter, Lock};
pub use http::{Answer, Body, BodySource, Http, HttpError, Method, Request};
pub use random::Random;

/// What an engine needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// The network.
    pub http: Arc<dyn Http>,
    /// Tokens.
    pub credentials: Arc<dyn Credentials>,
    /// Network and power.
    pub device: Arc<dyn Device>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}
