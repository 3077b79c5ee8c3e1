//! Damaged rows are errors, or other answers; never a panic.

use proptest::prelude::*;
use verdict_fold::SeriesHistory;
use verdict_fold::rows::{Cut, EnvironmentRows, MemoryRows, OrderedRowsMut};
use verdict_schemas::{Quorum, Timestamp};

use crate::histories::{records, series, steps, version};
use crate::linear::at;

proptest! {
    #[test]
    fn a_damaged_row_is_no_panic(steps in steps(20), place: prop::sample::Index, flip: (u8, u8), cut_short: bool) {
        let records = records(&steps);
        let (mut rows, mut writer) = (MemoryRows::default(), EnvironmentRows::new());
        for record in &records {
            for fact in record {
                writer.observe(&mut rows, fact).unwrap();
            }
            writer.seal(&mut rows).unwrap();
        }
        let (key, mut value) = {
            let (key, value) = rows.iter().nth(place.index(rows.len())).unwrap();
            (key.to_vec(), value.to_vec())
        };
        if cut_short {
            value.truncate(value.len() / 2);
        } else if let Some(byte) = value.get_mut(usize::from(flip.0) % 24) {
            *byte = flip.1;
        }
        rows.put(&key, &value).unwrap();
        let last = records.last().unwrap()[0].clone();
        for moment in [last.at.f, at(last.at.f.as_micros() + 1_000_000), Timestamp::MAX] {
            let Ok(cut) = Cut::new(&rows, u64::MAX) else { continue };
            let _ = cut.series_observed(moment);
            let _ = cut.facts(None, (Timestamp::MIN, moment));
            let Ok(history) = cut.series(&series(0), |_, _| Ok(None)) else { continue };
            let _ = history.first_observation();
            let _ = history.members(moment);
            let _ = history.holder(moment);
            let _ = history.version_run(moment, Timestamp::MAX);
            let _ = history.version_runs(Timestamp::MIN, moment);
            let _ = history.quorum_since(&version(1), Quorum { percent: Some(60), min_agents: Some(2) }, Timestamp::MIN, moment);
        }
        // A writer that begins anew over them, with a late fact and one in order.
        let mut writer = EnvironmentRows::new();
        for (late, index) in [(0, 1_000), (5_000_000, 1_001), (-900_000_000, 1_002)] {
            let mut fact = last.clone();
            fact.at.index = index;
            fact.record.index = index;
            fact.at.f = at((last.at.f.as_micros() - late).max(0));
            let _ = writer.observe(&mut rows, &fact);
            let _ = writer.seal(&mut rows);
        }
    }
}
