//! The tests of the Merkle package, one binary: against the RFC, against others' data, against tampering.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::cast_possible_truncation, reason = "no position here is above 70,000")]

mod against_the_rfc;
mod fixture;
mod huge;
mod known_answers;
mod reference;
mod tampering;
mod tiles;
mod transparency_dev;
