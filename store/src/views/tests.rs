//! The views over a real RocksDB, fed with records written as the log writes them.

mod kept;
mod late;
mod rules;
#[path = "../../tests/view_reads/stream.rs"]
mod stream;
mod support;
