//! Series whose steps are no longer kept.
//!
//! A late fact corrects the steps behind it for as long as it matters; what it overrides stays beside each correction, for
//! earlier cuts; and each step tells all versions that somebody runs. Where hundreds of instances first heard of an hour
//! late came and went within one lease, or thousands run a version each, that is millions of cells for one fact, and
//! every tenant waits behind it. So a fact that meets more than [`CELLS`] of a series ends its steps, from that record
//! on: what was observed is kept as ever, and a question sweeps over it, as it does where a partial is open. Earlier cuts
//! have their steps.
//!
//! That depends on nothing but the facts before, so rebuilt rows agree on it (A6).

use foldhash::HashSet;

use super::key::{Fields, Key, Tag, collect};
use super::space::{OrderedRows, OrderedRowsMut, RowsError};

/// Rows of steps, and versions within them, that one fact may have to read.
pub(super) const CELLS: usize = 1 << 16;

const WHAT: &str = "series given up";

/// The series given up, in memory.
#[derive(Debug)]
pub(super) struct GivenUp {
    series: HashSet<u32>,
    /// [`CELLS`], but for tests.
    pub(super) cells: usize,
}

impl GivenUp {
    /// Reads them.
    pub(super) fn load<R: OrderedRows>(rows: &R, cells: usize) -> Result<Self, RowsError<R::Error>> {
        let all = Key::new(Tag::GivenUp);
        let series = collect(rows, all, all.u32(u32::MAX).after(), |key, _| {
            Fields::of_key(key, WHAT).u32().map(Some)
        })?;
        Ok(Self {
            series: series.into_iter().collect(),
            cells,
        })
    }

    pub(super) fn contains(&self, series: u32) -> bool {
        self.series.contains(&series)
    }

    /// Gives a series up, from the cut of `size` on.
    pub(super) fn put<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        series: u32,
        size: u64,
    ) -> Result<(), RowsError<R::Error>> {
        self.series.insert(series);
        let key = Key::new(Tag::GivenUp).u32(series);
        rows.put(key.as_slice(), &size.to_be_bytes())
            .map_err(RowsError::Storage)
    }
}

/// Are the steps of a series kept in the cut?
pub(super) fn has_steps<R: OrderedRows>(rows: &R, series: u32, cut: u64) -> Result<bool, RowsError<R::Error>> {
    let key = Key::new(Tag::GivenUp).u32(series);
    let Some(value) = rows.get(key.as_slice()).map_err(RowsError::Storage)? else {
        return Ok(true);
    };
    Ok(cut < Fields::new(&value, WHAT).u64()?)
}
