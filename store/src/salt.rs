//! The key that salts are derived from: HMAC-SHA-256 (RFC 2104) of the record's position, its first 16 bytes.
//!
//! Replicas must agree on it, or their roots differ. So it is configured where several nodes read one Kafka; where none
//! is, the node makes one at random and keeps it beside the database in `salt.key` (mode 0600). Losing it loses the
//! power to recompute leaves, so it belongs into every backup.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::error::{OpenError, StoreError};
use crate::names::{LogName, SourcePosition};
use crate::options::Options;
use crate::record::Record;

/// The file in the data directory: 64 hex digits.
const FILE: &str = "salt.key";

/// The key that replicas of one Kafka cluster agree on where nobody configured one. Whoever knows the cluster's id can
/// derive it, so it does not keep a payload of few possible values from being guessed: configure one.
pub fn cluster_salt_key(cluster: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"verdict salt key of cluster\0")
        .chain_update(cluster)
        .finalize()
        .into()
}

/// The key, taken in by HMAC-SHA-256 once.
#[derive(Clone)]
pub(crate) struct SaltKey {
    keyed: Hmac<Sha256>,
    fingerprint: [u8; 16],
}

impl std::fmt::Debug for SaltKey {
    /// Never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SaltKey({})", hex::encode(self.fingerprint))
    }
}

impl SaltKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        let mut made = Self {
            keyed: Hmac::new(&hmac_key(key)),
            fingerprint: [0; 16],
        };
        made.fingerprint = truncated(made.hmac(&[b"verdict salt key fingerprint"]));
        made
    }

    /// What the store remembers of the key, to notice another one.
    pub(crate) fn fingerprint(&self) -> [u8; 16] {
        self.fingerprint
    }

    /// The salt of a record that brings none, by its position: that in Kafka, so that replicas agree, or in the log.
    pub(crate) fn salt(&self, log: &LogName, record: &Record) -> [u8; 16] {
        let whole = match &record.source {
            SourcePosition::Kafka {
                cluster,
                topic,
                partition,
                offset,
            } => self.hmac(&[
                b"kafka\0",
                cluster.as_bytes(),
                b"\0",
                topic.as_bytes(),
                b"\0",
                &partition.to_be_bytes(),
                &offset.to_be_bytes(),
            ]),
            SourcePosition::Intake => self.hmac(&[
                b"intake\0",
                log.to_string().as_bytes(),
                b"\0",
                &record.index.0.to_be_bytes(),
            ]),
        };
        truncated(whole)
    }

    fn hmac(&self, message: &[&[u8]]) -> [u8; 32] {
        let mut hmac = self.keyed.clone();
        message.iter().for_each(|part| hmac.update(part));
        hmac.finalize().into_bytes().into()
    }

    /// The configured key, else that of the data directory; with `create` it is made and synced when there is none.
    pub(crate) fn find(dir: &Path, options: &Options, create: bool) -> Result<Self, OpenError> {
        if let Some(key) = options.salt_key {
            return Ok(Self::new(key));
        }
        let path = dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let mut key = [0; 32];
                hex::decode_to_slice(text.trim(), &mut key)
                    .map_err(|_| OpenError::SaltKey(format!("`{}` must hold 64 hex digits", path.display())))?;
                Ok(Self::new(key))
            }
            Err(error) if error.kind() == ErrorKind::NotFound && create => {
                Ok(Self::new(make(dir, &path, options.new_salt_key)?))
            }
            Err(error) => Err(OpenError::SaltKey(format!(
                "the salt key in `{}` can not be read: {error}",
                path.display()
            ))),
        }
    }
}

/// HMAC fills a key up to a block with zeros.
fn hmac_key(key: [u8; 32]) -> hmac::digest::Key<Hmac<Sha256>> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(key).for_each(|(place, byte)| *place = byte);
    block
}

fn truncated(hash: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|place| hash[place])
}

/// Makes a key and lets the disk have it before any leaf depends on it.
fn make(dir: &Path, path: &Path, given: Option<[u8; 32]>) -> Result<[u8; 32], StoreError> {
    let failed = |error: std::io::Error| StoreError::file(path, &error);
    let mut key = given.unwrap_or_default();
    if given.is_none() {
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut key))
            .map_err(failed)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    writeln!(file, "{}", hex::encode(key))
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// RFC 4231, test case 1, whose 20-byte key HMAC fills up with zeros.
    #[test]
    fn it_is_the_hmac_of_the_rfc() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            hex::encode(SaltKey::new(key).hmac(&[b"Hi ", b"There"])),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn a_key_is_made_once_and_kept_to_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::default();
        let find = |options: &Options| SaltKey::find(dir.path(), options, true);
        assert!(SaltKey::find(dir.path(), &options, false).is_err());
        let made = find(&options).unwrap();
        assert_eq!(find(&options).unwrap().fingerprint(), made.fingerprint());
        let later = Options {
            new_salt_key: Some([1; 32]),
            ..Options::default()
        };
        assert_eq!(find(&later).unwrap().fingerprint(), made.fingerprint());
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(
            find(&Options {
                salt_key: Some([1; 32]),
                ..Options::default()
            })
            .unwrap()
            .fingerprint(),
            made.fingerprint()
        );
        fs::write(dir.path().join(FILE), "not a key").unwrap();
        assert!(find(&options).is_err());
    }
}
