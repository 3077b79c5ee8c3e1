//! Walking an index: several ranges merged into one order, and the choice of which index to walk.
//!
//! What is chosen may depend on the cut and the question, never on what the log got later: where a page ends follows
//! from it, and an answer with `as_of` must stay what it was (A6).

use verdict_edge::{Answer, Problem};
use verdict_schemas::{Kind, Outcome, Timestamp};
use verdict_store::{Entry, Index, LeafIndex, Order, Scan, StoreError, TimeRange};

use crate::filters::Filters;
use crate::question::Question;

/// So many entries of each index are looked at before one is chosen.
const PROBE: usize = 256;
/// So many versions of a policy are merged; one with more is found by another index.
const MOST_VERSIONS: usize = 512;
/// So many events of a trace, or of a correlation id, are sorted in memory; one with more is found by another index.
const MOST_OF_TRACE: usize = 10_000;

/// A place in the order of an index.
pub(crate) type Place = (Timestamp, LeafIndex);

/// Something that together holds every decision that the filters accept.
struct Candidate {
    holds: Holds,
    /// Every decision in it is accepted, but for the outcome, which entries know.
    exact: bool,
}

enum Holds {
    Ranges(Vec<Index>),
    /// What was found already, in no order.
    Entries(Vec<Entry>),
}

/// Entries of the chosen index, in order, each record once: of decisions with the outcome asked for, and, so that a walk
/// through nothing else ends too, of everything that was passed over.
pub(crate) struct Walk<'q> {
    heads: Vec<Head<'q>>,
    order: Order,
    last: Option<Place>,
    exact: bool,
    outcome: Option<Outcome>,
}

struct Head<'q> {
    next: Option<Result<Entry, StoreError>>,
    rest: Rest<'q>,
}

enum Rest<'q> {
    Scan(Box<Scan<'q>>),
    Entries(std::vec::IntoIter<Entry>),
}

impl Head<'_> {
    fn advance(&mut self) -> Option<Result<Entry, StoreError>> {
        let following = match &mut self.rest {
            Rest::Scan(scan) => scan.next(),
            Rest::Entries(entries) => entries.next().map(Ok),
        };
        std::mem::replace(&mut self.next, following)
    }
}

impl<'q> Walk<'q> {
    /// Chooses an index for the filters and begins behind `from`.
    pub(crate) fn plan(
        question: &'q Question<'_>,
        filters: &Filters,
        order: Order,
        from: Option<Place>,
    ) -> Answer<Self> {
        let range = TimeRange {
            from: filters.from,
            until: filters.to,
        };
        let mut candidates = candidates(question, filters)?;
        let mut shortest = (usize::MAX, candidates.len() - 1);
        if candidates.len() > 1 {
            for (place, candidate) in candidates.iter().enumerate() {
                // Counted from the beginning, not from the cursor, so that every page walks the same index.
                let walk = Self::open(question, candidate, filters, (range, order, None))?;
                shortest = shortest.min((walk.take(PROBE).count(), place));
            }
        }
        Self::open(
            question,
            &candidates.swap_remove(shortest.1),
            filters,
            (range, order, from),
        )
    }

    fn open(
        question: &'q Question<'_>,
        candidate: &Candidate,
        filters: &Filters,
        (range, order, from): (TimeRange, Order, Option<Place>),
    ) -> Answer<Self> {
        let mut heads = Vec::new();
        match &candidate.holds {
            Holds::Ranges(indexes) => {
                for index in indexes {
                    if let Some(log) = question.cut.own.id {
                        let scan = question
                            .snapshot
                            .scan(log, index, range, order, from, question.cut.own.cut)?;
                        heads.push(Head {
                            next: None,
                            rest: Rest::Scan(Box::new(scan)),
                        });
                    }
                }
            }
            Holds::Entries(entries) => {
                let mut entries = entries.clone();
                entries.retain(|entry| {
                    range.from.is_none_or(|from| from <= entry.f)
                        && range.until.is_none_or(|until| entry.f < until)
                        && from.is_none_or(|from| comes_before(order, from, entry.position()))
                });
                entries.sort_unstable_by_key(Entry::position);
                if order == Order::NewestFirst {
                    entries.reverse();
                }
                heads.push(Head {
                    next: None,
                    rest: Rest::Entries(entries.into_iter()),
                });
            }
        }
        heads.iter_mut().for_each(|head| drop(head.advance()));
        Ok(Self {
            heads,
            order,
            last: None,
            exact: candidate.exact,
            outcome: filters.outcome,
        })
    }

    /// Does every entry that [`Walk::asks_for`] accepts stand for a decision that the filters accept?
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// A decision, with the outcome asked for?
    pub(crate) fn asks_for(&self, entry: &Entry) -> bool {
        entry.kind == Kind::Decision && self.outcome.is_none_or(|outcome| entry.outcome == Some(outcome))
    }

    /// Counts without reading a record, up to a bound. Returns where to go on from, if there is more.
    pub(crate) fn count(mut self, most: usize, count: &mut u64) -> Answer<Option<Place>> {
        let (mut walked, mut last) = (0, None);
        while let Some(entry) = self.next() {
            let entry = entry?;
            if walked >= most {
                return Ok(last);
            }
            walked += 1;
            last = Some(entry.position());
            *count += u64::from(self.asks_for(&entry));
        }
        Ok(None)
    }
}

