//! Marks: who may have been observed around a moment, however long the history.
//!
//! A sighting matters for one and a half leases (E8). Time is cut into buckets of 2^level microseconds, the level being
//! the least at which a bucket is as long as that; the sighting then matters at most until the end of the next bucket. A
//! row (level, bucket, instance) is put once, by the first recorded sighting in the bucket. So at t it is enough to look
//! into two neighbouring buckets of each level in use: whoever is there was observed within a small multiple of its own
//! lease of t. Citations have one lease, so one level, and are marked per series.

use super::key::{Fields, Key, Tag, collect};
use super::presence::ends;
use super::space::{OrderedRows, OrderedRowsMut, RowsError};
use crate::DECISION_LEASE_MS;

/// Buckets are at least a second long: shorter leases would put a row per heartbeat.
const LEAST: u32 = 20;
const WHAT: &str = "marks";

/// The level for a lease.
pub(super) fn level(lease_ms: u64) -> u8 {
    let span = ends(0, lease_ms).silent.max(1);
    let level = span.checked_next_power_of_two().map_or(63, u64::trailing_zeros);
    u8::try_from(level.max(LEAST)).unwrap_or(63)
}

/// The bucket of `f`.
pub(super) fn bucket(level: u8, f: u64) -> u64 {
    f.checked_shr(u32::from(level)).unwrap_or(0)
}

/// The level of citations.
pub(super) fn citation_level() -> u8 {
    level(DECISION_LEASE_MS)
}

fn in_use(level: u8) -> Key {
    Key::new(Tag::Level).u8(level)
}

fn seen(level: u8, bucket: u64) -> Key {
    Key::new(Tag::SeenIn).u8(level).u64(bucket)
}

fn cited(series: u32, bucket: u64) -> Key {
    Key::new(Tag::CitedIn).u32(series).u64(bucket)
}

/// Puts the row unless it is there: the first step stays.
fn put_first<R: OrderedRowsMut>(rows: &mut R, key: Key, step: u64) -> Result<(), RowsError<R::Error>> {
    if rows.get(key.as_slice()).map_err(RowsError::Storage)?.is_none() {
        rows.put(key.as_slice(), &step.to_be_bytes())
            .map_err(RowsError::Storage)?;
    }
    Ok(())
}

/// Marks an instance seen at `f`.
pub(super) fn put_seen<R: OrderedRowsMut>(
    rows: &mut R,
    (level, bucket): (u8, u64),
    instance: u32,
    step: u64,
) -> Result<(), RowsError<R::Error>> {
    put_first(rows, in_use(level), step)?;
    put_first(rows, seen(level, bucket).u32(instance), step)
}

/// Marks an instance that cited in a series.
pub(super) fn put_cited<R: OrderedRowsMut>(
    rows: &mut R,
    (series, bucket): (u32, u64),
    instance: u32,
    step: u64,
) -> Result<(), RowsError<R::Error>> {
    put_first(rows, cited(series, bucket).u32(instance), step)
}

fn marked<R: OrderedRows>(rows: &R, from: Key, to: Key, cut: u64) -> Result<Vec<u32>, RowsError<R::Error>> {
    collect(rows, from, to, |key, value| {
        let id = key
            .len()
            .checked_sub(4)
            .and_then(|start| key.get(start..))
            .unwrap_or_default();
        let id = Fields::new(id, WHAT).u32()?;
        Ok((Fields::new(value, WHAT).u64()? < cut).then_some(id))
    })
}

/// Instances whose `agent_seen` may matter at `t`, by id, each once.
pub(super) fn seen_around<R: OrderedRows>(rows: &R, t: u64, cut: u64) -> Result<Vec<u32>, RowsError<R::Error>> {
    let levels = collect(rows, in_use(0), in_use(u8::MAX).after(), |key, value| {
        let level = Fields::of_key(key, WHAT).u8()?;
        Ok((Fields::new(value, WHAT).u64()? < cut).then_some(level))
    })?;
    let mut all = Vec::new();
    for level in levels {
        let bucket = bucket(level, t);
        all.extend(marked(
            rows,
            seen(level, bucket.saturating_sub(1)),
            seen(level, bucket + 1),
            cut,
        )?);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Instances whose citations in `series` may matter at `t`, by id, each once.
pub(super) fn cited_around<R: OrderedRows>(
    rows: &R,
    series: u32,
    t: u64,
    cut: u64,
) -> Result<Vec<u32>, RowsError<R::Error>> {
    let bucket = bucket(citation_level(), t);
    let mut all = marked(
        rows,
        cited(series, bucket.saturating_sub(1)),
        cited(series, bucket + 1),
        cut,
    )?;
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sighting_ends_within_the_next_bucket() {
        for lease_ms in [1, 699, 700, 30_000, 60_000, 300_000, 3650 * 86_400_000] {
            let level = level(lease_ms);
            for f in [0, 1, (1 << level) - 1, 1 << level, 1_700_000_000_000_000] {
                let last = ends(f, lease_ms).silent - 1;
                assert!(bucket(level, last) - bucket(level, f) <= 1, "{lease_ms} ms at {f}");
            }
        }
    }
}
