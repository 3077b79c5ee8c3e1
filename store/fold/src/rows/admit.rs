//! Which series an instance is observed in: the first that came, up to a bound (E9).
//!
//! "First" is by the steps of the log, so what is understood late takes no place away from what counted before (E3). How
//! many series an instance is observed in is a row that the writer alone reads, and puts again when it grows: no cut needs
//! it, for what is beyond the bound is no observation, and no row is ever made of it.

use super::bound::latest;
use super::frontier::Frontier;
use super::instance::first_in;
use super::key::{ALL, Fields, Key, Tag, find};
use super::space::{Direction, OrderedRows, OrderedRowsMut, RowsError};

const WHAT: &str = "series of an instance";

/// What a record says of series in which its instance is not observed, since it is observed in as many as one may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beyond {
    /// Position of the first such entry in the record.
    pub first: u32,
    /// How many entries there are.
    pub entries: u32,
}

impl Beyond {
    /// With one more entry of the same record.
    pub fn and(before: Option<Self>, position: u32) -> Self {
        before.map_or(
            Self {
                first: position,
                entries: 1,
            },
            |before| Self {
                first: before.first.min(position),
                entries: before.entries.saturating_add(1),
            },
        )
    }
}

/// One instance, while a fact of it is taken in.
#[derive(Debug)]
pub(super) struct Admission {
    instance: u32,
    /// How many series it was observed in before; `None` until it matters.
    before: Option<u32>,
    /// Those that this fact adds.
    added: Vec<u32>,
}

impl Admission {
    /// `new` says that no record named the instance before.
    pub(super) fn new(instance: u32, new: bool) -> Self {
        Self {
            instance,
            before: new.then_some(0),
            added: Vec::new(),
        }
    }

    /// Is it observed in a series already?
    pub(super) fn is_observed<R: OrderedRows>(
        &self,
        rows: &R,
        frontier: &Frontier,
        series: u32,
    ) -> Result<bool, RowsError<R::Error>> {
        let remembered = frontier.instances.get(&self.instance);
        if self.added.contains(&series) || remembered.is_some_and(|instance| instance.there(series).is_some()) {
            return Ok(true);
        }
        if self.before == Some(0) {
            return Ok(false);
        }
        Ok(latest(rows, first_in(self.instance, series), ALL, WHAT)?.is_some())
    }

    /// May it be observed in one more?
    pub(super) fn has_room<R: OrderedRows>(&mut self, rows: &R, most: u32) -> Result<bool, RowsError<R::Error>> {
        let before = match self.before {
            Some(before) => before,
            None => *self.before.insert(observed_in(rows, self.instance)?),
        };
        let added = u32::try_from(self.added.len()).unwrap_or(u32::MAX);
        Ok(before.saturating_add(added) < most)
    }

    /// It is observed in one more.
    pub(super) fn add(&mut self, series: u32) {
        self.added.push(series);
    }

    /// Puts how many series it is observed in, if that has changed.
    pub(super) fn put<R: OrderedRowsMut>(self, rows: &mut R) -> Result<(), RowsError<R::Error>> {
        let added = u32::try_from(self.added.len()).unwrap_or(u32::MAX);
        let all = self.before.unwrap_or_default().saturating_add(added);
        if added == 0 || all < COUNTED {
            return Ok(());
        }
        rows.put(count_key(self.instance).as_slice(), &all.to_be_bytes())
            .map_err(RowsError::Storage)
    }
}

/// The least number of series that has a row: most instances are observed in one.
const COUNTED: u32 = 2;

fn count_key(instance: u32) -> Key {
    Key::new(Tag::ObservedIn).u32(instance)
}

/// How many series an instance is observed in.
fn observed_in<R: OrderedRows>(rows: &R, instance: u32) -> Result<u32, RowsError<R::Error>> {
    if let Some(count) = rows.get(count_key(instance).as_slice()).map_err(RowsError::Storage)? {
        return Ok(Fields::new(&count, WHAT).u32()?);
    }
    let series = Key::new(Tag::FirstIn).u32(instance);
    let one = find(
        rows,
        series,
        series.u32(u32::MAX).u64(u64::MAX).after(),
        Direction::Forward,
        |_, _| Ok(Some(())),
    )?;
    Ok(u32::from(one.is_some()))
}
