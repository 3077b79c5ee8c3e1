//! The process to kill: appends until it dies, and says on its standard output what was acknowledged, one line each.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use uuid::Uuid;
use verdict_store::{KafkaPartition, LogName, Store};

use crate::events::{append, from_kafka, incoming, options};

/// Names what the child does.
pub(crate) const MODE: &str = "VERDICT_CHILD_MODE";
const DIR: &str = "VERDICT_CHILD_DIR";

/// Starts this program again as a child in a directory. `shell`: what a shell does first, such as setting a limit.
pub(crate) fn start(mode: &str, dir: &Path, shell: Option<&str>) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = match shell {
        None => Command::new(program),
        Some(first) => {
            let mut command = Command::new("bash");
            command.arg("-c").arg(format!("{first}; exec \"$0\"")).arg(program);
            command
        }
    };
    command
        .env(MODE, mode)
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The child's life.
pub(crate) fn run(mode: &OsStr) {
    let dir = PathBuf::from(std::env::var_os(DIR).unwrap());
    let store = Store::open(&dir, options()).unwrap();
    match mode.to_str() {
        Some("http") => http(&store),
        Some("kafka") => kafka(&store),
        Some("until-full") => until_full(&store),
        other => panic!("no such mode: {other:?}"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent kills this process and closes its end: then there is nobody to tell.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Four clients, each with its own batches over three tenants: `index log event-id` of each record acknowledged.
fn http(store: &Store) {
    std::thread::scope(|scope| {
        for client in 0..4_u64 {
            scope.spawn(move || {
                for round in 0.. {
                    let tenants = ["acme", "globex", "initech"]
                        .iter()
                        .cycle()
                        .take(1 + (round % 9) as usize);
                    let batch: Vec<_> = tenants
                        .map(|tenant| incoming(tenant, Uuid::now_v7(), client << 32 | round))
                        .collect();
                    let sent: Vec<(LogName, Uuid)> = batch
                        .iter()
                        .map(|record| (record.log.clone(), record.dedup.as_ref().unwrap().event_id.0))
                        .collect();
                    let receipt = append(store, batch).unwrap();
                    for ((log, id), result) in sent.iter().zip(receipt.results) {
                        say(&format!("{} {log} {id}", result.index().0));
                    }
                }
            });
        }
    });
}

/// A consumer of two partitions, with holes: the offsets acknowledged, `next partition offset`.
fn kafka(store: &Store) {
    let partition = |partition| KafkaPartition {
        cluster: "c1".into(),
        topic: "verdict.events.v1".into(),
        partition,
    };
    let mut next = [0, 1].map(|number| store.position(&partition(number)).map_or(0, |position| position.next));
    let mut pending = std::collections::VecDeque::new();
    for round in 0_u64.. {
        let mut batch = Vec::new();
        for (number, next) in (0..).zip(&mut next) {
            let tenant = if number == 0 { "acme" } else { "globex" };
            for _ in 0..1 + round % 40 {
                if *next % 17 != 5 {
                    batch.push(from_kafka(tenant, number, *next, i64::try_from(*next / 3).unwrap()));
                }
                *next += 1;
            }
        }
        let ends = next;
        let moved = (0..).zip(ends).map(|(number, end)| (partition(number), end)).collect();
        pending.push_back((ends, store.append_kafka(batch, moved, vec![]).unwrap()));
        // A few commits in flight, as the consumer has them.
        if pending.len() > 3 {
            let (ends, commit) = pending.pop_front().unwrap();
            commit.wait().unwrap();
            (0..2).for_each(|number: usize| say(&format!("next {number} {}", ends[number])));
        }
    }
}

/// Appends until the disk takes no more; then says why, and that what was acknowledged can be read.
fn until_full(store: &Store) {
    for number in 0.. {
        let id = Uuid::now_v7();
        match append(store, vec![incoming("acme", id, number)]) {
            Ok(receipt) => say(&format!("{} acme {id}", receipt.results[0].index().0)),
            Err(error) => {
                say(&format!("failed {error}"));
                break;
            }
        }
    }
    let again = append(store, vec![incoming("acme", Uuid::now_v7(), 0)]).unwrap_err();
    say(&format!("then {again}"));
    let snapshot = store.snapshot();
    let acme = snapshot.log(&"acme".parse().unwrap()).unwrap().unwrap();
    let readable = (0..acme.visible.size.0).all(|index| {
        snapshot
            .record(acme.id, verdict_store::LeafIndex(index))
            .unwrap()
            .is_some()
    });
    say(&format!("readable {readable} {}", acme.visible.size));
}
