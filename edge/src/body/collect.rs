//! A body as sent: collected whole, or, where too large a one must still be answered with success, hashed and let go.

use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use super::{BodyError, BodyLimits, Share};

/// Of a body that is too large, this much is kept.
const HEAD: usize = 64 << 10;

/// No more of a body that is too large is read: OPA's own largest upload.
const MOST_DRAINED: u64 = 4 << 30;

/// A body, or what is left of one that is too large.
#[derive(Debug)]
pub enum Collected {
    /// All of it.
    Whole(Bytes),
    /// Larger than it may be: its first bytes, its length, its SHA-256.
    TooLarge {
        /// The first bytes.
        head: Bytes,
        /// The length of it all.
        bytes: u64,
        /// The digest of it all.
        sha256: [u8; 32],
    },
}

/// Collects a body of at most `max_body_bytes`.
///
/// # Errors
/// `TooLarge` at the first byte beyond, without reading on; `Busy`, `Slow`, `Broken`.
pub async fn collect(mut body: Body, limits: &BodyLimits, share: &mut Share) -> Result<Bytes, BodyError> {
    let max = limits.body();
    let mut collected = Vec::new();
    while let Some(data) = next(&mut body, limits).await? {
        if collected.len() + data.len() > max {
            return Err(BodyError::TooLarge { max });
        }
        share.room(&mut collected, data.len(), max).await?;
        collected.extend_from_slice(&data);
    }
    Ok(collected.into())
}

/// Collects a body; one that is larger than `max_body_bytes` is read to its end, hashed, and let go but for its head.
///
/// # Errors
/// `Busy`, `Slow`, `Broken`; `TooLarge` beyond what any OPA sends.
pub async fn collect_or_hash(mut body: Body, limits: &BodyLimits, share: &mut Share) -> Result<Collected, BodyError> {
    let max = limits.body();
    let mut collected = Vec::new();
    while let Some(data) = next(&mut body, limits).await? {
        if collected.len() + data.len() <= max {
            share.room(&mut collected, data.len(), max).await?;
            collected.extend_from_slice(&data);
            continue;
        }
        let mut hash = Sha256::new();
        let mut bytes = (collected.len() + data.len()) as u64;
        hash.update(&collected);
        hash.update(&data);
        collected.extend_from_slice(&data[..data.len().min(HEAD.saturating_sub(collected.len()))]);
        collected.truncate(HEAD);
        collected.shrink_to_fit();
        while let Some(data) = next(&mut body, limits).await? {
            bytes += data.len() as u64;
            hash.update(&data);
            if bytes > MOST_DRAINED {
                return Err(BodyError::TooLarge { max });
            }
        }
        return Ok(Collected::TooLarge {
            head: collected.into(),
            bytes,
            sha256: hash.finalize().into(),
        });
    }
    Ok(Collected::Whole(collected.into()))
}

/// The next piece of data; `None` at the end.
async fn next(body: &mut Body, limits: &BodyLimits) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = tokio::time::timeout(limits.idle, body.frame())
            .await
            .map_err(|_| BodyError::Slow)?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(BodyError::Broken(error.to_string())),
            // Trailers say nothing here.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && data.has_remaining()
                {
                    return Ok(Some(data));
                }
            }
        }
    }
}
