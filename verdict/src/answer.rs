//! What a server answered.

use reqwest::StatusCode;
use serde_json::Value;

/// An answer: its bytes as they came, and read.
pub(crate) struct Answer {
    /// As it came: what is printed as JSON.
    pub(crate) text: String,
    /// Read for tables and decisions of this program: what it can not hold is text, see [`lossy`](crate::faithful::lossy).
    pub(crate) value: Value,
    /// Its status.
    pub(crate) status: StatusCode,
}