fn comes_before(order: Order, one: Place, other: Place) -> bool {
    match order {
        Order::NewestFirst => one > other,
        Order::OldestFirst => one < other,
    }
}

impl Iterator for Walk<'_> {
    type Item = Answer<Entry>;

    fn next(&mut self) -> Option<Answer<Entry>> {
        loop {
            let mut first: Option<(usize, Place)> = None;
            for (at, head) in self.heads.iter().enumerate() {
                let position = match &head.next {
                    None => continue,
                    Some(Ok(entry)) => entry.position(),
                    Some(Err(_)) => {
                        first = Some((at, (Timestamp::MIN, LeafIndex(0))));
                        break;
                    }
                };
                if first.is_none_or(|(_, best)| comes_before(self.order, position, best)) {
                    first = Some((at, position));
                }
            }
            let (at, _) = first?;
            let entry = match self.heads.get_mut(at).and_then(Head::advance)? {
                Ok(entry) => entry,
                Err(error) => {
                    self.heads.clear();
                    return Some(Err(Problem::from(error)));
                }
            };
            // One that two readings of a name find stands in two ranges.
            if self.last.replace(entry.position()) != Some(entry.position()) {
                return Some(Ok(entry));
            }
        }
    }
}

/// The indexes that can find what the filters accept, the one over all time last.
fn candidates(question: &Question<'_>, filters: &Filters) -> Answer<Vec<Candidate>> {
    let Filters {
        actor,
        action,
        resource,
        policy,
        version,
        environment,
        workload,
        agent,
        trace_id,
        correlation_id,
        span_id,
        ..
    } = filters;
    let given = [
        actor.is_some(),
        resource.is_some(),
        policy.is_some() || version.is_some(),
        environment.is_some(),
        agent.is_some(),
        trace_id.is_some(),
        action.is_some() || workload.is_some() || span_id.is_some(),
        correlation_id.is_some(),
    ];
    let only = |covered: &[usize]| {
        given
            .iter()
            .enumerate()
            .all(|(place, given)| !given || covered.contains(&place))
    };
    let mut candidates = Vec::new();
    let mut ranges = |ranges: Vec<Index>, covered: &[usize]| {
        candidates.push(Candidate {
            holds: Holds::Ranges(ranges),
            exact: only(covered),
        });
    };
    if let Some(actor) = actor.as_ref().filter(|actor| actor.is_typed()) {
        let index = |(kind, id): (&str, &str)| Index::Actor {
            r#type: kind.to_owned(),
            id: id.to_owned(),
        };
        ranges(actor.readings().map(index).collect(), &[0]);
    }
    if let Some(resource) = resource.as_ref().filter(|resource| resource.is_typed()) {
        let index = |(kind, id): (&str, &str)| Index::Resource {
            r#type: kind.to_owned(),
            id: id.to_owned(),
        };
        ranges(resource.readings().map(index).collect(), &[1]);
    }
    if let Some(agent) = agent {
        ranges(vec![Index::Agent(agent.clone())], &[4]);
    }
    if policy.is_some() || version.is_some() {
        let cited = cited(question, filters)?;
        if cited.len() <= MOST_VERSIONS {
            ranges(
                cited.into_iter().map(|cited| Index::Versions(vec![cited])).collect(),
                &[2, 3],
            );
        }
    }
    if let (Some(log), Some(trace)) = (question.cut.own.id, trace_id) {
        let found = question
            .snapshot
            .by_trace(log, trace.as_str(), question.cut.own.cut, MOST_OF_TRACE)?;
        if found.len() < MOST_OF_TRACE {
            candidates.push(Candidate {
                holds: Holds::Entries(found),
                exact: only(&[5]),
            });
        }
    }
    if let (Some(log), Some(id)) = (question.cut.own.id, correlation_id) {
        let found = question
            .snapshot
            .by_correlation(log, id, question.cut.own.cut, MOST_OF_TRACE)?;
        if found.len() < MOST_OF_TRACE {
            candidates.push(Candidate {
                holds: Holds::Entries(found),
                exact: only(&[7]),
            });
        }
    }
    candidates.push(Candidate {
        holds: Holds::Ranges(vec![Index::Time]),
        exact: only(&[]),
    });
    Ok(candidates)
}

/// The versions asked about that a decision of the cut cites. The catalogue knows those of later records too.
fn cited(question: &Question<'_>, filters: &Filters) -> Answer<Vec<verdict_store::CitedVersion>> {
    let Some(log) = question.cut.own.id else {
        return Ok(Vec::new());
    };
    let range = TimeRange {
        from: filters.from,
        until: filters.to,
    };
    let mut cited = question
        .snapshot
        .versions_cited(log, filters.policy.as_ref(), filters.version.as_ref())?;
    cited.retain(|cited| {
        filters
            .environment
            .as_deref()
            .is_none_or(|wanted| cited.environment.as_str() == wanted)
    });
    let mut in_cut = Vec::new();
    for cited in cited {
        let index = Index::Versions(vec![cited.clone()]);
        let mut scan = question
            .snapshot
            .scan(log, &index, range, Order::NewestFirst, None, question.cut.own.cut)?;
        if scan.next().transpose()?.is_some() {
            in_cut.push(cited);
        }
    }
    Ok(in_cut)
}
