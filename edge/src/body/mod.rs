//! A request's body, read within bounds: as sent, decompressed, and all requests in flight together.
//!
//! Nothing here trusts a length that the sender claims. What is sent is collected up to `max_body_bytes`; what is
//! decompressed is produced in small pieces, and each grows the share of memory that the request holds *before* it is
//! written, so a bomb costs its sender a 413 and this node at most `max_decoded_bytes`, for a moment.

mod budget;
mod collect;
mod decode;
mod limits;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;

pub use budget::{Budget, Share};
pub use collect::{Collected, collect, collect_or_hash};
pub use decode::{Encoding, decode};
pub use limits::BodyLimits;

use crate::problem::{Code, Problem};

/// Why a body could not be read.
#[derive(Debug)]
pub enum BodyError {
    /// As sent it is larger than `max`.
    TooLarge {
        /// Bytes.
        max: usize,
    },
    /// Decompressed it is larger than `max`.
    TooLargeDecoded {
        /// Bytes.
        max: usize,
    },
    /// Not what its content encoding says.
    Undecodable(String),
    /// A content encoding that is not taken.
    Encoding(String),
    /// No memory for it in time.
    Busy,
    /// It stopped arriving.
    Slow,
    /// The connection broke.
    Broken(String),
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { max } => Self::new(
                Code::BodyTooLarge,
                format!("a body has at most {max} bytes; send it in parts"),
            )
            .with("max_bytes", max),
            BodyError::TooLargeDecoded { max } => {
                let detail = format!("decompressed, a body has at most {max} bytes; send it in parts");
                Self::new(Code::BodyTooLarge, detail).with("max_bytes", max)
            }
            BodyError::Undecodable(reason) => Self::new(Code::UnreadableBody, reason),
            BodyError::Encoding(name) => {
                let detail = format!("`{name}` is not a content encoding taken here: use `gzip`, `zstd`, or none");
                Self::new(Code::UnsupportedEncoding, detail)
            }
            BodyError::Busy => Self::new(Code::Busy, "send it again in a moment"),
            BodyError::Slow => Self::new(Code::SlowBody, "nothing arrived for too long; send it again"),
            BodyError::Broken(reason) => Self::new(Code::UnreadableBody, format!("the body broke off: {reason}")),
        }
    }
}

/// A body, decompressed, with the memory it holds until it is dropped.
#[derive(Debug)]
pub struct Received {
    /// Decompressed.
    pub bytes: Bytes,
    /// How many bytes were sent.
    pub sent: usize,
    /// The memory.
    pub share: Share,
}

/// Reads and decompresses a body.
///
/// # Errors
/// [`BodyError`], as soon as it is known: what is larger than it may be is not read to its end.
pub async fn read(
    body: Body,
    headers: &HeaderMap,
    limits: &BodyLimits,
    budget: &Budget,
) -> Result<Received, BodyError> {
    let encoding = Encoding::of(headers)?;
    let claimed = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if claimed.is_some_and(|length| length > limits.max_body_bytes) {
        return Err(BodyError::TooLarge { max: limits.body() });
    }
    let mut share = budget.share();
    let sent = collect(body, limits, &mut share).await?;
    let length = sent.len();
    let bytes = decode(encoding, sent, limits.decoded(), &mut share).await?;
    Ok(Received {
        bytes,
        sent: length,
        share,
    })
}
