//! One suite over every follower: behind, caught up, killed at any point, made anew, broken. There is one so far: the view.

use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use verdict_merkle::{LeafIndex, TreeSize};

use super::{Followers, State};
use crate::guard::failing::{arm, arm_at, disarm};
use crate::names::LogName;
use crate::{AppendReceipt, Incoming, Options, Provenance, RawTime, SourcePosition, Store, audit};

/// A store with followers, and what is asked of them.
struct Node {
    folder: TempDir,
    store: Store,
    runtime: Runtime,
}

fn name(log: &str) -> LogName {
    log.parse().unwrap()
}

fn options() -> Options {
    Options {
        fsync: false,
        visible_within: Duration::from_secs(600),
        ..Options::default()
    }
}

/// A decision; its id is its number.
fn decision(log: &str, number: u64) -> Incoming {
    let value = format!(
        r#"{{"kind":"decision","meta":{{"event_id":"0190b000-0000-7000-8000-{number:012x}","tenant":"{log}","source":"urn:s","event_time":"2026-03-01T00:00:00Z","environment":"prod"}},"body":{{"decision_id":"d{number}","actor":{{"type":"user","id":"u"}},"action":"read","resource":{{"type":"doc","id":"r"}},"outcome":"allow","policies":[{{"scope":{{"layer":"global"}},"policy":"p","version":"v{}"}}]}}}}"#,
        number % 3
    );
    Incoming {
        log: name(log),
        source: SourcePosition::Intake,
        key: None,
        headers: Vec::new(),
        value: value.into(),
        raw_time: RawTime::Now,
        provenance: Provenance::Claimed,
        dedup: None,
        route: None,
    }
}

impl Node {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), options()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        Self { folder, store, runtime }
    }

    fn append(&self, log: &str, numbers: std::ops::Range<u64>) -> AppendReceipt {
        let batch = numbers.map(|number| decision(log, number)).collect();
        self.runtime.block_on(self.store.append(batch)).unwrap()
    }

    fn state(&self, log: &str) -> State {
        self.store.standing(&name(log)).unwrap().state
    }

    fn visible(&self, log: &str) -> u64 {
        let snapshot = self.store.snapshot();
        snapshot.log(&name(log)).unwrap().unwrap().visible.size.0
    }

    /// The decisions that are found by the index, through the rows.
    fn found(&self, log: &str) -> usize {
        use crate::{Index, Order, TimeRange};
        let snapshot = self.store.snapshot();
        let log = snapshot.log(&name(log)).unwrap().unwrap();
        let scan = snapshot.scan(
            log.id,
            &Index::Time,
            TimeRange::default(),
            Order::OldestFirst,
            None,
            log.visible,
        );
        scan.unwrap().map(Result::unwrap).count()
    }

    fn wait_until(&self, there: impl Fn(&Followers) -> bool) {
        while !there(&self.store.followers()) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn reopen(self) -> Self {
        let Self { folder, store, runtime } = self;
        store.close().unwrap();
        let store = Store::open(folder.path(), options()).unwrap();
        Self { folder, store, runtime }
    }

    /// As after a kill: what the threads had at hand is lost, and nothing is written any more.
    fn killed(self) -> Self {
        let Self { folder, store, runtime } = self;
        let id = store.shared().id;
        let copy = tempfile::tempdir().unwrap();
        // The threads go on with the original; the copy is one moment of it, and what stands beside it from before.
        for beside in ["heads", "salt.key"] {
            // There are no heads before they were written first.
            let _ = std::fs::copy(folder.path().join(beside), copy.path().join(beside));
        }
        // As a crash leaves them: the views where the log was, or before.
        for database in [&store.shared().context.views, &store.shared().database] {
            let checkpoint = rocksdb::checkpoint::Checkpoint::new(database.raw()).unwrap();
            let folder = database.raw().path().file_name().unwrap();
            checkpoint.create_checkpoint(copy.path().join(folder)).unwrap();
        }
        store.close().unwrap();
        disarm(id);
        let store = Store::open(copy.path(), options()).unwrap();
        Self {
            folder: copy,
            store,
            runtime,
        }
    }

    fn assert_clean(self) {
        let Self { folder, store, .. } = self;
        store.close().unwrap();
        let report = audit(folder.path(), &options()).unwrap();
        assert!(report.is_clean(), "{:?}", report.defects);
        assert!(report.view_rows.unwrap() > 0);
    }

    fn id(&self) -> uuid::Uuid {
        self.store.shared().id
    }
}

