//! The fold's rows of one generation and environment, within the one column family that holds them all.
//!
//! ```text
//! observed   view u32 | environment u32 | the fold's own key       ->  the fold's own value
//!            view u32 | 0 u32 | 0 u8                               ->  how many environments have a number
//!            view u32 | 0 u32 | 1 u8 | the environment's name      ->  its number, from 1, in the order of appearance
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use rocksdb::{DBRawIterator, ReadOptions};
use verdict_fold::rows::{Direction, OrderedRows, OrderedRowsMut, Visit};

use super::mark::ViewId;
use crate::database::Ordered;
use crate::error::StoreError;
use crate::tables::Table;

/// Rows put and not written yet, by the fold's key.
pub(crate) type Pending = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// The prefix of an environment's rows.
pub(crate) fn prefix(view: ViewId, environment: u32) -> [u8; 8] {
    let [a, b, c, d] = view.prefix();
    let [e, f, g, h] = environment.to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

/// Rows of one environment: what is written, and over it what is pending.
pub(crate) struct EnvironmentSpace<'d, S> {
    source: &'d S,
    prefix: [u8; 8],
    pending: Pending,
    /// One iterator serves all scans: to make one costs more than most of them.
    iterator: RefCell<Option<DBRawIterator<'d>>>,
}

impl<'d, S: Ordered> EnvironmentSpace<'d, S> {
    pub(crate) fn new(source: &'d S, view: ViewId, environment: u32, pending: Pending) -> Self {
        let prefix = prefix(view, environment);
        Self {
            source,
            prefix,
            pending,
            iterator: RefCell::new(None),
        }
    }

    /// What was put.
    pub(crate) fn into_pending(self) -> Pending {
        self.pending
    }

    fn whole(&self, key: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.prefix.len() + key.len());
        whole.extend_from_slice(&self.prefix);
        whole.extend_from_slice(key);
        whole
    }

    fn open(&self) -> Result<DBRawIterator<'d>, StoreError> {
        // Bounded: a search that finds nothing here would else walk on into the rows of a neighbour, and past every one that
        // was written since this iterator was opened, one by one. (Seen: three minutes for one record.)
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(self.prefix);
        if let Some(end) = u64::from_be_bytes(self.prefix).checked_add(1) {
            options.set_iterate_upper_bound(end.to_be_bytes());
        }
        self.source.raw_iterator(Table::Observed, options)
    }

    fn merged(
        &self,
        iterator: &mut DBRawIterator<'d>,
        (from, to): (&[u8], &[u8]),
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let (first, end) = (self.whole(from), self.whole(to));
        match direction {
            Direction::Forward => iterator.seek(&first),
            Direction::Backward => {
                iterator.seek_for_prev(&end);
                if iterator.key() == Some(&end) {
                    iterator.prev();
                }
            }
        }
        let mut pending = self
            .pending
            .range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let mut next_pending = || match direction {
            Direction::Forward => pending.next(),
            Direction::Backward => pending.next_back(),
        };
        let mut put = next_pending();
        let mut visited = 0;
        loop {
            let written = iterator
                .item()
                .filter(|(key, _)| **key >= *first && **key < *end)
                .map(|(key, value)| (key.get(self.prefix.len()..).unwrap_or_default(), value));
            let (take_put, step) = match (put, written) {
                (None, None) => break,
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, true),
                (Some((pending, _)), Some((written, _))) => {
                    let order = match direction {
                        Direction::Forward => (**pending).cmp(written),
                        Direction::Backward => written.cmp(pending),
                    };
                    // What is pending lies over what is written.
                    (order.is_le(), order.is_ge())
                }
            };
            visited += 1;
            let verdict = match (take_put, put, written) {
                (true, Some((key, value)), _) => visit(key, value),
                (_, _, Some((key, value))) => visit(key, value),
                _ => ControlFlow::Break(()),
            };
            if verdict.is_break() {
                break;
            }
            if take_put {
                put = next_pending();
            }
            if step {
                match direction {
                    Direction::Forward => iterator.next(),
                    Direction::Backward => iterator.prev(),
                }
            }
        }
        self.source.has_read(visited.max(1));
        Ok(iterator.status()?)
    }
}

impl<S: Ordered> OrderedRows for EnvironmentSpace<'_, S> {
    type Error = StoreError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.pending.get(key) {
            return Ok(Some(value.to_vec()));
        }
        self.source.has_read(1);
        Ok(self
            .source
            .row(Table::Observed, &self.whole(key))?
            .map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if from >= to {
            return Ok(());
        }
        match self.iterator.try_borrow_mut() {
            Ok(mut held) => {
                let iterator = match &mut *held {
                    Some(iterator) => iterator,
                    none => none.insert(self.open()?),
                };
                self.merged(iterator, (from, to), direction, visit)
            }
            // A scan within a scan.
            Err(_) => self.merged(&mut self.open()?, (from, to), direction, visit),
        }
    }
}

impl<S: Ordered> OrderedRowsMut for EnvironmentSpace<'_, S> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.pending.insert(key.into(), value.into());
        Ok(())
    }
}
