//! The log, from outside: what is acknowledged stays, in order, once, and provable, whatever happens to the process or
//! the disk. Every test of a fault ends in a full audit.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod appending;
mod damage;
mod events;
mod images;
mod kafka;
mod power_loss;
mod restart;
mod schemas;
mod views;
mod wal;
