//! What is read of a store: scans, look-ups, cuts, the fold's rows. Through the public API alone, over a real RocksDB.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod cuts;
mod fixture;
mod observed;
mod scans;
mod sources;
mod stream;
