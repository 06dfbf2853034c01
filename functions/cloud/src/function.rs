//! The two functions; each program is one of them.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Upload,
    Process,
}

impl Function {
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "afterword-upload",
            Self::Process => "afterword-process",
        }
    }
}
