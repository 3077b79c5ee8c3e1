//! An upload of OPA, read within bounds.

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use verdict_edge::{
    Problem,
    body::{BodyError, Collected, Encoding, Share, collect_or_hash, decode},
};
use verdict_schemas::{Rejection, rule};

use super::pieces::At;
use super::quarantine::Poison;
use crate::state::Shared;

/// An upload.
#[derive(Debug)]
pub(crate) enum Upload {
    /// Decompressed.
    Whole(Bytes),
    /// Too large, or not what its headers say.
    Poison(Poison),
}

/// Receives an upload; also how many bytes were sent, and the memory it holds.
///
/// # Errors
/// Only what passes: 503 without memory for it, 408 when it stops arriving, 400 when the connection broke.
pub(crate) async fn receive(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<(Upload, u64, Share), Problem> {
    let limits = &shared.state.limits.body;
    let mut share = shared.budget.share();
    let sent = match collect_or_hash(body, limits, &mut share).await? {
        Collected::Whole(bytes) => bytes,
        Collected::TooLarge { head, bytes, sha256 } => {
            let rejection = Rejection::new(
                rule::TOO_LARGE,
                format!("an upload of {bytes} bytes: {} are taken", limits.body()),
            );
            let poison = Poison {
                at: At::default(),
                rejection,
                kept: head,
                bytes,
                sha256,
            };
            return Ok((Upload::Poison(poison), bytes, share));
        }
    };
    let length = sent.len() as u64;
    let decoded = match Encoding::of(headers) {
        Ok(encoding) => decode(encoding, sent.clone(), limits.decoded(), &mut share).await,
        Err(error) => Err(error),
    };
    let rejection = match decoded {
        Ok(bytes) => return Ok((Upload::Whole(bytes), length, share)),
        Err(BodyError::TooLargeDecoded { max }) => Rejection::new(
            rule::TOO_LARGE,
            format!("decompressed, an upload has at most {max} bytes"),
        ),
        Err(BodyError::Undecodable(reason)) => Rejection::new(rule::UNDECODABLE, reason),
        Err(BodyError::Encoding(name)) => {
            Rejection::new(rule::UNDECODABLE, format!("`{name}` is no encoding taken here"))
        }
        Err(passing) => return Err(passing.into()),
    };
    Ok((
        Upload::Poison(Poison::new(At::default(), &sent, rejection)),
        length,
        share,
    ))
}
