//! The one catalogue of rows: every key begins with a tag of this list, then fixed-width big-endian fields, so that the
//! order of bytes is the order of the fields. A byte once given to a tag is never given to another.
//!
//! ```text
//! tag   key after the tag                                       value
//! 0x02  kind u8, the name's bytes                               id u32                      Name
//! 0x03  kind u8, id u32                                         the name's bytes            Named
//! 0x10  size u64                                                f u64, next expiry u64      Frontier
//! 0x11  f u64, index u64, position u32                          the observation, its step   Fact
//! 0x20  instance u32, f u64, size u64                           presence                    Presence
//! 0x21  instance u32, f u64, step u64                           (empty)                     Retired
//! 0x22  instance u32, series u32, size u64                      f of the first observation  FirstIn
//! 0x23  instance u32                                            how many series u32         ObservedIn
//! 0x30  series u32, instance u32, f u64, index u64, position u32  version, event id, step   Gave
//! 0x31  series u32, instance u32, f u64, step u64, position u32   (empty)                   Cited
//! 0x32  series u32, instance u32, version u32, minute u64       (empty)                     CitedMinute
//! 0x40  level u8                                                step u64                    Level
//! 0x41  level u8, bucket u64, instance u32                      step u64                    SeenIn
//! 0x42  series u32, bucket u64, instance u32                    step u64                    CitedIn
//! 0x50  series u32, x u64, size u64                             tally                       Tally
//! 0x51  series u32, x u64, size u64                             holder                      Holder
//! 0x52  series u32, x u64, size u64                             last holder                 LastHolder
//! 0x53  series u32, version u32, x u64, size u64                begins or void              HeldBy
//! 0x54  series u32, size u64                                    f of the first observation  First
//! 0x55  series u32                                              size u64                    GivenUp
//! ```
//!
//! `f` and `x` are microseconds since 1970. A row with a `step` is seen by the cuts of more than `step` steps; a row with a
//! `size` by those of at least `size`: both are the step that wrote it, `size = step + 1`. An `index` is that of the
//! record, and orders what acts at one instant (E5); in a log in which nothing was understood late, step and index are one.

use std::ops::ControlFlow;

use verdict_schemas::Timestamp;

use super::space::{Corrupt, Direction, OrderedRows, RowsError};

/// A cut that sees every row.
pub(super) const ALL: u64 = u64::MAX;

/// The first byte of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Tag {
    Name = 0x02,
    Named = 0x03,
    Frontier = 0x10,
    Fact = 0x11,
    Presence = 0x20,
    Retired = 0x21,
    FirstIn = 0x22,
    ObservedIn = 0x23,
    Gave = 0x30,
    Cited = 0x31,
    CitedMinute = 0x32,
    Level = 0x40,
    SeenIn = 0x41,
    CitedIn = 0x42,
    Tally = 0x50,
    Holder = 0x51,
    LastHolder = 0x52,
    HeldBy = 0x53,
    First = 0x54,
    GivenUp = 0x55,
}

const CAPACITY: usize = 32;
// The longest key, and the zero byte of `after`.
const _: () = assert!(1 + 4 + 4 + 8 + 8 + 4 < CAPACITY);

/// A key on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Key {
    pub(super) fn new(tag: Tag) -> Self {
        Self {
            bytes: [0; CAPACITY],
            len: 0,
        }
        .bytes(&[tag as u8])
    }

    fn bytes(mut self, more: &[u8]) -> Self {
        // No key outgrows the capacity: the longest is asserted above.
        if let Some(room) = self.bytes.get_mut(self.len..self.len + more.len()) {
            room.copy_from_slice(more);
            self.len += more.len();
        }
        self
    }

    pub(super) fn u8(self, field: u8) -> Self {
        self.bytes(&[field])
    }

    pub(super) fn u32(self, field: u32) -> Self {
        self.bytes(&field.to_be_bytes())
    }

    pub(super) fn u64(self, field: u64) -> Self {
        self.bytes(&field.to_be_bytes())
    }

    /// The least key above this one: as the end of a range it takes this key in.
    pub(super) fn after(self) -> Self {
        self.bytes(&[0])
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Reads the fields of a key or a value one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// The fields of a key, behind its tag.
    pub(super) fn of_key(key: &'a [u8], what: &'static str) -> Self {
        Self::new(key.get(1..).unwrap_or_default(), what)
    }

    pub(super) fn corrupt(&self) -> Corrupt {
        Corrupt(self.what)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Corrupt(self.what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let what = self.what;
        self.take(N)?.try_into().map_err(|_| Corrupt(what))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Corrupt> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Corrupt> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Corrupt> {
        self.array().map(u64::from_be_bytes)
    }

    /// An unsigned LEB128 number, in its shortest form only: no two rows say the same.
    pub(super) fn varint(&mut self) -> Result<u64, Corrupt> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return Err(self.corrupt());
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.corrupt())
    }

    pub(super) fn varint_u32(&mut self) -> Result<u32, Corrupt> {
        let what = self.what;
        self.varint()
            .and_then(|number| u32::try_from(number).map_err(|_| Corrupt(what)))
    }

    /// A string behind its length.
    pub(super) fn text(&mut self) -> Result<&'a str, Corrupt> {
        let what = self.what;
        let len = usize::try_from(self.varint()?).map_err(|_| Corrupt(what))?;
        std::str::from_utf8(self.take(len)?).map_err(|_| Corrupt(what))
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may be left over.
    pub(super) fn end(self) -> Result<(), Corrupt> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.corrupt())
        }
    }
}

