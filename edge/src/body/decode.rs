//! Decompression, a small piece at a time.

use std::io::{self, Read};

use axum::http::{HeaderMap, header};
use bytes::Bytes;

use super::{BodyError, Share};

/// One piece of output.
const PIECE: usize = 32 << 10;

/// After this much output other requests get their turn: a few milliseconds of work.
const TURN: usize = 1 << 20;

/// Zstd's window is memory of its own; RFC 9659 holds it to 8 MiB in HTTP.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a body is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// What the headers say.
    ///
    /// # Errors
    /// `Encoding` for any other, and for several on top of each other, which nobody needs and bombs like.
    pub fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut encoding = Self::Identity;
        for (i, value) in headers.get_all(header::CONTENT_ENCODING).iter().enumerate() {
            let name = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
            encoding = match name.as_str() {
                _ if i > 0 => return Err(BodyError::Encoding("several at once".to_owned())),
                "" | "identity" => Self::Identity,
                "gzip" | "x-gzip" => Self::Gzip,
                "zstd" => Self::Zstd,
                other => return Err(BodyError::Encoding(other.chars().take(40).collect())),
            };
        }
        Ok(encoding)
    }
}

/// Decompresses to at most `max` bytes.
///
/// # Errors
/// `TooLargeDecoded` as soon as it is more; `Undecodable` when the bytes are not what the encoding says; `Busy`.
pub async fn decode(encoding: Encoding, sent: Bytes, max: usize, share: &mut Share) -> Result<Bytes, BodyError> {
    let mut decoder: Box<dyn Read + Send> = match encoding {
        Encoding::Identity if sent.len() > max => return Err(BodyError::TooLargeDecoded { max }),
        _ if sent.is_empty() => return Ok(sent),
        Encoding::Identity => return Ok(sent),
        Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(io::Cursor::new(sent))),
        Encoding::Zstd => Box::new(zstd(sent).map_err(|error| undecodable(encoding, &error))?),
    };
    let mut decoded = Vec::new();
    let mut piece = vec![0; PIECE];
    let mut turn = 0;
    loop {
        let read = match decoder.read(&mut piece) {
            Ok(0) => return Ok(decoded.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(undecodable(encoding, &error)),
        };
        if decoded.len() + read > max {
            return Err(BodyError::TooLargeDecoded { max });
        }
        share.room(&mut decoded, read, max).await?;
        decoded.extend_from_slice(&piece[..read]);
        turn += read;
        if turn >= TURN {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

fn zstd(sent: Bytes) -> io::Result<impl Read + Send> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(io::Cursor::new(sent))?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

fn undecodable(encoding: Encoding, error: &io::Error) -> BodyError {
    let name = match encoding {
        Encoding::Identity => "identity",
        Encoding::Gzip => "gzip",
        Encoding::Zstd => "zstd",
    };
    BodyError::Undecodable(format!("the body is not whole `{name}`: {error}"))
}
