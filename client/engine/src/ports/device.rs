//! What the device knows about its network and its power.

/// The surroundings in which the engine may transfer or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// There is a network.
    pub online: bool,
    /// The network costs nothing by the byte.
    pub unmetered: bool,
    /// The device is charging.
    pub charging: bool,
}

impl Conditions {
    /// A computer at its desk.
    pub const BEST: Self = Self { online: true, unmetered: true, charging: true };
}

/// Asked at the start, and whenever the app says that something changed.
pub trait Device: Send + Sync + 'static {
    /// The conditions now.
    fn conditions(&self) -> Conditions;
}

/// A device of which nothing is known. It counts as online, and requests find out.
pub struct UnknownDevice;

impl Device for UnknownDevice {
    fn conditions(&self) -> Conditions {
        Conditions::BEST
    }
}
