//! E4 for one batch: events are settled one after the other in the order of `v_event`, so that the look-ups are sorted
//! like the rows are; within an event, in index order.

use std::sync::Arc;

use rocksdb::DBPinnableSlice;

use super::Committed;
use super::apply::{Item, Work};
use super::dedup::{Candidate, Counts, Standing};
use super::keys::Key;
use crate::cut::Late;
use crate::error::StoreError;
use crate::log::read;
use crate::tables::Table;

/// Look-ups made at a time; their blocks are pinned as long.
const AT_A_TIME: usize = 1024;

impl<'r> Work<'_, 'r> {
    pub(super) fn settle(&mut self, items: &mut [Item<'_>], candidates: &mut [Candidate]) -> Result<(), StoreError> {
        candidates.sort_unstable_by_key(Candidate::order);
        let groups: Vec<&[Candidate]> = candidates.chunk_by(Candidate::same_event).collect();
        let keys: Vec<Key> = groups
            .iter()
            .filter_map(|group| group.first())
            .map(|candidate| candidate.key(self.maker.view))
            .collect();
        let views = Arc::clone(&self.context.views);
        let cf = views.cf(Table::Event)?;
        let mut row = Vec::new();
        for (groups, keys) in groups.chunks(AT_A_TIME).zip(keys.chunks(AT_A_TIME)) {
            let found = views.raw().batched_multi_get_cf(cf, keys, true);
            for ((group, key), found) in groups.iter().zip(keys).zip(found) {
                self.settle_event(items, group, key, found?, &mut row)?;
            }
        }
        Ok(())
    }

    /// Settles the records of one event; `found` is its row, `row` memory to build the next one in.
    fn settle_event(
        &mut self,
        items: &mut [Item<'_>],
        group: &[Candidate],
        key: &Key,
        found: Option<DBPinnableSlice<'_>>,
        row: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        row.clear();
        row.extend_from_slice(found.as_deref().unwrap_or_default());
        let held = row.len();
        let all = Counts::decode_all(row).map_err(|damage| StoreError::corrupt(Table::Event, damage.to_string()))?;
        // What counts, and where it is in the batch if it is there.
        let mut all: Vec<_> = all.into_iter().map(|counts| (counts, None)).collect();
        for candidate in group {
            let (Some(record), Some(item)) = (self.records.get(candidate.place), items.get_mut(candidate.place)) else {
                continue;
            };
            let recorded = record.recorded;
            let intent = item.what.identity().is_some_and(|(_, intent)| intent);
            match all
                .iter()
                .find(|(counts, _)| counts.stands_for(recorded, intent))
                .copied()
            {
                None => {
                    let counts = Counts {
                        index: record.index,
                        recorded,
                        late: record.late,
                    };
                    counts.encode(row);
                    all.push((counts, Some(record)));
                }
                Some((first, here)) if self.same_value(record, first, here)? => {
                    item.standing = Standing::Duplicate(first.index);
                }
                Some((first, _)) => {
                    item.standing = Standing::Conflict(first.index);
                    let late = record.late.map(Late::encode);
                    self.batch.of(Table::Event).put(
                        key.index(record.index.0).as_slice(),
                        late.as_ref().map_or(&[], |late| &late[..]),
                    );
                }
            }
        }
        if row.len() > held {
            self.batch.of(Table::Event).put(key.as_slice(), row);
        }
        Ok(())
    }

    /// Has the record that counts the same value? It is in this batch, or was committed before.
    fn same_value(
        &self,
        record: &Committed<'_>,
        first: Counts,
        here: Option<&Committed<'_>>,
    ) -> Result<bool, StoreError> {
        if let Some(here) = here {
            return Ok(here.value == record.value);
        }
        let first = read::record(&*self.context.kept, record.log, first.index)?;
        Ok(first.is_some_and(|first| first.value == record.value))
    }
}
