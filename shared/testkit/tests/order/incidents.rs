//! Counts of what went wrong in a run.

/// How often each incident happened: a property test that never meets trouble proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incidents {
    pub put_back: u32,
    pub lost: u32,
    pub recovered: u32,
    pub retried: u32,
    pub fenced: u32,
    pub repeated: u32,
    pub failed_segments: u32,
    /// Segments that another worker placed after this one had transcribed them.
    pub overtaken: u32,
}

impl std::ops::AddAssign for Incidents {
    fn add_assign(&mut self, more: Self) {
        self.put_back += more.put_back;
        self.lost += more.lost;
        self.recovered += more.recovered;
        self.retried += more.retried;
        self.fenced += more.fenced;
        self.repeated += more.repeated;
        self.failed_segments += more.failed_segments;
        self.overtaken += more.overtaken;
    }
}

impl Incidents {
    pub fn least(&self) -> u32 {
        let all = [self.put_back, self.lost, self.recovered, self.retried];
        let more = [self.fenced, self.repeated, self.failed_segments, self.overtaken];
        all.into_iter().chain(more).min().unwrap_or(0)
    }
}
