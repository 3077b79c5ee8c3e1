//! The rows of one instance in its series: what gave it its version, when it cited and was retired, and what follows for
//! its seat (E8, E9). When it was seen is in `presence`.

use uuid::Uuid;
use verdict_schemas::{EventId, Kind};

use super::bound::latest;
use super::key::{ALL, Fields, Key, Tag, collect, find, put_varint};
use super::presence::{Ends, ends, presence, push};
use super::space::{Corrupt, Direction, OrderedRows, OrderedRowsMut, RowsError};
use super::tally::{Seats, VersionId};
use crate::{DECISION_LEASE_MS, RecordRef};

/// (f, index or step) towards the end of a key.
fn fact_place(key: &[u8], skip: usize, what: &'static str) -> Result<(u64, u64), Corrupt> {
    let mut place = Fields::new(key.get(skip..).unwrap_or_default(), what);
    Ok((place.u64()?, place.u64()?))
}

fn retirements(instance: u32) -> Key {
    Key::new(Tag::Retired).u32(instance)
}

/// Puts a retirement.
pub(super) fn put_retired<R: OrderedRowsMut>(
    rows: &mut R,
    instance: u32,
    f: u64,
    step: u64,
) -> Result<(), RowsError<R::Error>> {
    rows.put(retirements(instance).u64(f).u64(step).as_slice(), &[])
        .map_err(RowsError::Storage)
}

/// The latest retirement at or before `x`.
pub(super) fn retired_at<R: OrderedRows>(
    rows: &R,
    instance: u32,
    x: u64,
    cut: u64,
) -> Result<Option<u64>, RowsError<R::Error>> {
    let prefix = retirements(instance);
    find(
        rows,
        prefix,
        prefix.u64(x).u64(u64::MAX).after(),
        Direction::Backward,
        |key, _| {
            let (f, step) = fact_place(key, 5, "retirements")?;
            Ok((step < cut).then_some(f))
        },
    )
}

/// Up to which id, from `instance` on, no instance was ever retired, in any cut.
pub(super) fn no_retirement_before<R: OrderedRows>(rows: &R, instance: u32) -> Result<u32, RowsError<R::Error>> {
    let (from, to) = (retirements(instance), retirements(u32::MAX));
    let next = find(rows, from, to, Direction::Forward, |key, _| {
        Fields::of_key(key, "retirements").u32().map(Some)
    })?;
    Ok(next.unwrap_or(u32::MAX))
}

/// An observation that gave an instance its version in a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gave {
    pub(super) version: VersionId,
    pub(super) record: RecordRef,
}

/// What gave a version last, if anything did, and its f.
pub(super) type Given = Option<(u64, Gave)>;

fn givings(series: u32, instance: u32) -> Key {
    Key::new(Tag::Gave).u32(series).u32(instance)
}

/// Puts an observation that gives a version.
///
/// ```text
/// value  1 cited or 0 reported, event id (16 bytes), version varint, step - index varint
/// ```
pub(super) fn put_gave<R: OrderedRowsMut>(
    rows: &mut R,
    (series, instance): (u32, u32),
    (f, position, step): (u64, u32, u64),
    gave: &Gave,
) -> Result<(), RowsError<R::Error>> {
    let mut value = vec![u8::from(gave.record.kind == Kind::Decision)];
    value.extend_from_slice(gave.record.event_id.0.as_bytes());
    put_varint(&mut value, u64::from(gave.version));
    put_varint(&mut value, step.saturating_sub(gave.record.index));
    let key = givings(series, instance).u64(f).u64(gave.record.index).u32(position);
    rows.put(key.as_slice(), &value).map_err(RowsError::Storage)
}

fn read_gave(key: &[u8], value: &[u8], cut: u64) -> Result<Option<(u64, Gave)>, Corrupt> {
    const WHAT: &str = "observations";
    let (f, index) = fact_place(key, 9, WHAT)?;
    // No step is below its index: most of what a cut does not see is passed without a look at the value.
    if index >= cut {
        return Ok(None);
    }
    let mut fields = Fields::new(value, WHAT);
    let kind = if fields.u8()? == 0 {
        Kind::AgentSeen
    } else {
        Kind::Decision
    };
    let event_id = EventId(Uuid::from_bytes(fields.array()?));
    let version = fields.varint_u32()?;
    let step = index.checked_add(fields.varint()?).ok_or(Corrupt(WHAT))?;
    fields.end()?;
    if step >= cut {
        return Ok(None);
    }
    Ok(Some((
        f,
        Gave {
            version,
            record: RecordRef { index, event_id, kind },
        },
    )))
}

