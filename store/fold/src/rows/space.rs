//! The seam to the storage: an ordered space of byte keys, one per (tenant, environment).
//!
//! The store implements it over its column family (and puts the tenant and the environment before each key);
//! [`MemoryRows`] is the same over a map. Rows are only ever put, never deleted: what a late fact supersedes is
//! overridden by a row of a greater size (see `track`).

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which way a scan goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the least key up.
    Forward,
    /// From the greatest key down.
    Backward,
}

/// What a scan calls for each row, and which may stop it.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Rows ordered by the bytes of their keys.
pub trait OrderedRows {
    /// What reading and writing can fail with.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The value of `key`.
    ///
    /// # Errors
    /// When the rows can not be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Visits the rows with `from <= key < to` (`from` is less than `to`) in `direction` until `visit` breaks. Most scans break at the first or
    /// second row, so a cheap start matters more than a fast run.
    ///
    /// # Errors
    /// When the rows can not be read.
    fn scan(&self, from: &[u8], to: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Self::Error>;
}

/// Rows that can be written. A writer sees what it has put.
pub trait OrderedRowsMut: OrderedRows {
    /// Puts `value` at `key`, over what is there.
    ///
    /// # Errors
    /// When the row can not be written.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Self::Error>;
}

impl<R: OrderedRows + ?Sized> OrderedRows for &R {
    type Error = R::Error;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error> {
        (**self).get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Self::Error> {
        (**self).scan(from, to, direction, visit)
    }
}

/// What keeping or reading the rows can fail with.
#[derive(Debug, thiserror::Error)]
pub enum RowsError<E: std::error::Error + 'static> {
    /// The storage failed.
    #[error("the rows can not be read or written")]
    Storage(#[source] E),
    /// A row is not what was written.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// A row that can not be decoded, or that contradicts another: evidence of damage, never a panic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a row of `{0}` is damaged")]
pub struct Corrupt(pub &'static str);

/// Rows in memory.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct MemoryRows(BTreeMap<Vec<u8>, Vec<u8>>);

impl MemoryRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there no row?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All rows, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }
}

impl OrderedRows for MemoryRows {
    type Error = Infallible;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Infallible> {
        if from >= to {
            return Ok(());
        }
        let mut range: Range<'_, Vec<u8>, Vec<u8>> = self
            .0
            .range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)));
        let mut next = || match direction {
            Direction::Forward => range.next(),
            Direction::Backward => range.next_back(),
        };
        while let Some((key, value)) = next() {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl OrderedRowsMut for MemoryRows {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        self.0.insert(key.to_vec(), value.to_vec());
        Ok(())
    }
}

/// Counts what is read through it: every key got, and every row visited by a scan (one for a scan that finds none).
#[derive(Debug)]
pub struct CountedRows<R> {
    rows: R,
    read: AtomicU64,
}

impl<R> CountedRows<R> {
    /// Counts from zero.
    pub fn new(rows: R) -> Self {
        Self {
            rows,
            read: AtomicU64::new(0),
        }
    }

    /// Keys read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl<R: OrderedRows> OrderedRows for CountedRows<R> {
    type Error = R::Error;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.rows.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Self::Error> {
        let mut visited = 0;
        let scanned = self.rows.scan(from, to, direction, &mut |key, value| {
            visited += 1;
            visit(key, value)
        });
        self.read.fetch_add(visited.max(1), Ordering::Relaxed);
        scanned
    }
}

impl<R: OrderedRowsMut> OrderedRowsMut for CountedRows<R> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Self::Error> {
        self.rows.put(key, value)
    }
}
