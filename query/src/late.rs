//! What was recorded late (E5): intent can not be backdated, so what was recorded more than a minute after its event time acts
//! from a minute before it was recorded. An answer that shows such intent says so, lest a rollout of years ago read as one of
//! today.

use verdict_edge::Answer;
use verdict_fold::{LATE_US, Run};
use verdict_schemas::{Interpretation, TenantId};
use verdict_store::LeafIndex;

use crate::evidence::Intents;
use crate::question::Question;

/// How much later than its event time a record of intent was recorded, in whole milliseconds; `None` where that is not more
/// than a minute, and it acts from its event time on.
pub(crate) fn recorded_late_by_ms(question: &Question<'_>, tenant: &TenantId, index: u64) -> Answer<Option<u64>> {
    let platform = question.cut.platform.as_ref().filter(|_| tenant.is_platform());
    let Some(log) = platform.unwrap_or(&question.cut.own).id else {
        return Ok(None);
    };
    let Some((record, interpreted)) = question.snapshot.event(log, LeafIndex(index))? else {
        return Ok(None);
    };
    let Interpretation::Event(event) = interpreted else {
        return Ok(None);
    };
    let late = record.recorded_time.as_micros() - event.meta.event_time.as_micros();
    Ok(u64::try_from(late)
        .ok()
        .filter(|late| *late > LATE_US)
        .map(|late| late / 1000))
}

/// The same of what started the rollout of each run, in the order of the runs.
pub(crate) fn of_runs(question: &Question<'_>, runs: &[Run]) -> Answer<Vec<Option<u64>>> {
    let intents = Intents::of(question)?;
    let mut late = Vec::with_capacity(runs.len());
    let mut last = None;
    for run in runs {
        let Some(id) = &run.rollout_id else {
            late.push(None);
            continue;
        };
        // Runs of one rollout mostly follow each other.
        if last.as_ref().is_none_or(|(last, _)| last != id) {
            let log = intents.cut(&run.scope.log());
            let by = match log.rollout(id) {
                Some(rollout) => recorded_late_by_ms(question, log.tenant(), rollout.started.record.index)?,
                None => None,
            };
            last = Some((id.clone(), by));
        }
        late.push(last.as_ref().and_then(|(_, by)| *by));
    }
    Ok(late)
}
