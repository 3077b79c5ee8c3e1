//! What an operator says about OPA.

/// How OPA's reports are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpaSettings {
    /// For how long a status vouches for its OPA, in milliseconds, where no binding says. OPA sends one after every bundle
    /// poll and decision-log upload, so this must be longer than the longest of these.
    pub lease_ms: u64,
}

impl Default for OpaSettings {
    fn default() -> Self {
        Self { lease_ms: 300_000 }
    }
}