#[test]
fn it_follows_and_says_how_far_it_is() {
    let node = Node::new();
    assert!(node.append("acme", 0..50).visible);
    assert_eq!(node.state("acme"), State::Following);
    let standing = node.store.standing(&name("acme")).unwrap();
    assert_eq!(
        (standing.size, standing.made, standing.is_whole),
        (TreeSize(50), TreeSize(50), true)
    );
    assert_eq!(node.store.standing(&name("other")), None);
    let node = node.reopen();
    node.wait_until(|all| all.following == 1 && all.behind == 0);
    assert_eq!(node.found("acme"), 50);
    node.assert_clean();
}

#[test]
fn a_record_that_breaks_the_code_of_a_view_is_flagged_and_passed_over() {
    let node = Node::new();
    node.append("acme", 0..10);
    arm_at(node.id(), "read", 25);
    let receipt = node.append("acme", 10..60);
    assert!(receipt.visible, "the records around it are");
    assert_eq!(node.store.followers().passed_over, 1);
    assert_eq!(node.state("acme"), State::Following);
    assert_eq!(node.found("acme"), 59);
    {
        let snapshot = node.store.snapshot();
        let log = snapshot.log(&name("acme")).unwrap().unwrap();
        let flag = snapshot.flag(log.id, LeafIndex(25), log.visible).unwrap();
        assert_eq!(flag, Some(crate::Flag::PassedOver));
    }
    // It never stops an opening; and a release that can makes rows of it.
    let id = node.id();
    let node = node.reopen();
    node.wait_until(|all| all.behind == 0);
    assert_eq!(node.found("acme"), 59);
    disarm(id);
    node.runtime.block_on(node.store.rebuild_views()).unwrap();
    assert_eq!(node.found("acme"), 60);
    node.assert_clean();
}

#[test]
fn a_log_whose_views_are_broken_takes_records_and_holds_up_no_other() {
    let node = Node::new();
    node.append("acme", 0..10);
    node.append("other", 0..10);
    arm(node.id(), "broken acme");
    let receipt = node.append("acme", 10..20);
    assert!(!receipt.visible, "durable, and not visible");
    assert_eq!(receipt.results.len(), 10);
    assert!(matches!(node.state("acme"), State::Broken { index: 10, .. }));
    assert_eq!(node.visible("acme"), 10);
    assert!(node.append("other", 10..20).visible);
    let acme = node.store.horizon(&[&name("acme")]);
    let other = node.store.horizon(&[&name("other")]);
    assert!(acme < other, "{acme} {other}");
    assert!(!node.append("acme", 20..30).visible);
    assert_eq!(node.store.horizon(&[&name("acme")]), acme);
    // Mended without new records: by a release that can make the rows.
    disarm(node.id());
    node.runtime.block_on(node.store.rebuild_views()).unwrap();
    assert_eq!(node.state("acme"), State::Following);
    assert_eq!((node.visible("acme"), node.found("acme")), (30, 30));
    assert!(node.store.horizon(&[&name("acme")]) >= other);
    node.assert_clean();
}

#[test]
fn rows_that_could_not_be_written_are_not_told_of() {
    let node = Node::new();
    node.append("acme", 0..10);
    let before = node.store.horizon(&[&name("acme")]);
    let id = node.id();
    arm(id, "write");
    assert!(!node.append("acme", 10..20).visible, "durable, and not visible");
    while node.store.node_info().unwrap().not_writable.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    disarm(id);
    let node = node.reopen();
    node.wait_until(|all| all.behind == 0);
    assert_eq!(node.found("acme"), 20);
    assert!(node.store.horizon(&[&name("acme")]) > before);
    node.assert_clean();
}

