//! What the members of a series add up to at a moment (E10, E13), and the tracks made of it.

use std::fmt;

use super::key::{Fields, Key, Tag, put_varint};
use super::space::Corrupt;
use super::track::{StepValue, Track};

/// A version by its interned id; [`NOTHING`] is none.
pub(super) type VersionId = u32;
/// Nothing runs (`removed`, or only ever `failed`).
pub(super) const NOTHING: VersionId = 0;

/// What one member adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seat {
    Live(VersionId),
    Silent,
}

/// The function of time of one instance's seat: (from when, what), `None` where it is no member.
pub(super) type Seats = Vec<(u64, Option<Seat>)>;

/// live(v) by version, and counted.
///
/// ```text
/// value  counted varint, then per version with somebody live: version varint, live varint, by version
/// ```
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Tally {
    pub(super) counted: u64,
    live: Vec<(VersionId, u64)>,
}

impl Tally {
    /// Takes one seat out and puts another in.
    pub(super) fn replace(&mut self, old: Option<Seat>, new: Option<Seat>) -> Result<(), Corrupt> {
        if let Some(seat) = old {
            self.counted = self.counted.checked_sub(1).ok_or(Corrupt(Self::WHAT))?;
            if let Seat::Live(version) = seat {
                let place = self
                    .live
                    .binary_search_by_key(&version, |(v, _)| *v)
                    .map_err(|_| Corrupt(Self::WHAT))?;
                if let Some((_, live)) = self.live.get_mut(place) {
                    *live -= 1;
                    if *live == 0 {
                        self.live.remove(place);
                    }
                }
            }
        }
        if let Some(seat) = new {
            self.counted += 1;
            if let Seat::Live(version) = seat {
                match self.live.binary_search_by_key(&version, |(v, _)| *v) {
                    Ok(place) => {
                        if let Some((_, live)) = self.live.get_mut(place) {
                            *live += 1;
                        }
                    }
                    Err(place) => self.live.insert(place, (version, 1)),
                }
            }
        }
        Ok(())
    }

    /// How much it holds: one, and one for each version that somebody live runs.
    pub(super) fn cells(&self) -> usize {
        1 + self.live.len()
    }

    /// How many live ones run `version`.
    pub(super) fn running(&self, version: VersionId) -> u64 {
        self.live
            .iter()
            .find(|(v, _)| *v == version)
            .map_or(0, |(_, live)| *live)
    }

    /// How many are live.
    pub(super) fn live(&self) -> u64 {
        self.live.iter().map(|(_, live)| *live).sum()
    }

    /// The version with 2 x live(v) > counted (E13).
    pub(super) fn holder(&self) -> Held {
        Held(
            self.live
                .iter()
                .find(|(_, live)| 2 * live > self.counted)
                .map(|(version, _)| *version),
        )
    }
}

impl StepValue for Tally {
    const WHAT: &'static str = "tally";

    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.counted);
        for (version, live) in &self.live {
            put_varint(out, u64::from(*version));
            put_varint(out, *live);
        }
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self, Corrupt> {
        let counted = fields.varint()?;
        let mut live = Vec::new();
        while !fields.is_empty() {
            live.push((fields.varint_u32()?, fields.varint()?));
        }
        // Totals are added and doubled, and versions searched for.
        let total = live.iter().try_fold(0u64, |total, (_, live)| total.checked_add(*live));
        let sound = total.is_some_and(|total| total <= counted && counted <= u64::from(u32::MAX))
            && live.iter().all(|(_, live)| *live > 0)
            && live.is_sorted_by(|one, other| one.0 < other.0);
        if sound {
            Ok(Self { counted, live })
        } else {
            Err(Corrupt(Self::WHAT))
        }
    }
}

/// A holder, or a last holder: a version or nothing; `None` if there is none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held(pub(super) Option<VersionId>);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({:?})", self.0)
    }
}

impl StepValue for Held {
    const WHAT: &'static str = "holder";

    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(version) = self.0 {
            put_varint(out, u64::from(version));
        }
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self, Corrupt> {
        if fields.is_empty() {
            Ok(Self(None))
        } else {
            fields.varint_u32().map(|version| Self(Some(version)))
        }
    }
}

/// A step that says no more than that something begins.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Begins;

impl StepValue for Begins {
    const WHAT: &'static str = "runs of a holder";

    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: &mut Fields<'_>) -> Result<Self, Corrupt> {
        Ok(Self)
    }
}

/// The counts of a series, up to the frontier.
pub(super) fn tallies(series: u32) -> Track<Tally> {
    Track::new(Key::new(Tag::Tally).u32(series))
}

/// The holder of a series, up to the frontier (E13).
pub(super) fn holders(series: u32) -> Track<Held> {
    Track::new(Key::new(Tag::Holder).u32(series))
}

/// The last holder of a series, up to the frontier (E14).
pub(super) fn last_holders(series: u32) -> Track<Held> {
    Track::new(Key::new(Tag::LastHolder).u32(series))
}

/// Where `version` becomes the holder of a series.
pub(super) fn held_by(series: u32, version: VersionId) -> Track<Begins> {
    Track::new(Key::new(Tag::HeldBy).u32(series).u32(version))
}
