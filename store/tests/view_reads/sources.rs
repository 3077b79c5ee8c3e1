//! What a page of sources costs: the page, and not the log.

use verdict_store::{LogCut, SourceReport, TreeSize};

use crate::fixture::feed_values;
use crate::stream::seconds;

const SOURCES: u64 = 300;

fn value(number: u64) -> Vec<u8> {
    let source = number % SOURCES;
    let happened = seconds(0);
    let meta = format!(
        r#"{{"event_id":"0190b000-0000-7000-8000-{number:012x}","tenant":"acme","source":"urn:s{source:03}","event_time":"{happened}","source_sequence":{},"environment":"prod"}}"#,
        number / SOURCES
    );
    format!(
        r#"{{"kind":"agent_seen","meta":{meta},"body":{{"agent":"pdp{source}","incarnation":"i{}","lease_ms":1000,"labels":{{}},"active":[]}}}}"#,
        number / 3000
    )
    .into_bytes()
}

#[test]
fn a_page_of_the_sources_of_an_older_cut_costs_what_the_page_costs() {
    let fed = feed_values((0..6000).map(|number| ("acme", seconds(0), value(number))), 700);
    let log = fed.log("acme").unwrap();
    for size in [5700, 3000, 2048, 100] {
        let cut = LogCut {
            size: TreeSize(size),
            late: 0,
        };
        let (mut all, mut from): (Vec<SourceReport>, Option<Vec<u8>>) = (Vec::new(), None);
        loop {
            let snapshot = fed.store.snapshot();
            let before = snapshot.reads();
            let page = snapshot.sources(log.id, cut, from.as_deref(), (10, 100)).unwrap();
            // Less than 1024 records and their flags, and some rows for each item and each of its two incarnations.
            let reads = snapshot.reads() - before;
            assert!(reads < 2 * (size % 1024) + 11 * 8, "{reads} keys of {size} records");
            all.extend(page.sources);
            from = page.rest;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(all.len() as u64, size.min(SOURCES));
        assert!(all.is_sorted_by(|one, other| one.stats.name < other.stats.name));
        assert_eq!(all.iter().map(|source| source.stats.events).sum::<u64>(), size);
        for (number, source) in (0..).zip(&all) {
            let spoke = (size - number).div_ceil(SOURCES);
            assert_eq!(
                (source.stats.events, source.coverage.len() as u64),
                (spoke, spoke.div_ceil(10))
            );
        }
    }
}
