//! The rows of one batch, collected per column family, then sorted, then written.
//!
//! Keys put in the order of arrival cost three times as much as sorted ones (measured): a sorted run touches the
//! memtable in order. So a batch first fills one arena per column family, without an allocation per row, and only
//! [`Batch::hand_over`] gives them to RocksDB. That function is the one place that knows how rows get there: a run of
//! sorted rows could as well be ingested as a file.

use rocksdb::WriteBatch;

use crate::database::Database;
use crate::error::StoreError;
use crate::tables::{Part, Table};

/// A row within an arena. The first 16 bytes of the key, as a number, decide most comparisons without a look at it.
#[derive(Clone, Copy)]
struct Row {
    head: u128,
    at: usize,
    key: u32,
    value: u32,
}

/// Rows of one column family.
#[derive(Default)]
pub(crate) struct Rows {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

impl Rows {
    /// Adds a row. A key may come twice only with the same value.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.rows.push(Row {
            head: head(key),
            at,
            key: length(key),
            value: length(value),
        });
    }
}

fn key_of(bytes: &[u8], row: Row) -> &[u8] {
    bytes.get(row.at..row.at + row.key as usize).unwrap_or_default()
}

fn value_of(bytes: &[u8], row: Row) -> &[u8] {
    let at = row.at + row.key as usize;
    bytes.get(at..at + row.value as usize).unwrap_or_default()
}

fn head(key: &[u8]) -> u128 {
    match key.first_chunk() {
        Some(head) => u128::from_be_bytes(*head),
        None => {
            let mut head = [0; 16];
            head.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
            u128::from_be_bytes(head)
        }
    }
}

/// A batch is bounded far below 4 GiB (`Options::max_batch_bytes`).
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The rows of one batch.
pub(crate) struct Batch {
    /// By table, in the order of [`Table::ALL`].
    tables: [Rows; Table::ALL.len()],
    /// Rows to take away: of none that is put.
    gone: Vec<(Table, Vec<u8>)>,
}

/// A place within a batch.
pub(crate) struct Savepoint {
    tables: [(usize, usize); Table::ALL.len()],
    gone: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            tables: std::array::from_fn(|_| Rows::default()),
            gone: Vec::new(),
        }
    }

    /// The rows of a table.
    pub(crate) fn of(&mut self, table: Table) -> &mut Rows {
        &mut self.tables[table as usize]
    }

    /// Takes a row away.
    pub(crate) fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.gone.push((table, key));
    }

    /// Gives every row, each key once and in the order of keys, as what is to be written to the log's database and what to that
    /// of the views; keeps the memory for the next batch.
    pub(crate) fn hand_over(
        &mut self,
        log: &Database,
        views: &Database,
    ) -> Result<(WriteBatch, WriteBatch), StoreError> {
        let mut of_log = Destination(log, WriteBatch::default());
        let mut of_views = Destination(views, WriteBatch::with_capacity_bytes(self.bytes()));
        for (table, Rows { bytes, rows }) in Table::ALL.into_iter().zip(&mut self.tables) {
            if rows.is_empty() {
                continue;
            }
            rows.sort_unstable_by(|one, other| {
                let heads = one.head.cmp(&other.head);
                heads.then_with(|| key_of(bytes, *one).cmp(key_of(bytes, *other)))
            });
            rows.dedup_by(|one, other| one.head == other.head && key_of(bytes, *one) == key_of(bytes, *other));
            let Destination(database, write) = place(table, &mut of_log, &mut of_views);
            let cf = database.cf(table)?;
            for row in rows.iter() {
                write.put_cf(cf, key_of(bytes, *row), value_of(bytes, *row));
            }
        }
        for (table, key) in &self.gone {
            let Destination(database, write) = place(*table, &mut of_log, &mut of_views);
            write.delete_cf(database.cf(*table)?, key);
        }
        self.clear();
        Ok((of_log.1, of_views.1))
    }

    /// Where the batch stands: [`Batch::rewind`] takes back what is put after it.
    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint {
            tables: std::array::from_fn(|place| {
                self.tables
                    .get(place)
                    .map_or((0, 0), |rows| (rows.bytes.len(), rows.rows.len()))
            }),
            gone: self.gone.len(),
        }
    }

    /// Takes back everything since.
    pub(crate) fn rewind(&mut self, to: &Savepoint) {
        for (rows, (bytes, count)) in self.tables.iter_mut().zip(to.tables) {
            rows.bytes.truncate(bytes);
            rows.rows.truncate(count);
        }
        self.gone.truncate(to.gone);
    }

    /// Bytes of all rows, roughly as a write holds them.
    pub(crate) fn bytes(&self) -> usize {
        self.tables
            .iter()
            .map(|rows| rows.bytes.len() + 8 * rows.rows.len())
            .sum()
    }

    /// Drops every row.
    pub(crate) fn clear(&mut self) {
        for rows in &mut self.tables {
            rows.bytes.clear();
            rows.rows.clear();
        }
        self.gone.clear();
    }
}

/// A database, and what is to be written to it.
struct Destination<'d>(&'d Database, WriteBatch);

fn place<'o, 'd>(
    table: Table,
    log: &'o mut Destination<'d>,
    views: &'o mut Destination<'d>,
) -> &'o mut Destination<'d> {
    match table.part() {
        Part::Log => log,
        Part::Views => views,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stand_in_the_order_of_the_catalogue() {
        for (place, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table as usize, place, "{}", table.name());
        }
    }

    #[test]
    fn heads_order_short_keys_like_their_bytes() {
        let keys: [&[u8]; 5] = [b"", b"a", b"ab", b"abcdefghijklmnop", b"b"];
        assert!(keys.is_sorted_by_key(|key| head(key)));
    }
}
