//! Leaf and tree: what commitment costs one core, beside hashing alone.

use std::hint::black_box;

use anyhow::Result;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use verdict_merkle::{Tree, leaf_hash};
use verdict_schemas::Timestamp;

use crate::decode::rate;
use crate::events::{Form, Ids, Source};
use crate::table::{Table, ratio, whole};

/// Leaves between two writes of the tiles: a group commit under load.
const COMMIT: u64 = 10_000;

pub(crate) fn run() -> Result<()> {
    let source = Source::new(Form::Avro, Ids::V4, Timestamp::parse("2026-03-01T12:00:00Z")?)?;
    let values: Vec<Bytes> = (0..COMMIT)
        .map(|number| Ok(source.make(number)?.value))
        .collect::<Result<_>>()?;
    let bytes: usize = values.iter().map(Bytes::len).sum();
    let hashed = rate(&values, |value| {
        black_box(Sha256::new().chain_update([0]).chain_update(value).finalize());
        Ok(())
    })?;
    let mut tree = Tree::new();
    let grown = rate(&values, |value| {
        tree.push(leaf_hash(value));
        // Taken as often as the store does: at each commit.
        if tree.size().0.is_multiple_of(COMMIT) {
            black_box(tree.take_dirty());
        }
        Ok(())
    })?;
    let mut table = Table::new(
        "Leaf and tree, one core",
        &["what", "leaves/s", "ratio to hashing alone"],
    );
    table.row([
        "SHA-256 of the leaf alone".to_owned(),
        whole(hashed),
        ratio(hashed, hashed),
    ]);
    table.row([
        "`leaf_hash`, `push`, `take_dirty` at each commit".to_owned(),
        whole(grown),
        ratio(grown, hashed),
    ]);
    let mean = whole(bytes as f64 / values.len() as f64);
    table.note(format!(
        "Leaves of {mean} bytes; {} of them pushed, tiles taken every {}.",
        whole(tree.size().0 as f64),
        whole(COMMIT as f64)
    ));
    table.print()
}
