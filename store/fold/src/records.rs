//! The records that an entry rests on (E26).

use verdict_schemas::{TenantId, Version};

use crate::answer::EvidenceRef;
use crate::{Desired, IntentCut, Member, Question, SeriesKey, TopRun};

/// How many members are named in the evidence of an entry (E26).
const MEMBERS_SHOWN: usize = 10;

/// The evidence, each record once, in the order of E26, and how many more members gave evidence.
pub(crate) fn records(
    question: &Question,
    intents: IntentCut<'_>,
    series: &SeriesKey,
    desired: &Desired<'_>,
    top: &TopRun<'_>,
    version: Option<&Version>,
    members: &[Member],
) -> (Vec<EvidenceRef>, Option<u64>) {
    let pushed = version.and_then(|version| desired.last_pushed(version, question.at));
    let publication = version.and_then(|version| intents.publication(series, version));
    let intended = [
        top.top.map(|top| top.started.record),
        pushed.map(|push| push.started.record),
        desired.uncovered_by(top),
        publication.map(|publication| publication.record),
    ];
    let gave = |member: &Member| {
        (member.live && member.version.as_ref() == version)
            .then_some(member.gave)
            .flatten()
    };
    let gave: Vec<_> = members.iter().filter_map(gave).collect();
    let (shown, more) = gave.split_at(gave.len().min(MEMBERS_SHOWN));
    let mut records: Vec<EvidenceRef> = Vec::new();
    let mut add = |log: &TenantId, record| {
        let record = EvidenceRef::new(log, record);
        if !records.contains(&record) {
            records.push(record);
        }
    };
    intended
        .into_iter()
        .flatten()
        .for_each(|record| add(intents.tenant(), record));
    shown.iter().for_each(|record| add(&question.tenant, *record));
    let more = u64::try_from(more.len()).unwrap_or(u64::MAX);
    (records, (more > 0).then_some(more))
}
