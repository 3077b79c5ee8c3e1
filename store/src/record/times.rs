//! The two times of a record as its row has them: when the log took it, and its own.
//!
//! The recorded time of a log never decreases: it is the record's own (raw) time, or that of the record before it where
//! that is later. So what a broker or the intake stamped may be *earlier* than the recorded time (a broker whose clock went
//! back, records of one batch), and never later: a row that says so is damaged. An emitter's clock never becomes the log's,
//! so an emitter's time may be either. Raw times are kept because they are evidence, of clocks too; no rule reads them.

use verdict_schemas::Timestamp;

use crate::incoming::RawTimeKind;
use crate::layout::{Damaged, Reader, put_varint};

/// Whose the raw time is, the raw time, the recorded time.
pub(super) type Times = (RawTimeKind, Timestamp, Timestamp);

const LATER: Damaged = Damaged("a record was recorded before the broker or the intake had it");
const OUTSIDE: Damaged = Damaged("a time is outside the years 1970 to 9999");

/// The bits of the flags that say whose the raw time is.
pub(super) fn bits(kind: RawTimeKind) -> u8 {
    let kind = match kind {
        RawTimeKind::Broker => 0,
        RawTimeKind::Intake => 1,
        RawTimeKind::Emitter => 2,
        RawTimeKind::Absent => 3,
    };
    kind << 6
}

/// Adds the times of a record.
pub(super) fn put(out: &mut Vec<u8>, kind: RawTimeKind, raw: Timestamp, recorded: Timestamp) {
    put_varint(out, recorded.as_micros().cast_unsigned());
    if kind != RawTimeKind::Absent {
        // Both lie in the years 1970 to 9999, so the difference has room.
        put_varint(out, zigzag(recorded.as_micros() - raw.as_micros()));
    }
}

/// What [`put`] wrote.
pub(super) fn read(flags: u8, reader: &mut Reader<'_>) -> Result<Times, Damaged> {
    let kind = match flags >> 6 {
        0 => RawTimeKind::Broker,
        1 => RawTimeKind::Intake,
        2 => RawTimeKind::Emitter,
        _ => RawTimeKind::Absent,
    };
    let recorded = timestamp(reader.varint()?).ok_or(OUTSIDE)?;
    let raw = match kind {
        RawTimeKind::Absent => recorded,
        _ => recorded
            .as_micros()
            .checked_sub(from_zigzag(reader.varint()?))
            .and_then(Timestamp::from_micros)
            .ok_or(OUTSIDE)?,
    };
    if raw > recorded && !kind.is_foreign() {
        return Err(LATER);
    }
    Ok((kind, raw, recorded))
}

/// The same of a row of version 1, whose recorded time was never before the raw one.
pub(super) fn read_first(flags: u8, reader: &mut Reader<'_>) -> Result<Times, Damaged> {
    if flags & 0b1100_0000 != 0 {
        return Err(Damaged("the record has unknown flags"));
    }
    let kind = if flags & 0b1 == 0 {
        RawTimeKind::Intake
    } else {
        RawTimeKind::Broker
    };
    let raw = reader.varint()?;
    let recorded = reader.varint()?.checked_add(raw).and_then(timestamp);
    let (raw, recorded) = timestamp(raw).zip(recorded).ok_or(OUTSIDE)?;
    Ok((kind, raw, recorded))
}

/// A signed number so that one near zero is short: 0, -1, 1, -2 become 0, 1, 2, 3.
fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn from_zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn timestamp(micros: u64) -> Option<Timestamp> {
    i64::try_from(micros).ok().and_then(Timestamp::from_micros)
}
