//! A disk that takes no more. Played by a limit on the size of files, which needs no rights: a write past it fails.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use uuid::Uuid;
use verdict_store::{Appended, LeafIndex, Store};

use crate::child;
use crate::events::{append, assert_clean, incoming, log, options};

pub(crate) fn a_full_disk_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    // No file above 3 MiB: the write-ahead log runs into it. The signal is ignored, so that the write fails instead.
    let mut child = child::start("until-full", dir.path(), Some("trap '' XFSZ; ulimit -f 3072"));
    let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .collect();
    assert!(child.wait().unwrap().success(), "{:?}", lines.last());

    let mut acknowledged = BTreeMap::new();
    let mut rest = Vec::new();
    for line in &lines {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [index, "acme", id] => {
                acknowledged.insert(index.parse::<u64>().unwrap(), id.parse::<Uuid>().unwrap());
            }
            _ => rest.push(line.as_str()),
        }
    }
    let count = acknowledged.len() as u64;
    assert!(count > 100, "{count}");
    let [failed, then, readable] = rest[..] else {
        panic!("{rest:?}")
    };
    // Which write runs into the limit, that of records or that of their views, is a matter of a few bytes.
    assert!(
        failed.starts_with("failed the records could not be written")
            || failed.starts_with("failed the records are kept, but are not visible to queries"),
        "{failed}"
    );
    assert!(then.starts_with("then the store takes no records any more"), "{then}");
    assert_eq!(
        readable,
        format!("readable true {count}"),
        "what was acknowledged stays readable"
    );

    // There is room again.
    assert_clean(dir.path());
    let store = Store::open(dir.path(), options()).unwrap();
    {
        let snapshot = store.snapshot();
        let acme = snapshot.log(&log("acme")).unwrap().unwrap();
        for (index, id) in &acknowledged {
            let record = snapshot.record(acme.id, LeafIndex(*index)).unwrap().unwrap();
            assert!(
                std::str::from_utf8(&record.value).unwrap().contains(&id.to_string()),
                "{index}"
            );
        }
    }
    let (index, id) = acknowledged.last_key_value().unwrap();
    let again = append(
        &store,
        vec![incoming("acme", *id, *index), incoming("acme", Uuid::now_v7(), 1)],
    )
    .unwrap();
    assert_eq!(
        again.results[0],
        Appended::Duplicate {
            index: LeafIndex(*index)
        }
    );
    assert!(matches!(again.results[1], Appended::Accepted { .. }));
    store.close().unwrap();
    assert_clean(dir.path());
}