/// Appends an unsigned LEB128 number.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        let [low, ..] = number.to_le_bytes();
        out.push(low | 0x80);
        number >>= 7;
    }
    let [low, ..] = number.to_le_bytes();
    out.push(low);
}

/// Appends a string behind its length.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, u64::try_from(text.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(text.as_bytes());
}

/// The first row of `from <= key < to`, in `direction`, that `pick` takes.
pub(super) fn find<R: OrderedRows, T>(
    rows: &R,
    from: Key,
    to: Key,
    direction: Direction,
    mut pick: impl FnMut(&[u8], &[u8]) -> Result<Option<T>, Corrupt>,
) -> Result<Option<T>, RowsError<R::Error>> {
    let mut found = Ok(None);
    if from.as_slice() >= to.as_slice() {
        return Ok(None);
    }
    rows.scan(
        from.as_slice(),
        to.as_slice(),
        direction,
        &mut |key, value| match pick(key, value) {
            Ok(None) => ControlFlow::Continue(()),
            taken => {
                found = taken;
                ControlFlow::Break(())
            }
        },
    )
    .map_err(RowsError::Storage)?;
    Ok(found?)
}

/// Every row of `from <= key < to`, in order, decoded; those that decode to `None` are left out.
pub(super) fn collect<R: OrderedRows, T>(
    rows: &R,
    from: Key,
    to: Key,
    mut decode: impl FnMut(&[u8], &[u8]) -> Result<Option<T>, Corrupt>,
) -> Result<Vec<T>, RowsError<R::Error>> {
    let mut all = Vec::new();
    find::<R, ()>(rows, from, to, Direction::Forward, |key, value| {
        all.extend(decode(key, value)?);
        Ok(None)
    })?;
    Ok(all)
}

/// Microseconds since 1970.
pub(super) fn micros(t: Timestamp) -> u64 {
    // Never negative, by construction.
    t.as_micros().unsigned_abs()
}

/// Back from microseconds; `None` past the year 9999.
pub(super) fn instant(micros: u64) -> Option<Timestamp> {
    i64::try_from(micros).ok().and_then(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_come_back_and_damage_is_an_error() {
        let mut bytes = Vec::new();
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            put_varint(&mut bytes, number);
        }
        put_text(&mut bytes, "größer");
        let mut fields = Fields::new(&bytes, "test");
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(fields.varint().unwrap(), number);
        }
        assert_eq!(fields.text().unwrap(), "größer");
        fields.end().unwrap();
        assert_eq!(Fields::new(&[0xff; 10], "test").varint(), Err(Corrupt("test")));
        assert_eq!(Fields::new(&[0x80, 0x00], "test").varint(), Err(Corrupt("test")));
        assert_eq!(Fields::new(&[2, b'a'], "test").text(), Err(Corrupt("test")));
        assert_eq!(Fields::new(&[1, 0xff], "test").text(), Err(Corrupt("test")));
        assert_eq!(Fields::new(&[0; 3], "test").u32(), Err(Corrupt("test")));
    }

    #[test]
    fn the_order_of_keys_is_that_of_their_fields() {
        let low = Key::new(Tag::Tally).u32(1).u64(255).u64(9);
        let high = Key::new(Tag::Tally).u32(1).u64(256).u64(0);
        assert!(low.as_slice() < high.as_slice());
        assert!(low.as_slice() < low.after().as_slice() && low.after().as_slice() < high.as_slice());
    }
}