/// The latest observation at or before `x` that gave a version.
pub(super) fn gave_at<R: OrderedRows>(
    rows: &R,
    (series, instance): (u32, u32),
    x: u64,
    cut: u64,
) -> Result<Option<(u64, Gave)>, RowsError<R::Error>> {
    let prefix = givings(series, instance);
    let to = prefix.u64(x).u64(u64::MAX).u32(u32::MAX).after();
    find(rows, prefix, to, Direction::Backward, |key, value| {
        read_gave(key, value, cut)
    })
}

/// As [`gave_at`], and as [`cited_at`] where that `matters`: whether one at f would, which turns no truer for an earlier f.
/// Each counted citation gives a version, so where one is among the last few that did, it needs no search of its own.
pub(super) fn gave_and_cited<R: OrderedRows>(
    rows: &R,
    key: (u32, u32),
    x: u64,
    cut: u64,
    matters: impl Fn(u64) -> bool,
) -> Result<(Given, Option<u64>), RowsError<R::Error>> {
    /// Rows passed before a search is the shorter way.
    const NEAR: u32 = 8;
    let prefix = givings(key.0, key.1);
    let to = prefix.u64(x).u64(u64::MAX).u32(u32::MAX).after();
    let (mut given, mut passed) = (None, 0);
    let cited = find(rows, prefix, to, Direction::Backward, |key, value| {
        let Some((f, gave)) = read_gave(key, value, cut)? else {
            return Ok(None);
        };
        given.get_or_insert((f, gave));
        passed += 1;
        Ok(if !matters(f) {
            Some(Ok(None))
        } else if gave.record.kind == Kind::Decision {
            Some(Ok(Some(f)))
        } else {
            (passed == NEAR).then_some(Err(f))
        })
    })?;
    let cited = match cited {
        None => None,
        Some(Ok(cited)) => cited,
        Some(Err(before)) => cited_at(rows, key, before, cut)?.filter(|f| matters(*f)),
    };
    Ok((given, cited))
}

/// f of the first observation in `(x, frontier]` that gives a version.
pub(super) fn next_giving<R: OrderedRows>(
    rows: &R,
    (series, instance): (u32, u32),
    (x, frontier): (u64, u64),
) -> Result<Option<u64>, RowsError<R::Error>> {
    let prefix = givings(series, instance);
    find(
        rows,
        prefix.u64(x + 1),
        prefix.u64(frontier + 1),
        Direction::Forward,
        |key, _| fact_place(key, 9, "observations").map(|(f, _)| Some(f)),
    )
}

fn citations(series: u32, instance: u32) -> Key {
    Key::new(Tag::Cited).u32(series).u32(instance)
}

/// A UTC minute, in microseconds (E8).
const MINUTE: u64 = 60_000_000;

/// The minute of `f`: one citation of a version by an instance is counted in each (E8).
pub(super) fn minute(f: u64) -> u64 {
    f / MINUTE
}

/// Whether it was is a row of its own: in one minute an instance may cite thousands of versions of a series.
fn cited_in(series: u32, instance: u32, version: VersionId, minute: u64) -> Key {
    Key::new(Tag::CitedMinute)
        .u32(series)
        .u32(instance)
        .u32(version)
        .u64(minute)
}

/// Puts a counted citation.
pub(super) fn put_cited<R: OrderedRowsMut>(
    rows: &mut R,
    (series, instance): (u32, u32),
    (f, step, position): (u64, u64, u32),
    version: VersionId,
) -> Result<(), RowsError<R::Error>> {
    let place = citations(series, instance).u64(f).u64(step).u32(position);
    for key in [place, cited_in(series, instance, version, minute(f))] {
        rows.put(key.as_slice(), &[]).map_err(RowsError::Storage)?;
    }
    Ok(())
}

