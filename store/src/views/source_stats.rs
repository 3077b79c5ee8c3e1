//! Statistics per emitter: how much it sent, how late, and whether its sequence numbers are whole.
//!
//! Sequence numbers are gapless per source and incarnation. Most kinds can not name an incarnation: such an event is
//! taken to be of the one that its source named last.
//!
//! Each record changes them by itself, in index order, so they are the same however records were batched (A6).
//! Malformed records whose source is not known are counted under the empty name.

use std::borrow::Cow;

use verdict_schemas::{Body, DecisionProjection, Event, Timestamp};

use crate::layout::{Damaged, Reader, put_bytes, put_varint};

/// What a source has sent, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// `meta.source`; empty: malformed records that name none.
    pub name: String,
    /// Events that count (E4).
    pub events: u64,
    /// Duplicates among its records.
    pub duplicates: u64,
    /// Conflicts among its records.
    pub conflicts: u64,
    /// Malformed ones among its records.
    pub malformed: u64,
    /// Recorded time of its first record.
    pub first_recorded: Option<Timestamp>,
    /// Recorded time of its last record.
    pub last_recorded: Option<Timestamp>,
    /// The latest event time among its events.
    pub last_event_time: Option<Timestamp>,
    /// The longest that an event was recorded after it happened, in microseconds.
    pub lateness_max_us: u64,
    /// The sum of these, in microseconds; over `events` it is the mean.
    pub lateness_sum_us: u64,
    /// Events that came before they happened, by the emitter's clock.
    pub ahead: u64,
    /// The incarnation that it named last; empty if it never did.
    pub incarnation: String,
}

/// What one record does to the statistics of its source.
#[derive(Clone, Debug)]
pub(crate) enum Spoke<'a> {
    /// An event that counts.
    Event {
        event_time: Timestamp,
        sequence: Option<u64>,
        incarnation: Option<Cow<'a, str>>,
        /// The last sequence number of the incarnation, where this event says so.
        last: Option<u64>,
    },
    Duplicate,
    Conflict,
    Malformed,
}

impl<'a> Spoke<'a> {
    pub(crate) fn decision(decision: &'a DecisionProjection<'_>) -> Self {
        Self::Event {
            event_time: decision.event_time,
            sequence: decision.source_sequence,
            incarnation: decision.incarnation.as_deref().map(Cow::Borrowed),
            last: None,
        }
    }

    pub(crate) fn event(event: &'a Event) -> Self {
        let (incarnation, last) = match &event.body {
            Body::Decision(decision) => (decision.incarnation.as_ref(), None),
            Body::AgentSeen(seen) => (seen.incarnation.as_ref(), None),
            Body::AgentRetired(retired) => (retired.incarnation.as_ref(), retired.final_sequence),
            _ => (None, None),
        };
        Self::Event {
            event_time: event.meta.event_time,
            sequence: event.meta.source_sequence,
            incarnation: incarnation.map(|incarnation| Cow::Borrowed(incarnation.as_str())),
            last,
        }
    }

    /// The same, of its own.
    pub(crate) fn into_owned(self) -> Spoke<'static> {
        match self {
            Spoke::Event {
                event_time,
                sequence,
                incarnation,
                last,
            } => Spoke::Event {
                event_time,
                sequence,
                incarnation: incarnation.map(|incarnation| Cow::Owned(incarnation.into_owned())),
                last,
            },
            Spoke::Duplicate => Spoke::Duplicate,
            Spoke::Conflict => Spoke::Conflict,
            Spoke::Malformed => Spoke::Malformed,
        }
    }
}