#[test]
fn what_stands_still_after_a_write_that_failed_is_where_it_was() {
    let node = Node::new();
    node.append("acme", 0..10);
    arm(node.id(), "write");
    node.append("acme", 10..20);
    // The worker gives its slice back after it has told that nothing more becomes visible.
    let recorded = node
        .store
        .snapshot()
        .recorded_time(crate::LogId(0), TreeSize(11))
        .unwrap()
        .unwrap();
    for _ in 0..20 {
        assert_eq!(node.store.standing(&name("acme")).unwrap().made, TreeSize(10));
        assert!(node.store.horizon(&[&name("acme")]) < recorded);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn broken_views_are_gone_on_with_at_the_next_opening() {
    let node = Node::new();
    node.append("acme", 0..10);
    arm(node.id(), "broken acme");
    node.append("acme", 10..20);
    let id = node.id();
    let node = node.reopen();
    node.wait_until(|all| all.broken == 1);
    disarm(id);
    let node = node.reopen();
    node.wait_until(|all| all.broken == 0 && all.behind == 0);
    assert_eq!(node.found("acme"), 20);
    node.assert_clean();
}

#[test]
fn rows_made_anew_take_the_place_of_the_others_at_once() {
    let node = Node::new();
    node.append("acme", 0..500);
    let before = node.store.snapshot();
    let log = before.log(&name("acme")).unwrap().unwrap();
    let view = node.store.shared().schedule.made(log.id).0;
    let rebuilt = node.store.shared().schedule.rebuild(&[name("acme")]);
    let mut number = 500;
    let mut rebuilt = rebuilt.into_iter().next().unwrap();
    // Appends and questions go on meanwhile; none sees less than what was visible.
    while rebuilt.try_recv().is_err() {
        assert!(node.append("acme", number..number + 5).visible);
        number += 5;
        assert_eq!(node.found("acme") as u64, number);
    }
    assert_ne!(node.store.shared().schedule.made(log.id).0, view);
    assert_eq!(node.found("acme") as u64, number);
    // A snapshot from before reads what it saw.
    let flags = before
        .flags(log.id, crate::Order::OldestFirst, None, log.visible)
        .unwrap();
    assert_eq!(flags.count(), 0);
    assert_eq!(before.versions_cited(log.id, None, None).unwrap().len(), 3);
    drop(before);
    node.assert_clean();
}

#[test]
fn without_room_for_a_second_generation_the_first_one_stays_and_it_is_said() {
    let node = Node::new();
    node.append("acme", 0..50);
    let Node { folder, store, runtime } = node;
    store.close().unwrap();
    // No disk has so much left beside what the rows take.
    let options = Options {
        disk_reserve: 1 << 62,
        ..options()
    };
    let store = Store::open(folder.path(), options).unwrap();
    let node = Node { folder, store, runtime };
    node.wait_until(|all| all.behind == 0);
    let view = node.store.shared().schedule.made(crate::LogId(0)).0;
    let refused = node.runtime.block_on(node.store.rebuild_views()).unwrap_err();
    let says = matches!(&refused, crate::StoreError::NoRoom { needed, free } if needed > free && *free > 0);
    assert!(says, "{refused}");
    assert_eq!(node.state("acme"), State::Following);
    assert_eq!(
        node.store.shared().schedule.made(crate::LogId(0)).0,
        view,
        "the same rows"
    );
    // They are gone on with, and with room they are made anew.
    assert!(node.append("acme", 50..60).visible);
    assert_eq!(node.found("acme"), 60);
    let node = node.reopen();
    node.wait_until(|all| all.behind == 0);
    node.runtime.block_on(node.store.rebuild_views()).unwrap();
    assert_ne!(node.store.shared().schedule.made(crate::LogId(0)).0, view);
    assert_eq!(node.found("acme"), 60);
    node.assert_clean();
}

#[test]
fn killed_at_any_point_it_goes_on_where_it_was() {
    let node = Node::new();
    node.append("acme", 0..300);
    let mut node = node;
    for round in 0..4 {
        node.append("acme", 300 + round * 10..310 + round * 10);
        // In the middle of making it anew, and just before the swap: there the store takes nothing more.
        if round % 2 == 1 {
            arm(node.id(), "swap");
        }
        let rebuilt = node.store.shared().schedule.rebuild(&[name("acme")]);
        let killed = node.killed();
        drop(rebuilt);
        killed.wait_until(|all| all.rebuilding == 0 && all.behind == 0);
        assert_eq!(killed.found("acme") as u64, 310 + round * 10);
        node = killed;
    }
    node.assert_clean();
}

#[test]
fn views_of_another_version_are_made_again_while_records_come() {
    let node = Node::new();
    node.append("acme", 0..200);
    let Node { folder, store, runtime } = node;
    let database = std::sync::Arc::clone(&store.shared().context.views);
    let mark = database.cf(crate::tables::Table::Mark).unwrap();
    let flag = database.cf(crate::tables::Table::Flag).unwrap();
    database
        .raw()
        .put_cf(flag, [0; 12], b"as an older release wrote it")
        .unwrap();
    database.raw().put_cf(mark, b"version", 1u32.to_be_bytes()).unwrap();
    drop(database);
    store.close().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    let node = Node { folder, store, runtime };
    assert!(node.append("acme", 200..210).visible);
    node.wait_until(|all| all.following == 1 && all.behind == 0);
    assert_eq!(node.found("acme"), 210);
    node.assert_clean();
}

#[test]
fn many_logs_are_made_by_several_workers_and_each_is_whole() {
    let node = Node::new();
    let logs: Vec<String> = (0..40).map(|number| format!("t{number}")).collect();
    for round in 0..5 {
        let batch = logs
            .iter()
            .flat_map(|log| (round * 7..round * 7 + 7).map(|number| decision(log, number)))
            .collect();
        let receipt = node.runtime.block_on(node.store.append(batch)).unwrap();
        assert!(receipt.visible);
    }
    for log in &logs {
        assert_eq!(node.found(log), 35, "{log}");
    }
    node.assert_clean();
}