/// Is a citation of `version` counted in a minute?
pub(super) fn counted_in<R: OrderedRows>(
    rows: &R,
    (series, instance): (u32, u32),
    version: VersionId,
    minute: u64,
) -> Result<bool, RowsError<R::Error>> {
    let key = cited_in(series, instance, version, minute);
    let there = rows.get(key.as_slice()).map_err(RowsError::Storage)?;
    Ok(there.is_some())
}

/// f of the latest counted citation at or before `x`.
pub(super) fn cited_at<R: OrderedRows>(
    rows: &R,
    (series, instance): (u32, u32),
    x: u64,
    cut: u64,
) -> Result<Option<u64>, RowsError<R::Error>> {
    let prefix = citations(series, instance);
    let to = prefix.u64(x).u64(u64::MAX).u32(u32::MAX).after();
    find(rows, prefix, to, Direction::Backward, |key, _| {
        let (f, step) = fact_place(key, 9, "citations")?;
        Ok((step < cut).then_some(f))
    })
}

/// Where the first observation of an instance in a series is kept.
pub(super) fn first_in(instance: u32, series: u32) -> Key {
    Key::new(Tag::FirstIn).u32(instance).u32(series)
}

/// The seats of an instance in a series over `[a, e)` by all records so far.
pub(super) fn seats<R: OrderedRows>(
    rows: &R,
    (series, instance): (u32, u32),
    (a, e): (u64, u64),
) -> Result<Seats, RowsError<R::Error>> {
    let key = (series, instance);
    let Some(first) = latest(rows, first_in(instance, series), ALL, "first observations")? else {
        return Ok(vec![(a, None)]);
    };
    let track = presence(instance);
    let mut presences: Vec<_> = track.at(rows, a, ALL)?.into_iter().collect();
    presences.extend(track.steps(rows, (a + 1, e), ALL)?);
    let range = |prefix: Key| (prefix.u64(a + 1), prefix.u64(e));
    let mut retired: Vec<_> = retired_at(rows, instance, a, ALL)?.into_iter().collect();
    let (from, to) = range(retirements(instance));
    retired.extend(collect(rows, from, to, |key, _| {
        fact_place(key, 5, "retirements").map(|(f, _)| Some(f))
    })?);
    let mut gave: Vec<_> = gave_at(rows, key, a, ALL)?.into_iter().collect();
    let (from, to) = range(givings(series, instance));
    gave.extend(collect(rows, from, to, |key, value| read_gave(key, value, ALL))?);
    let mut cited: Vec<_> = cited_at(rows, key, a, ALL)?.into_iter().collect();
    let (from, to) = range(citations(series, instance));
    cited.extend(collect(rows, from, to, |key, _| {
        fact_place(key, 9, "citations").map(|(f, _)| Some(f))
    })?);

    let mut turns = vec![a, first];
    for (x, presence) in &presences {
        turns.extend([*x, presence.standing.ends.live, presence.standing.ends.silent]);
    }
    for f in &cited {
        let Ends { live, silent } = ends(*f, DECISION_LEASE_MS);
        turns.extend([*f, live, silent]);
    }
    turns.extend(retired.iter().chain(gave.iter().map(|(f, _)| f)));
    turns.retain(|x| (a..e).contains(x));
    turns.sort_unstable();
    turns.dedup();

    let mut seats = Seats::new();
    for x in turns {
        let standing = last_at(&presences, |(at, _)| *at, x).map(|(_, presence)| presence.standing.ends);
        let cited = last_at(&cited, |f| *f, x).copied();
        let ends = standing
            .unwrap_or_default()
            .with_citation(cited, last_at(&retired, |f| *f, x).copied());
        let version = last_at(&gave, |(f, _)| *f, x).map_or(super::tally::NOTHING, |(_, gave)| gave.version);
        push(&mut seats, x, if first <= x { ends.seat(x, version) } else { None });
    }
    Ok(seats)
}

/// The last of `sorted` at or before `x`.
fn last_at<T>(sorted: &[T], at: impl Fn(&T) -> u64, x: u64) -> Option<&T> {
    sorted
        .partition_point(|one| at(one) <= x)
        .checked_sub(1)
        .and_then(|place| sorted.get(place))
}
