//! The reader: one datum, driven by its writer's schema, borrowed, bounded.

use std::borrow::Cow;

use super::compile::{Compiled, TimeUnit, Type};
use crate::tree::{Node, Read};
use crate::{Rejection, rule};

/// Deepest nesting of a datum: a schema may hold itself.
const DEEPEST: u32 = 64;

/// What is left of a datum.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    /// How many items of arrays and maps may still come. An item takes at least a byte, save in schemas made to
    /// exhaust their reader; so a datum's length bounds what it may allocate.
    items: usize,
}

impl<'a> Input<'a> {
    /// The whole of a datum.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            items: bytes.len(),
        }
    }

    /// Refuses left-over bytes.
    pub(crate) fn end(&self) -> Read<()> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(Rejection::new(
                rule::TRAILING_BYTES,
                format!("{left} bytes are left over after the event"),
            )),
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        match self.bytes.split_at_checked(length) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(self.short(length)),
        }
    }

    #[cold]
    fn short(&self, length: usize) -> Rejection {
        Rejection::new(
            rule::TRUNCATED,
            format!("{length} bytes are due and {} are left", self.bytes.len()),
        )
    }

    /// A zig-zag variable-length number.
    #[inline]
    pub(crate) fn long(&mut self) -> Read<i64> {
        // Lengths and branches of unions, nearly all of what is read here, take one byte.
        if let Some((&byte, rest)) = self.bytes.split_first()
            && byte < 0x80
        {
            self.bytes = rest;
            return Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1));
        }
        self.long_of_many()
    }

    #[inline(never)]
    fn long_of_many(&mut self) -> Read<i64> {
        let mut number = 0_u64;
        for (i, &byte) in self.bytes.iter().take(10).enumerate() {
            if i == 9 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7F) << (7 * i);
            if byte < 0x80 {
                self.bytes = &self.bytes[i + 1..];
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        if self.bytes.len() < 10 {
            return Err(Rejection::new(rule::TRUNCATED, "the value ends within a number"));
        }
        Err(Rejection::new(rule::INVALID_AVRO, "a number takes more than 64 bits"))
    }

    /// A byte string, after its length.
    #[inline]
    fn sized(&mut self) -> Read<&'a [u8]> {
        let length = self.long()?;
        let length = usize::try_from(length)
            .map_err(|_| Rejection::new(rule::INVALID_AVRO, format!("`{length}` is no length")))?;
        self.take(length)
    }

    /// A string.
    #[inline]
    pub(crate) fn string(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.sized()?).map_err(|error| {
            Rejection::new(
                rule::NOT_UTF8,
                format!("byte {} of the string is not UTF-8", error.valid_up_to()),
            )
        })
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self) -> Read<bool> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            other => Err(Rejection::new(
                rule::INVALID_AVRO,
                format!("`{}` is no boolean", hex::encode(other)),
            )),
        }
    }

    /// The number of items in the next block of an array or map; zero at its end.
    pub(crate) fn block(&mut self) -> Read<usize> {
        let mut count = self.long()?;
        if count < 0 {
            // A negative count is followed by the block's size in bytes, which skipping readers use.
            let _size = self.long()?;
            count = count.checked_neg().unwrap_or(i64::MAX);
        }
        match usize::try_from(count) {
            Ok(count) if count <= self.items => {
                self.items -= count;
                Ok(count)
            }
            // The datum would have to go on for longer than it does.
            _ => Err(Rejection::new(
                rule::TRUNCATED,
                format!("{count} items are due, more than the bytes left can hold"),
            )),
        }
    }

    /// The branch of a union.
    pub(crate) fn branch(&mut self, branches: usize) -> Read<usize> {
        let branch = self.long()?;
        usize::try_from(branch)
            .ok()
            .filter(|branch| *branch < branches)
            .ok_or_else(|| {
                Rejection::new(
                    rule::INVALID_AVRO,
                    format!("a union of {branches} has no branch `{branch}`"),
                )
            })
    }
}

impl Compiled {
    /// Reads one value of a type.
    pub(crate) fn read<'a>(&'a self, of: &'a Type, input: &mut Input<'a>, depth: u32) -> Read<Node<'a>> {
        if depth > DEEPEST {
            return Err(Rejection::new(
                rule::TOO_DEEP,
                format!("nested more than {DEEPEST} deep"),
            ));
        }
        Ok(match of {
            Type::Null => Node::Null,
            Type::Boolean => Node::Bool(input.boolean()?),
            Type::Int => {
                let number = input.long()?;
                if i32::try_from(number).is_err() {
                    return Err(Rejection::new(rule::INVALID_AVRO, format!("`{number}` is no int")));
                }
                Node::Int(number)
            }
            Type::Long => Node::Int(input.long()?),
            Type::Float => Node::Float(f64::from(f32::from_le_bytes(array(input.take(4)?)))),
            Type::Double => Node::Float(f64::from_le_bytes(array(input.take(8)?))),
            Type::Bytes => Node::Bytes(input.sized()?),
            Type::Fixed(length) => Node::Bytes(input.take(*length)?),
            Type::String => Node::Text(Cow::Borrowed(input.string()?)),
            Type::Uuid { fixed } => uuid(if *fixed { input.take(16)? } else { input.sized()? })?,
            Type::Time(unit) => Node::Micros(micros(input.long()?, *unit)),
            Type::Enum(symbols) => Node::Text(Cow::Borrowed(&symbols[input.branch(symbols.len())?])),
            Type::Union(branches) => self.read(self.at(branches[input.branch(branches.len())?]), input, depth + 1)?,
            Type::Array(item) => {
                let item = self.at(*item);
                let mut nodes = Vec::new();
                loop {
                    let count = input.block()?;
                    if count == 0 {
                        break Node::List(nodes);
                    }
                    for _ in 0..count {
                        let node = self.read(item, input, depth + 1).map_err(|r| r.under(nodes.len()))?;
                        nodes.push(node);
                    }
                }
            }
            Type::Map(value) => {
                let value = self.at(*value);
                let mut fields = Vec::new();
                loop {
                    let count = input.block()?;
                    if count == 0 {
                        break Node::Object(fields);
                    }
                    for _ in 0..count {
                        let key = input.string()?;
                        let node = self.read(value, input, depth + 1).map_err(|r| r.under(key))?;
                        fields.push((Cow::Borrowed(key), node));
                    }
                }
            }
            Type::Record { fields, .. } => {
                let mut nodes = Vec::with_capacity(fields.len());
                for (name, of) in fields {
                    let node = self.read(self.at(*of), input, depth + 1).map_err(|r| r.under(name))?;
                    nodes.push((Cow::Borrowed(name.as_str()), node));
                }
                Node::Object(nodes)
            }
        })
    }
}

/// Bytes whose number was asked for.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

fn uuid(bytes: &[u8]) -> Read<Node<'static>> {
    let uuid = uuid::Uuid::from_slice(bytes)
        .map_err(|_| Rejection::new(rule::INVALID_AVRO, format!("{} bytes are no UUID", bytes.len())))?;
    Ok(Node::Text(Cow::Owned(uuid.to_string())))
}

/// In microseconds, finer digits cut off (E1). What saturates lies far outside the years that are accepted.
fn micros(number: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Days => number.saturating_mul(24 * 60 * 60 * 1_000_000),
        TimeUnit::Millis => number.saturating_mul(1000),
        TimeUnit::Micros => number,
        TimeUnit::Nanos => number.div_euclid(1000),
    }
}
