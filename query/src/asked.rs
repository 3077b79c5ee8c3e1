//! What the parameters say about the cut: which records, which moment, and what must be visible first (E3).

use verdict_edge::{Answer, Code, Params, Problem};
use verdict_schemas::Timestamp;
use verdict_store::LogName;

use crate::token::{AsOf, Cursor};

/// More positions than this make no sense in one `after`.
const MOST_POSITIONS: usize = 64;

/// How the cut was asked for.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// All that is held.
    Newest,
    /// All that was recorded up to a time.
    KnownAt(Timestamp),
    /// What a token pins.
    Pinned(AsOf),
}

/// A position in a source partition that must be visible first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
}

/// What the parameters say about the cut.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) wanted: Wanted,
    pub(crate) at: Option<Timestamp>,
    pub(crate) after: Vec<Position>,
    /// The place that a cursor names.
    pub(crate) place: Option<Vec<u8>>,
}

impl Asked {
    /// Does a token name the cut?
    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self.wanted, Wanted::Pinned(_))
    }

    /// Reads them. `question` is what a cursor is bound to.
    pub(crate) fn read(params: &Params, log: &LogName, question: &[(&str, &str)]) -> Answer<Self> {
        let at = params.time("at")?;
        let after = params.text("after").map(positions).transpose()?.unwrap_or_default();
        let known_at = params.time("known_at")?;
        let as_of = params.text("as_of").map(|token| AsOf::decode(token, log)).transpose()?;
        if known_at.is_some() && as_of.is_some() {
            let detail = "`as_of` pins a `known_at` of its own: give one of the two";
            return Err(Problem::new(Code::ConflictingParameters, detail).with("parameters", vec!["as_of", "known_at"]));
        }
        let Some(cursor) = params.text("cursor") else {
            let wanted = match (as_of, known_at) {
                (Some(as_of), _) => Wanted::Pinned(as_of),
                (None, Some(known_at)) => Wanted::KnownAt(known_at),
                (None, None) => Wanted::Newest,
            };
            return Ok(Self {
                wanted,
                at,
                after,
                place: None,
            });
        };
        let cursor = Cursor::decode(cursor, log, question)?;
        let same_cut = as_of
            .is_none_or(|as_of| as_of.own == cursor.as_of.own && as_of.platform == cursor.as_of.platform)
            && known_at.is_none_or(|known_at| known_at == cursor.as_of.known_at);
        if !same_cut {
            let detail = "`cursor` pins another cut than `as_of` or `known_at` does: leave them out";
            return Err(Problem::new(Code::ConflictingParameters, detail)
                .with("parameters", vec!["cursor", "as_of", "known_at"]));
        }
        Ok(Self {
            wanted: Wanted::Pinned(cursor.as_of),
            at,
            after,
            place: Some(cursor.place),
        })
    }
}

/// Reads `after`: `partition:offset`, several separated by commas.
fn positions(value: &str) -> Answer<Vec<Position>> {
    let wrong = || {
        Problem::invalid(
            "after",
            value,
            "it must be `partition:offset`, or up to 64 of them separated by commas",
        )
    };
    let one = |text: &str| {
        let (partition, offset) = text.trim().split_once(':')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        (digits(partition) && digits(offset)).then_some(())?;
        Some(Position {
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    };
    let positions = value
        .split(',')
        .map(one)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(wrong)?;
    if positions.len() > MOST_POSITIONS {
        Err(wrong())
    } else {
        Ok(positions)
    }
}
