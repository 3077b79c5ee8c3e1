//! The bytes under a token: read from the front, and found to be whole by their check.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use verdict_schemas::Timestamp;
use verdict_store::{Hash, LogCut, TreeSize};

use super::Pin;

const CHECK: usize = 8;

/// Of the SHA-256 over the parts, each after its length, so that no two lists of parts run together.
pub(super) fn first_eight(parts: &[&[u8]]) -> [u8; 8] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut eight = [0; 8];
    eight.copy_from_slice(&digest[..8]);
    eight
}

pub(super) fn seal(mut bytes: Vec<u8>) -> String {
    let check = first_eight(&[b"check", &bytes]);
    bytes.extend(check);
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn open(token: &str) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let check = bytes.split_off(bytes.len().checked_sub(CHECK)?);
    (first_eight(&[b"check", &bytes])[..] == check[..]).then_some(bytes)
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        Timestamp::from_micros(i64::from_be_bytes(self.array()?))
    }

    /// The first layout had no view position.
    pub(super) fn pin(&mut self, first: bool) -> Option<Pin> {
        let size = TreeSize(u64::from_be_bytes(self.array()?));
        let (late, chain) = if first {
            (0, [0; 8])
        } else {
            (u64::from_be_bytes(self.array()?), self.array()?)
        };
        Some(Pin {
            cut: LogCut { size, late },
            chain,
            root: Hash(self.array()?),
        })
    }
}
