//! `sources`: what each emitter sent, how late, and whether its sequence numbers are whole.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Serialize;
use verdict_edge::{Answer, CUT, Tenant};
use verdict_schemas::Timestamp;
use verdict_store::{Coverage, KafkaPartition, SourceReport};

use crate::ask::Asking;
use crate::question::{Question, Rest};
use crate::token::no_such_place;

#[derive(Serialize)]
struct Item {
    /// `meta.source`; null: malformed records that name none.
    source: Option<String>,
    events: u64,
    duplicates: u64,
    conflicts: u64,
    malformed: u64,
    first_recorded: Option<Timestamp>,
    last_recorded: Option<Timestamp>,
    last_event_time: Option<Timestamp>,
    lateness: Lateness,
    /// Sequence numbers never seen among those that should have been, over all incarnations.
    missing: u64,
    sequences: Vec<Sequence>,
}

/// How long after it happened an event was recorded.
#[derive(Serialize)]
struct Lateness {
    max_us: u64,
    mean_us: u64,
    /// Events recorded before they happened, by the emitter's clock.
    ahead: u64,
}

/// The sequence numbers of one incarnation.
#[derive(Serialize)]
struct Sequence {
    incarnation: String,
    first: Option<u64>,
    last: Option<u64>,
    /// The last number that the emitter says it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    final_sequence: Option<u64>,
    missing: u64,
    repeated: u64,
    /// `[from, until)`, the latest of them.
    gaps: Vec<Gap>,
}

#[derive(Serialize)]
struct Gap {
    from: u64,
    until: u64,
}

impl Item {
    fn new(source: SourceReport) -> Self {
        let SourceReport { stats, coverage } = source;
        let missing = coverage.iter().map(Coverage::missing).fold(0, u64::saturating_add);
        Self {
            events: stats.events,
            duplicates: stats.duplicates,
            conflicts: stats.conflicts,
            malformed: stats.malformed,
            first_recorded: stats.first_recorded,
            last_recorded: stats.last_recorded,
            last_event_time: stats.last_event_time,
            lateness: Lateness {
                max_us: stats.lateness_max_us,
                mean_us: stats.lateness_sum_us.checked_div(stats.events).unwrap_or(0),
                ahead: stats.ahead,
            },
            missing,
            sequences: coverage.into_iter().map(Sequence::new).collect(),
            source: Some(stats.name).filter(|name| !name.is_empty()),
        }
    }
}

impl Item {
    fn partition(partition: &KafkaPartition, gaps: &[verdict_store::Gap]) -> Self {
        let missing = gaps.iter().map(|gap| gap.to - gap.from).fold(0, u64::saturating_add);
        let sequence = Sequence {
            incarnation: partition.cluster.to_string(),
            first: None,
            last: None,
            final_sequence: None,
            missing,
            repeated: 0,
            gaps: gaps
                .iter()
                .map(|gap| Gap {
                    from: gap.from,
                    until: gap.to,
                })
                .collect(),
        };
        Self {
            source: Some(format!("kafka:{}/{}", partition.topic, partition.partition)),
            events: 0,
            duplicates: 0,
            conflicts: 0,
            malformed: 0,
            first_recorded: None,
            last_recorded: None,
            last_event_time: None,
            lateness: Lateness {
                max_us: 0,
                mean_us: 0,
                ahead: 0,
            },
            missing,
            sequences: vec![sequence],
        }
    }
}

impl Sequence {
    fn new(coverage: Coverage) -> Self {
        Self {
            first: coverage.runs.first().map(|(from, _)| *from),
            last: coverage.runs.last().map(|(_, until)| until.saturating_sub(1)),
            final_sequence: coverage.final_sequence,
            missing: coverage.missing(),
            repeated: coverage.repeated,
            gaps: coverage.gaps().map(|(from, until)| Gap { from, until }).collect(),
            incarnation: coverage.incarnation,
        }
    }
}

/// A Kafka partition is a source, too: its offsets are the sequence. It is listed where offsets of it were lost before they
/// could be read (A4), as far as that was noticed by `known_at`. Which tenants' records they were, nobody can tell.
fn partitions_with_gaps(question: &Question<'_>) -> Answer<Vec<Item>> {
    let mut lost: BTreeMap<KafkaPartition, Vec<verdict_store::Gap>> = BTreeMap::new();
    for gap in question.store.gaps()? {
        let of_platform = *gap.partition.topic == *question.topics.platform;
        if gap.noticed_at <= question.cut.known_at && of_platform == question.tenant.is_platform() {
            lost.entry(gap.partition.clone()).or_default().push(gap);
        }
    }
    Ok(lost
        .into_iter()
        .map(|(partition, gaps)| Item::partition(&partition, &gaps))
        .collect())
}

/// Where a list goes on.
enum Place {
    /// Behind so many of the partitions that are listed first.
    Lost(usize),
    /// Behind a source, as the store names its place.
    Source(Vec<u8>),
}

impl Place {
    fn read(question: &Question<'_>) -> Answer<Self> {
        let Some(bytes) = &question.place else {
            return Ok(Self::Lost(0));
        };
        match bytes.split_first() {
            Some((0, number)) => number
                .try_into()
                .ok()
                .and_then(|number| usize::try_from(u64::from_be_bytes(number)).ok())
                .map(Self::Lost)
                .ok_or_else(no_such_place),
            Some((1, source)) => Ok(Self::Source(source.to_vec())),
            _ => Err(no_such_place()),
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Lost(number) => [&[0], &(*number as u64).to_be_bytes()[..]].concat(),
            Self::Source(source) => [&[1], &source[..]].concat(),
        }
    }
}

/// `GET /v1/tenants/{tenant}/sources`
pub(crate) async fn list(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT, &["limit", "cursor"]], |question| {
            let (limit, place) = (question.limit()?, Place::read(question)?);
            let Some(log) = question.cut.own.id else {
                return question.list(Vec::<Item>::new(), None);
            };
            let (mut items, mut from) = (Vec::new(), None);
            match place {
                Place::Source(behind) => from = Some(behind),
                Place::Lost(before) => {
                    items = partitions_with_gaps(question)?;
                    items.drain(..before.min(items.len()));
                    if items.len() >= limit {
                        // There is hardly a log without a source: what follows may be an empty page, and seldom is.
                        items.truncate(limit);
                        return question.list(items, Some(rest(&Place::Lost(before.saturating_add(limit)), false)));
                    }
                }
            }
            let (cut, room) = (question.cut.own.cut, limit - items.len());
            let page = question
                .snapshot
                .sources(log, cut, from.as_deref(), (room, question.limits.examined))?;
            items.extend(page.sources.into_iter().map(Item::new));
            question.list(
                items,
                page.rest.map(|source| rest(&Place::Source(source), page.bounded)),
            )
        })
        .await
}

fn rest(place: &Place, bounded: bool) -> Rest {
    Rest {
        place: place.encode(),
        bounded,
    }
}
