//! Our own schemas: those written today, and every one ever released, which decodes for ever.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::{Kind, WriterSchema};

macro_rules! schemas {
    ($directory:literal) => {
        [
            include_str!(concat!($directory, "/decision.avsc")),
            include_str!(concat!($directory, "/effect_recorded.avsc")),
            include_str!(concat!($directory, "/agent_seen.avsc")),
            include_str!(concat!($directory, "/agent_retired.avsc")),
            include_str!(concat!($directory, "/rollout.avsc")),
            include_str!(concat!($directory, "/artifact_published.avsc")),
            include_str!(concat!($directory, "/object_changed.avsc")),
            include_str!(concat!($directory, "/reconciliation_reported.avsc")),
            include_str!(concat!($directory, "/degradation_changed.avsc")),
            include_str!(concat!($directory, "/check_recorded.avsc")),
            include_str!(concat!($directory, "/subject_erased.avsc")),
        ]
    };
}

/// What is written today, in the order of [`Kind::ALL`].
const CURRENT: [&str; 11] = schemas!("../../avro");

/// Every release, oldest first. A release adds a directory under `golden/` and a line here; nothing is ever removed.
const RELEASED: [[&str; 11]; 1] = [schemas!("../../golden/v1")];

/// Both, compiled once.
struct Own {
    current: Vec<Arc<WriterSchema>>,
    by_fingerprint: HashMap<u64, Arc<WriterSchema>>,
}

static OWN: LazyLock<Own> = LazyLock::new(|| {
    // That all of them parse is what the tests of this module assert; here none can stop a running node.
    let parse = |json: &&str| WriterSchema::parse(json).ok().map(Arc::new);
    let current: Vec<_> = CURRENT.iter().filter_map(parse).collect();
    let released = RELEASED.iter().flatten().filter_map(parse);
    let by_fingerprint = released
        .chain(current.iter().cloned())
        .map(|schema| (schema.fingerprint(), schema))
        .collect();
    Own {
        current,
        by_fingerprint,
    }
});

/// The schema by which events of this kind are written, as JSON; `None` for [`Kind::Unknown`].
pub fn avro_schema(kind: Kind) -> Option<&'static str> {
    position(kind).map(|i| CURRENT[i])
}

/// The CRC-64-AVRO fingerprint of [`avro_schema`].
pub fn fingerprint(kind: Kind) -> Option<u64> {
    current(kind).map(|schema| schema.fingerprint())
}

/// The schema by which events of this kind are written.
pub(crate) fn current(kind: Kind) -> Option<&'static Arc<WriterSchema>> {
    OWN.current.get(position(kind)?)
}

/// Any schema of ours, released or current.
pub(crate) fn known(fingerprint: u64) -> Option<&'static Arc<WriterSchema>> {
    OWN.by_fingerprint.get(&fingerprint)
}

fn position(kind: Kind) -> Option<usize> {
    Kind::ALL.iter().position(|known| *known == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_of_ours_parses_and_is_of_the_kind_it_stands_for() {
        for schemas in RELEASED.iter().chain([&CURRENT]) {
            for (json, kind) in schemas.iter().zip(Kind::ALL) {
                assert_eq!(WriterSchema::parse(json).unwrap().kind(), Some(kind));
            }
        }
        assert_eq!(OWN.current.len(), Kind::ALL.len());
    }
}