impl SourceStats {
    /// Takes in what a record recorded at `recorded` says. Gives what is then to be covered: the sequence number and
    /// the last one, of [`SourceStats::incarnation`].
    pub(crate) fn take(&mut self, spoke: Spoke<'_>, recorded: Timestamp) -> Option<(Option<u64>, Option<u64>)> {
        self.first_recorded.get_or_insert(recorded);
        self.last_recorded = Some(recorded);
        match spoke {
            Spoke::Duplicate => self.duplicates += 1,
            Spoke::Conflict => self.conflicts += 1,
            Spoke::Malformed => self.malformed += 1,
            Spoke::Event {
                event_time,
                sequence,
                incarnation,
                last,
            } => {
                self.counted(event_time, recorded);
                if let Some(incarnation) = incarnation
                    && incarnation != self.incarnation
                {
                    self.incarnation = incarnation.into_owned();
                }
                if sequence.is_some() || last.is_some() {
                    return Some((sequence, last));
                }
            }
        }
        None
    }

    fn counted(&mut self, event_time: Timestamp, recorded: Timestamp) {
        self.events += 1;
        self.last_event_time = self.last_event_time.max(Some(event_time));
        let late = recorded.as_micros() - event_time.as_micros();
        self.ahead += u64::from(late < 0);
        let late = u64::try_from(late).unwrap_or(0);
        self.lateness_max_us = self.lateness_max_us.max(late);
        self.lateness_sum_us = self.lateness_sum_us.saturating_add(late);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + self.name.len());
        put_bytes(&mut out, self.name.as_bytes());
        put_bytes(&mut out, self.incarnation.as_bytes());
        for number in [
            self.events,
            self.duplicates,
            self.conflicts,
            self.malformed,
            self.lateness_max_us,
            self.lateness_sum_us,
            self.ahead,
        ] {
            put_varint(&mut out, number);
        }
        for time in [self.first_recorded, self.last_recorded, self.last_event_time] {
            put_option(&mut out, time.map(|time| time.as_micros().cast_unsigned()));
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let (name, incarnation) = (reader.text()?.to_owned(), reader.text()?.to_owned());
        let stats = Self {
            name,
            incarnation,
            events: reader.varint()?,
            duplicates: reader.varint()?,
            conflicts: reader.varint()?,
            malformed: reader.varint()?,
            lateness_max_us: reader.varint()?,
            lateness_sum_us: reader.varint()?,
            ahead: reader.varint()?,
            first_recorded: time(&mut reader)?,
            last_recorded: time(&mut reader)?,
            last_event_time: time(&mut reader)?,
        };
        reader.end()?;
        Ok(stats)
    }
}

fn time(reader: &mut Reader<'_>) -> Result<Option<Timestamp>, Damaged> {
    let Some(micros) = option(reader)? else { return Ok(None) };
    Timestamp::from_micros(micros.cast_signed())
        .map(Some)
        .ok_or(Damaged("a time is out of range"))
}

pub(super) fn option(reader: &mut Reader<'_>) -> Result<Option<u64>, Damaged> {
    if reader.u8()? == 0 {
        Ok(None)
    } else {
        reader.varint().map(Some)
    }
}

pub(super) fn put_option(out: &mut Vec<u8>, number: Option<u64>) {
    out.push(u8::from(number.is_some()));
    if let Some(number) = number {
        put_varint(out, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_read_back_as_written() {
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let mut stats = SourceStats {
            name: "spiffe://pdp".to_owned(),
            ..SourceStats::default()
        };
        let event = |micros, sequence, incarnation| Spoke::Event {
            event_time: at(micros),
            sequence,
            incarnation: Option::<&str>::map(incarnation, Cow::Borrowed),
            last: None,
        };
        assert_eq!(stats.take(event(15, Some(1), Some("b")), at(20)), Some((Some(1), None)));
        assert_eq!(stats.take(event(45, None, None), at(30)), None);
        assert_eq!(stats.take(Spoke::Malformed, at(40)), None);
        assert_eq!(
            (stats.incarnation.as_str(), stats.malformed, stats.last_recorded),
            ("b", 1, Some(at(40)))
        );
        assert_eq!(
            (stats.lateness_max_us, stats.lateness_sum_us, stats.ahead, stats.events),
            (5, 5, 1, 2)
        );
        assert_eq!(SourceStats::decode(&stats.encode()).unwrap(), stats);
    }
}
