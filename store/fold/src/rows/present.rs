//! What the writer remembers of one instance: what stands by its reports, and what it runs in each series.
//!
//! An instance may have been observed in thousands of series, and one decision may cite them all. So a citation, which
//! says something of one series, looks at that one alone: of an instance that was forgotten it reads only that one back,
//! and the memory is *partial* until a report, which bears on all of them, reads the rest. What a partial memory leaves
//! out has expired: an instance is forgotten when it is gone everywhere.

use super::bound::latest_of_each;
use super::instance::{cited_at, first_in, gave_at, retired_at};
use super::key::{ALL, Key, Tag};
use super::presence::{Ends, Standing, presence};
use super::space::{OrderedRows, RowsError};
use super::tally::{NOTHING, VersionId};

const FIRSTS: &str = "first observations";

/// What an instance runs in one series, by all its facts so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct InSeries {
    pub(super) series: u32,
    pub(super) version: VersionId,
    /// f of its first observation there.
    pub(super) first: u64,
    /// f of its latest counted citation there.
    pub(super) cited: Option<u64>,
}

impl InSeries {
    fn load<R: OrderedRows>(rows: &R, (series, instance): (u32, u32), first: u64) -> Result<Self, RowsError<R::Error>> {
        let gave = gave_at(rows, (series, instance), u64::MAX, ALL)?;
        Ok(Self {
            series,
            version: gave.map_or(NOTHING, |(_, gave)| gave.version),
            first,
            cited: cited_at(rows, (series, instance), u64::MAX, ALL)?,
        })
    }
}

/// An instance by all its facts so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Present {
    pub(super) standing: Standing,
    /// Its latest retirement.
    pub(super) retired: Option<u64>,
    /// f of its latest sighting by `agent_seen`, or of its retirement.
    pub(super) reported: Option<u64>,
    /// (level, bucket) of its latest mark.
    pub(super) marked: Option<(u8, u64)>,
    /// Where it stands in the heap: not after its next turn.
    pub(super) queued: Option<u64>,
    /// Whether that is its next turn.
    pub(super) exact: bool,
    /// By series.
    series: Vec<InSeries>,
    /// Series that are not among them may have been observed all the same.
    partial: bool,
}

impl Present {
    /// Reads all of it from the rows.
    pub(super) fn load<R: OrderedRows>(rows: &R, instance: u32) -> Result<Self, RowsError<R::Error>> {
        let mut present = Self::load_partial(rows, instance)?;
        present.load_series(rows, instance)?;
        Ok(present)
    }

    /// Reads what stands by its reports, and no series yet.
    pub(super) fn load_partial<R: OrderedRows>(rows: &R, instance: u32) -> Result<Self, RowsError<R::Error>> {
        let (reported, presence) = presence(instance).at(rows, u64::MAX, ALL)?.unzip();
        Ok(Self {
            standing: presence.map(|presence| presence.standing).unwrap_or_default(),
            retired: retired_at(rows, instance, u64::MAX, ALL)?,
            reported,
            partial: true,
            ..Self::default()
        })
    }

    fn load_series<R: OrderedRows>(&mut self, rows: &R, instance: u32) -> Result<(), RowsError<R::Error>> {
        let firsts = latest_of_each(rows, Key::new(Tag::FirstIn).u32(instance), ALL, FIRSTS)?;
        let load = |(series, first)| InSeries::load(rows, (series, instance), first);
        self.series = firsts.into_iter().map(load).collect::<Result<_, _>>()?;
        self.partial = false;
        Ok(())
    }

    /// Reads all of it again; its mark and its place in the heap have not moved.
    pub(super) fn load_again<R: OrderedRows>(self, rows: &R, instance: u32) -> Result<Self, RowsError<R::Error>> {
        Ok(Self {
            marked: self.marked,
            queued: self.queued,
            exact: false,
            ..Self::load(rows, instance)?
        })
    }

    /// Reads the series that are not known yet.
    pub(super) fn complete<R: OrderedRows>(&mut self, rows: &R, instance: u32) -> Result<(), RowsError<R::Error>> {
        if self.partial {
            self.load_series(rows, instance)?;
        }
        Ok(())
    }

    /// Reads a series that is not known yet.
    pub(super) fn complete_in<R: OrderedRows>(
        &mut self,
        rows: &R,
        (series, instance): (u32, u32),
    ) -> Result<(), RowsError<R::Error>> {
        if self.partial && self.there(series).is_none() {
            self.load_in(rows, (series, instance))?;
        }
        Ok(())
    }

    /// Reads a series again.
    pub(super) fn load_in<R: OrderedRows>(
        &mut self,
        rows: &R,
        (series, instance): (u32, u32),
    ) -> Result<(), RowsError<R::Error>> {
        if let Some(first) = super::bound::latest(rows, first_in(instance, series), ALL, FIRSTS)? {
            self.put(InSeries::load(rows, (series, instance), first)?);
        }
        Ok(())
    }

    /// f of its latest report, or of its latest citation in any series known.
    pub(super) fn last(&self) -> Option<u64> {
        let cited = self.series.iter().map(|there| there.cited).max().flatten();
        cited.max(self.reported)
    }

    /// Until when it is live and silent in a series.
    pub(super) fn ends(&self, there: &InSeries) -> Ends {
        self.standing.ends.with_citation(there.cited, self.retired)
    }

    /// What it runs in each series known, by series.
    pub(super) fn known(&self) -> &[InSeries] {
        &self.series
    }

    /// What it runs in a series, if it was observed there.
    pub(super) fn there(&self, series: u32) -> Option<&InSeries> {
        let place = self.series.binary_search_by_key(&series, |there| there.series);
        place.ok().and_then(|place| self.series.get(place))
    }

    /// Remembers what it runs in a series.
    pub(super) fn put(&mut self, there: InSeries) {
        match self.series.binary_search_by_key(&there.series, |there| there.series) {
            Ok(place) => {
                if let Some(known) = self.series.get_mut(place) {
                    *known = there;
                }
            }
            Err(place) => self.series.insert(place, there),
        }
    }

    /// The next moment after `t` at which it expires somewhere; `None` if it is gone everywhere.
    pub(super) fn next_turn(&self, t: u64) -> Option<u64> {
        let everywhere = self.series.iter().map(|there| self.ends(there));
        let everywhere = everywhere.chain([self.standing.ends]);
        everywhere.filter_map(|ends| ends.next_turn(t)).min()
    }

    /// The next moment after `t` at which it expires in a series.
    pub(super) fn next_turn_in(&self, series: u32, t: u64) -> Option<u64> {
        self.there(series).and_then(|there| self.ends(there).next_turn(t))
    }

    /// Series it has room for.
    pub(super) fn capacity(&self) -> usize {
        self.series.capacity()
    }
}
