//! Records read as events: interpreted with the schemas archived.

use bytes::Bytes;
use verdict_merkle::LeafIndex;
use verdict_schemas::{AsRecorded, Interpretation, check_log, interpret};

use super::snapshot::Snapshot;
use crate::database::Ordered;
use crate::error::StoreError;
use crate::keys;
use crate::names::LogId;
use crate::record::Record;
use crate::tables::Table;

impl Snapshot<'_> {
    /// A record and what it says by the schemas known now and the rules of its log (E2). Of an `_unrouted` log: what its
    /// bytes say. Whether it counts, and whether it was understood at all in a cut, is in its flag.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn event(&self, log: LogId, index: LeafIndex) -> Result<Option<(Record, Interpretation)>, StoreError> {
        let Some(record) = self.record(log, index)? else {
            return Ok(None);
        };
        let interpretation = self.interpret(log, &record)?;
        Ok(Some((record, interpretation)))
    }

    /// Several records and what they say, in the order asked; those past the log's end are left out.
    ///
    /// # Errors
    /// When they can not be read.
    pub fn events(&self, log: LogId, indexes: &[LeafIndex]) -> Result<Vec<(Record, Interpretation)>, StoreError> {
        let mut events = Vec::with_capacity(indexes.len());
        for record in self.records(log, indexes)? {
            let interpretation = self.interpret(log, &record)?;
            events.push((record, interpretation));
        }
        Ok(events)
    }

    /// Several records, in the order asked; those past the log's end are left out. One read for all of them: half the
    /// price of one after the other, since records near each other share a block.
    ///
    /// # Errors
    /// When they can not be read.
    pub fn records(&self, log: LogId, indexes: &[LeafIndex]) -> Result<Vec<Record>, StoreError> {
        let keys: Vec<_> = indexes.iter().map(|index| keys::record(log, *index)).collect();
        let (database, options) = self.log_as_it_was();
        let rows =
            database
                .raw()
                .batched_multi_get_cf_opt(database.cf(Table::Records)?, &keys, keys.is_sorted(), &options);
        self.has_read(keys.len() as u64);
        let mut records = Vec::with_capacity(keys.len());
        for (index, row) in indexes.iter().zip(rows) {
            let Some(row) = row? else { continue };
            let record = Record::decode(*index, &Bytes::copy_from_slice(&row));
            records.push(record.map_err(|damage| {
                StoreError::corrupt(Table::Records, format!("log {}, index {index}: {damage}", log.0))
            })?);
        }
        Ok(records)
    }

    /// What a record of a log says.
    ///
    /// # Errors
    /// When the log's name can not be read.
    pub fn interpret(&self, log: LogId, record: &Record) -> Result<Interpretation, StoreError> {
        let schemas = AsRecorded(self.schemas, record.recorded_time);
        let interpretation = interpret(&record.value, record.framing(), &schemas);
        let Interpretation::Event(event) = &interpretation else {
            return Ok(interpretation);
        };
        let name = self.name(log)?;
        let Some(tenant) = name.as_ref().and_then(|name| name.tenant()) else {
            return Ok(interpretation);
        };
        match check_log(event, tenant) {
            Ok(()) => Ok(interpretation),
            Err(rejection) => Ok(Interpretation::Malformed(rejection)),
        }
    }
}
