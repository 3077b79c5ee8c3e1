//! Processes that are killed, and disks that are full: whatever was acknowledged is there afterwards, once, and the audit
//! finds nothing.
//!
//! This program runs itself again as the process to kill, so it has its own `main`: without arguments of its own it
//! runs every test; with a directory in `VERDICT_CHILD_DIR` it is the child.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]
#![expect(clippy::print_stdout, reason = "the child tells its parent what was acknowledged")]

mod child;
#[path = "../log/events.rs"]
mod events;
mod full_disk;
mod killed;

type Test = (&'static str, fn());

const TESTS: [Test; 3] = [
    (
        "killed::over_http_at_random_moments",
        killed::over_http_at_random_moments,
    ),
    (
        "killed::from_kafka_at_random_moments",
        killed::from_kafka_at_random_moments,
    ),
    (
        "full_disk::a_full_disk_loses_nothing_acknowledged",
        full_disk::a_full_disk_loses_nothing_acknowledged,
    ),
];

fn main() {
    if let Some(mode) = std::env::var_os(child::MODE) {
        return child::run(&mode);
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--list") {
        // As the standard harness answers cargo-nextest; none of these is ignored.
        TESTS
            .iter()
            .filter(|_| !has("--ignored"))
            .for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let matches = |name: &str, part: &str| {
        if has("--exact") {
            name == part
        } else {
            name.contains(part)
        }
    };
    for (name, test) in TESTS {
        if wanted.is_empty() || wanted.iter().any(|part| matches(name, part)) {
            test();
            println!("test {name} ... ok");
        }
    }
}
