//! A6: whatever comes, however it is batched and wherever it is interrupted, the views kept equal those made anew.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::stream::{Coming, LOGS, coming, seconds};
use super::support::Kept;
use crate::record::Record;
use crate::tables::Table;

/// Writes the records; gives them in the order of commits.
fn write(kept: &mut Kept, stream: &[Coming]) -> Vec<(usize, Record)> {
    let mut now = 0;
    let mut records = Vec::new();
    for coming in stream {
        now += coming.later;
        records.push(kept.record(coming.log, seconds(now), &coming.value(now)));
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn rebuilt_equals_kept(
        stream in prop::collection::vec(coming(), 1..160),
        batches in prop::collection::vec((1usize..40, any::<bool>(), any::<bool>()), 1..20),
    ) {
        let mut kept = Kept::new(&LOGS);
        let records = write(&mut kept, &stream);
        let mut making = kept.making();
        let mut rest = records.as_slice();
        for (size, reopen, hurried) in batches.iter().cycle() {
            let (batch, behind) = rest.split_at((*size).min(rest.len()));
            making.apply(&kept, batch, *hurried).unwrap();
            rest = behind;
            if *reopen {
                making = kept.making();
            }
            if rest.is_empty() {
                break;
            }
        }
        let audit = kept.audit();
        prop_assert_eq!(&audit.differences, &[]);
        prop_assert!(audit.rows >= stream.len() as u64);

        // As second generations, in slices of other sizes.
        let before = kept.views();
        making.rebuild();
        for ((table, before), (_, after)) in before.iter().zip(kept.views()) {
            prop_assert!(*before == after, "{}: {before:?} {after:?}", table.name());
        }
    }

    #[test]
    fn what_a_crash_lost_is_made_at_open(
        stream in prop::collection::vec(coming(), 1..80),
        applied in 0usize..80,
    ) {
        let mut kept = Kept::new(&LOGS);
        let records = write(&mut kept, &stream);
        let (before, lost) = records.split_at(applied.min(records.len()));
        let mut making = kept.making();
        making.apply(&kept, before, false).unwrap();
        let mut making = kept.made();
        for (log, state) in kept.logs.iter().enumerate() {
            prop_assert_eq!(kept.cut(log).size, state.size);
        }
        prop_assert_eq!(&kept.audit().differences, &[]);
        // Those that come late from the queue were met already.
        let views = kept.views();
        making.apply(&kept, lost, false).unwrap();
        prop_assert!(views == kept.views());
    }
}

/// Every table of the views is exercised by the streams above; otherwise their equality says little.
#[test]
fn the_streams_fill_every_table() {
    let mut runner = TestRunner::deterministic();
    let stream = prop::collection::vec(coming(), 400)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let mut kept = Kept::new(&LOGS);
    write(&mut kept, &stream);
    kept.made();
    for table in Table::VIEWS {
        assert!(!kept.rows(*table).is_empty(), "{}", table.name());
    }
}

#[test]
fn an_audit_names_the_first_row_that_is_not_as_it_should_be() {
    let mut runner = TestRunner::deterministic();
    let stream = prop::collection::vec(coming(), 200)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let mut kept = Kept::new(&LOGS);
    write(&mut kept, &stream);
    kept.made();
    assert_eq!(kept.audit().differences, []);
    for table in Table::VIEWS.iter().filter(|table| **table != Table::Mark) {
        let cf = kept.made.cf(*table).unwrap();
        let (key, value) = kept.rows(*table).into_iter().nth(1).unwrap();

        kept.made.raw().delete_cf(cf, &key).unwrap();
        let found = kept.audit().differences;
        assert_eq!(found.len(), 1, "{}", table.name());
        assert_eq!(found[0].table, table.name());
        assert!(found[0].reason.contains("missing") && found[0].reason.contains(&hex::encode(&key)));

        let other = [value.as_slice(), b"x"].concat();
        kept.made.raw().put_cf(cf, &key, &other).unwrap();
        assert!(
            kept.audit().differences[0].reason.contains("another value"),
            "{}",
            table.name()
        );

        kept.made.raw().put_cf(cf, &key, &value).unwrap();
        let extra = [key.as_slice(), b"x"].concat();
        kept.made.raw().put_cf(cf, &extra, b"").unwrap();
        assert!(
            kept.audit().differences[0].reason.contains("do not give"),
            "{}",
            table.name()
        );
        kept.made.raw().delete_cf(cf, &extra).unwrap();
    }
    // The index is named where the key has it.
    let time = kept.made.cf(Table::Time).unwrap();
    let (key, _) = kept.rows(Table::Time).remove(0);
    kept.made.raw().delete_cf(time, &key).unwrap();
    let index = u64::from_be_bytes(*key.last_chunk().unwrap());
    assert_eq!(kept.audit().differences[0].index.unwrap().0, index);
}

#[test]
fn a_hole_in_the_order_is_refused_and_nothing_of_it_is_written() {
    let mut kept = Kept::new(&["acme"]);
    let mut runner = TestRunner::deterministic();
    let mut stream = prop::collection::vec(coming(), 10)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    stream.iter_mut().for_each(|coming| coming.log = 0);
    let records = write(&mut kept, &stream);
    let mut making = kept.making();
    making.apply(&kept, &records[..4], false).unwrap();
    let views = kept.views();
    assert!(making.apply(&kept, &records[5..], false).is_err());
    assert!(views == kept.views());
    making.apply(&kept, &records[4..], false).unwrap();
    assert_eq!(kept.audit().differences, []);
}
