//! The one hash function, SHA-256, and the two prefixes that keep leaves and nodes apart (RFC 6962 section 2.1).
//!
//! A leaf is hashed behind `0x00`, a node behind `0x01`: without them an inner node could be passed off as a leaf.

use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

/// The first byte under a leaf's hash.
const LEAF_PREFIX: u8 = 0x00;
/// The first byte under a node's hash.
const NODE_PREFIX: u8 = 0x01;

/// A SHA-256 hash of a leaf, of a subtree, or of a whole tree (its root).
///
/// Shown and read as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; Self::LEN]);

/// Bytes or text that are not a [`struct@Hash`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The bytes are not 32.
    #[error("a hash has 32 bytes, not {0}")]
    Length(usize),
    /// The text is not 64 hexadecimal digits.
    #[error("`{0}` is not a hash of 64 hexadecimal digits")]
    Hex(String),
}

impl Hash {
    /// The bytes of a hash.
    pub const LEN: usize = 32;

    /// The root of the tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1, `MTH({})`).
    pub const EMPTY_ROOT: Hash = Hash([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// The hash that `bytes` are.
    ///
    /// # Errors
    /// [`HashError::Length`] unless there are 32.
    pub fn from_slice(bytes: &[u8]) -> Result<Hash, HashError> {
        <[u8; Self::LEN]>::try_from(bytes)
            .map(Hash)
            .map_err(|_| HashError::Length(bytes.len()))
    }

    /// The hash that 64 hexadecimal digits of either case spell.
    ///
    /// # Errors
    /// [`HashError::Hex`] for any other text.
    pub fn from_hex(text: &str) -> Result<Hash, HashError> {
        let malformed = || HashError::Hex(text.chars().take(80).collect());
        let mut hash = [0; Self::LEN];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != Self::LEN || !rest.is_empty() {
            return Err(malformed());
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)
                .zip(digit(*low))
                .map(|(high, low)| high << 4 | low)
                .ok_or_else(malformed)?;
        }
        Ok(Hash(hash))
    }

    /// 64 lowercase hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.to_string()
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

/// The value of a hexadecimal digit.
fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Hash, HashError> {
        Hash::from_hex(text)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; Hash::LEN]> for Hash {
    fn from(bytes: [u8; Hash::LEN]) -> Hash {
        Hash(bytes)
    }
}

/// The root of the tree without leaves, [`Hash::EMPTY_ROOT`].
#[must_use]
pub const fn empty_root() -> Hash {
    Hash::EMPTY_ROOT
}

/// The hash of a leaf: `SHA-256(0x00 || data)` (RFC 6962 section 2.1, `MTH({d(0)})`).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    Hash(
        Sha256::new_with_prefix([LEAF_PREFIX])
            .chain_update(data)
            .finalize()
            .into(),
    )
}

/// The hash of a node over its two children: `SHA-256(0x01 || left || right)` (RFC 6962 section 2.1).
#[must_use]
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    let mut input = [NODE_PREFIX; 1 + 2 * Hash::LEN];
    input[1..=Hash::LEN].copy_from_slice(&left.0);
    input[1 + Hash::LEN..].copy_from_slice(&right.0);
    Hash(Sha256::digest(input).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(Hash::EMPTY_ROOT, Hash(Sha256::digest([]).into()));
        assert_eq!(empty_root(), Hash::EMPTY_ROOT);
    }

    #[test]
    fn hexadecimal_goes_and_comes_back() {
        let hash = leaf_hash(b"x");
        assert_eq!(Hash::from_hex(&hash.to_hex()), Ok(hash));
        assert_eq!(hash.to_hex().to_uppercase().parse(), Ok(hash));
        assert_eq!(format!("{hash}"), format!("{hash:?}"));
        assert_eq!(hash.to_hex().len(), 64);
    }

    #[test]
    fn what_is_not_a_hash_is_refused() {
        let good = leaf_hash(b"x").to_hex();
        for bad in [
            &good[1..],
            &good[2..],
            &format!("{good}0"),
            &format!("{good}00"),
            &good.replacen(&good[5..6], "g", 1),
            "",
        ] {
            assert_eq!(Hash::from_hex(bad), Err(HashError::Hex(bad.to_owned())));
        }
        assert_eq!(Hash::from_slice(&[0; 31]), Err(HashError::Length(31)));
        assert_eq!(Hash::from_slice(&[7; 32]), Ok(Hash([7; 32])));
    }
}
