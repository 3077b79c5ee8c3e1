//! Single ids: where is this event, this decision, this trace; which versions were cited; what is flagged.

use rocksdb::{DBRawIterator, ReadOptions};
use verdict_merkle::LeafIndex;
use verdict_schemas::{EventId, PolicyName, Timestamp, TraceId, Version};

use super::index::{Entry, Order, read_note};
use super::snapshot::Snapshot;
use crate::cut::{Late, LogCut, turn};
use crate::database::Ordered;
use crate::database::Rows;
use crate::error::StoreError;
use crate::names::LogId;
use crate::tables::Table;
use crate::views::dedup::Counts;
use crate::views::keys::{self, H16, Key, h16, h16_correlation, h16_effects};
use crate::views::{CitedVersion, Flag, flag, versions};

/// A record with a given event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRecord {
    /// Where.
    pub index: LeafIndex,
    /// Does it count (E4)? If not it is a conflict; duplicates are not listed.
    pub counts: bool,
}

impl Snapshot<'_> {
    /// The records of the cut with this event id: of whatever source, those that count and those in conflict with
    /// them, by index.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn by_event_id(&self, log: LogId, id: EventId, cut: LogCut) -> Result<Vec<EventRecord>, StoreError> {
        let prefix = Key::view(self.view(log)?).with(id.0.as_bytes());
        let mut found = Vec::new();
        self.each(Table::Event, prefix.as_slice(), |key, value| {
            if key.len() == keys::EVENT {
                let all = Counts::decode_all(value);
                let all = all.map_err(|damage| StoreError::corrupt(Table::Event, damage.to_string()))?;
                let seen = all.into_iter().filter(|counts| cut.sees(counts.index, counts.late));
                found.extend(seen.map(|counts| EventRecord {
                    index: counts.index,
                    counts: true,
                }));
            } else if let Some(index) = keys::tail_index(key).map(LeafIndex) {
                let late = value.try_into().ok().map(Late::decode);
                if cut.sees(index, late) {
                    found.push(EventRecord { index, counts: false });
                }
            }
            Ok(true)
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// The first decision of the cut with this id, in the order of understanding: the one that is meant (E4).
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn by_decision_id(&self, log: LogId, id: &str, cut: LogCut) -> Result<Option<LeafIndex>, StoreError> {
        let mut first = None;
        self.each_by_id(Table::Decision, log, &h16(id), cut, |entry| {
            let turn = turn(entry.index, entry.late);
            if first.is_none_or(|(before, _)| turn < before) {
                first = Some((turn, entry.index));
            }
            // No record is understood before it came: none behind this one is before what was understood by then.
            first.is_none_or(|((passed, _, _), _)| entry.index.0 < passed)
        })?;
        Ok(first.map(|(_, index)| index))
    }

    /// The `effect_recorded` events of the cut about this decision, by index; at most `limit` of them.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn effects_of(
        &self,
        log: LogId,
        decision_id: &str,
        cut: LogCut,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.by_id_up_to(Table::Decision, log, &h16_effects(decision_id), cut, limit)
    }

    /// The events of the cut with this trace id, however it is written, of every kind, by index; at most `limit` of them.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn by_trace(&self, log: LogId, trace: &str, cut: LogCut, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.by_id_up_to(Table::Trace, log, &h16(&TraceId::normal_form(trace)), cut, limit)
    }

    /// The events of the cut with this correlation id, of every kind, by index; at most `limit` of them.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn by_correlation(&self, log: LogId, id: &str, cut: LogCut, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.by_id_up_to(Table::Trace, log, &h16_correlation(id), cut, limit)
    }

    fn by_id_up_to(
        &self,
        table: Table,
        log: LogId,
        id: &H16,
        cut: LogCut,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        if limit > 0 {
            self.each_by_id(table, log, id, cut, |entry| {
                found.push(entry);
                found.len() < limit
            })?;
        }
        Ok(found)
    }

    /// Visits the entries of the cut under an id, by index, until `visit` says false.
    fn each_by_id(
        &self,
        table: Table,
        log: LogId,
        id: &H16,
        cut: LogCut,
        mut visit: impl FnMut(Entry) -> bool,
    ) -> Result<(), StoreError> {
        let prefix = Key::view(self.view(log)?).with(id);
        self.each(table, prefix.as_slice(), |key, note| {
            let damage = || StoreError::corrupt(table, format!("key {}", hex::encode(key)));
            let index = LeafIndex(keys::tail_index(key).ok_or_else(damage)?);
            // No record beyond the cut is understood within it, late or not.
            if !cut.size.contains(index) {
                return Ok(false);
            }
            let (kind, outcome, late) = read_note(note, 8).ok_or_else(damage)?;
            if !cut.sees(index, late) {
                return Ok(true);
            }
            let f = note
                .get(2..)
                .and_then(|rest| rest.first_chunk())
                .map(|f| i64::from_be_bytes(*f))
                .and_then(Timestamp::from_micros);
            Ok(visit(Entry {
                f: f.ok_or_else(damage)?,
                index,
                kind,
                outcome,
                late,
            }))
        })
    }

    /// The versions that decisions of this log cite: of one policy, of one version of that name, or all. The list grows
    /// with the log and is not of any cut: it says in which ranges of [`super::Index::Versions`] to look.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn versions_cited(
        &self,
        log: LogId,
        policy: Option<&PolicyName>,
        version: Option<&Version>,
    ) -> Result<Vec<CitedVersion>, StoreError> {
        let mut found = Vec::new();
        self.each(Table::Series, &self.view(log)?.prefix(), |_, row| {
            let cited = versions::decode(row);
            let cited = cited.map_err(|damage| StoreError::corrupt(Table::Series, damage.to_string()))?;
            if policy.is_none_or(|policy| cited.policy == *policy)
                && version.is_none_or(|version| cited.version == *version)
            {
                found.push(cited);
            }
            Ok(true)
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// What is to be said in a cut of a record that is not a plain event that counts; `None` of one that is, and of one
    /// that the views do not know yet.
    ///
    /// # Errors
    /// When the row can not be read.
    pub fn flag(&self, log: LogId, index: LeafIndex, cut: LogCut) -> Result<Option<Flag>, StoreError> {
        self.row(Table::Flag, Key::view(self.view(log)?).index(index.0).as_slice())?
            .map_or(Ok(None), |row| flag_at(&row, cut))
    }

    /// The flagged records of the cut, strictly behind `from` in `order`.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn flags(
        &self,
        log: LogId,
        order: Order,
        from: Option<LeafIndex>,
        cut: LogCut,
    ) -> Result<Flags<'_>, StoreError> {
        let view = self.view(log)?;
        let key = |index: u64| Key::view(view).index(index).as_slice().to_vec();
        let (mut first, mut end) = (key(0), key(cut.size.0));
        match (order, from) {
            (Order::OldestFirst, Some(from)) => first = key(from.0.saturating_add(1)),
            (Order::NewestFirst, Some(from)) => end = end.min(key(from.0)),
            (_, None) => {}
        }
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(first.clone());
        options.set_iterate_upper_bound(end.clone());
        let mut rows = self.raw_iterator(Table::Flag, options)?;
        match order {
            Order::OldestFirst => rows.seek(&first),
            Order::NewestFirst => rows.seek_to_last(),
        }
        Ok(Flags {
            snapshot: self,
            rows,
            first,
            end,
            order,
            cut,
        })
    }

    /// Visits the rows whose keys begin with `prefix`, in order, until `visit` says false.
    pub(super) fn each(
        &self,
        table: Table,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        // A prefix is never shorter than what the filters of a table know, or the table has none; but a table's own
        // prefix may be longer than one that is asked for.
        options.set_total_order_seek(!matches!(table, Table::Trace | Table::Decision));
        if let Some(end) = keys::after_prefix(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let mut rows = self.raw_iterator(table, options)?;
        rows.seek(prefix);
        let mut visited = 0;
        while let Some((key, value)) = rows.item().filter(|(key, _)| key.starts_with(prefix)) {
            visited += 1;
            if !visit(key, value)? {
                break;
            }
            rows.next();
        }
        self.has_read(visited.max(1));
        Ok(rows.status()?)
    }
}

fn flag_at(row: &[u8], cut: LogCut) -> Result<Option<Flag>, StoreError> {
    flag::decode_at(row, cut).map_err(|damage| StoreError::corrupt(Table::Flag, damage.to_string()))
}

/// Flagged records, lazily.
pub struct Flags<'a> {
    snapshot: &'a Snapshot<'a>,
    rows: DBRawIterator<'a>,
    first: Vec<u8>,
    end: Vec<u8>,
    order: Order,
    cut: LogCut,
}

impl Iterator for Flags<'_> {
    type Item = Result<(LeafIndex, Flag), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((key, value)) = self
                .rows
                .item()
                .filter(|(key, _)| **key >= *self.first && **key < *self.end)
            else {
                return self.rows.status().err().map(|error| Err(error.into()));
            };
            self.snapshot.has_read(1);
            let index = keys::tail_index(key).map(LeafIndex);
            let index = index.ok_or_else(|| StoreError::corrupt(Table::Flag, "a key is cut short"));
            let found = index.and_then(|index| Ok(flag_at(value, self.cut)?.map(|flag| (index, flag))));
            match self.order {
                Order::OldestFirst => self.rows.next(),
                Order::NewestFirst => self.rows.prev(),
            }
            // One that was understood late, and of which there is nothing to be said since, is passed over.
            if let Some(found) = found.transpose() {
                return Some(found);
            }
        }
    }
}
