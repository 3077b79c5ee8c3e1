//! `make bench`: what Verdict costs, on the machine at hand and on the default configuration of `serve`, beside what a
//! user would pick instead. Each section prints a table; `docs/benchmarks.md` says what each number means and holds those
//! of one run.
//!
//! ```text
//! make bench                         every section, under six minutes on two cores
//! make bench ONLY="decode effective" some of them
//! make bench FULL=1                  memory over ten million events instead of one
//! make bench EVENTS=100000           other sizes for `store`
//! ```
//!
//! Whatever must have cores or memory of its own runs as this program again, with `taskset` in front of it: the child
//! prints one line of JSON. Every store is a real one on disk, opened with `Options::default()`, so with fsync.

mod alternatives;
mod decode;
mod effective;
mod events;
mod history;
mod kafka;
mod memory;
mod postgres;
mod process;
mod store_path;
mod table;
mod tenants;
mod tree;

use std::env;

use anyhow::{Result, bail};

use crate::table::say;

/// A section: its name, and what measures and prints it.
type Section = (&'static str, fn() -> Result<()>);

/// In the order in which they are printed.
const SECTIONS: [Section; 7] = [
    ("decode", decode::run),
    ("tree", tree::run),
    ("store", store_path::run),
    ("kafka", kafka::run),
    ("tenants", tenants::run),
    ("effective", effective::run),
    ("memory", memory::run),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("child") => return process::be_child(&arguments[1..]),
        // `cargo test --all-targets` runs this program, too, without the word that `cargo bench` gives.
        _ if !arguments.iter().any(|argument| argument == "--bench") => return Ok(()),
        _ => {}
    }
    let only = env::var("ONLY").unwrap_or_default();
    let wanted: Vec<&str> = only.split([' ', ',']).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !SECTIONS.iter().any(|section| section.0 == **name))
    {
        bail!(
            "no section is called `{unknown}`: there are {}",
            SECTIONS.map(|section| section.0).join(", ")
        );
    }
    say(&process::machine()?)?;
    let mut failed = Vec::new();
    for (name, run) in SECTIONS {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        // A section that can not run is said and counted; the others are still worth having.
        if let Err(error) = run() {
            say(&format!("\n{name}: NOT RUN: {error:#}"))?;
            failed.push(name);
        }
    }
    say(&format!("\nLoad at the end {}.", process::load()?))?;
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("not run: {}", failed.join(", "))
    }
}
