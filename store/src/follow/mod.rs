//! Followers: what is made of a log after the commit, each at its own pace.
//!
//! # What a follower is
//!
//! A named consumer of one log, in index order. It pulls by index: whoever commits only wakes it, so it may be as far
//! behind as it likes and costs the commit nothing. How far it is stands in one durable row, written with what it made.
//! There are two kinds, and the difference is what may be taken back:
//!
//! | | a **view** | an **effect** |
//! |---|---|---|
//! | makes | rows in this store | something outside: a checkpoint signed, a webhook sent, an export written |
//! | MUST | be a function of the records, of what came out of turn, and of its version (A6) | act on each record at least once, in order; keep its cursor only behind what was done |
//! | MUST NOT | look at a clock, a batch, another tenant's log | be made anew: what is told is told |
//! | may | be dropped and made anew at any time | run on some nodes only, those configured for it |
//! | bounds | the horizon of questions that read it (E3) | nothing |
//!
//! A view of a tenant's log may also read the intent of `_platform`; its rows then say up to which size of both they
//! hold. There is one view so far (all rows of [`crate::views`], made together by one [`crate::views::maker::Maker`] per
//! log) and no effect yet.
//!
//! # How they run
//!
//! ```text
//!   committer --push--> [ entry per log: records committed lately, who waits ]     `schedule`, `work`, `entry`
//!                             |  light lane            |  heavy lane
//!                          worker 0 ..              worker 1 ..                      `worker`
//!                             |  one slice of each log, one write for all of them
//!                             v
//!                          rows and marks --> answers, horizon, who waits
//! ```
//!
//! - A log is worked at by one worker at a time, in slices bounded by time: so no log waits for the end of another's work.
//! - What a log held when the store was opened is made when nothing newer waits, `_platform`'s first of all.
//! - A log whose records cost much goes to the heavy lane, which the first worker never takes from: the worst of tenants
//!   share what is left, and never hold all of it.
//! - A record that makes the code of a view panic is flagged and passed over. A log whose rows can not be made is *broken*
//!   there alone: it takes records, and is made anew once. Only a write that fails stops the store.
//! - Rows made anew are a second generation beside the first, which questions go on to read; it takes the other's place in
//!   one write, exactly where that is ([`generation`]). They are made one log after the other.

pub(crate) mod entry;
pub(crate) mod generation;
mod job;
pub(crate) mod schedule;
mod standing;
pub(crate) mod waiter;
mod work;
pub(crate) mod worker;

pub use standing::{Followers, Standing, State};

use verdict_merkle::LeafIndex;

use crate::clock::Clock;
use crate::error::StoreError;
use crate::log::read;
use crate::log::state::LogState;
use crate::options::Options;
use crate::views::context::Context;
use crate::views::late;
use crate::views::mark::{self, Place};
use schedule::Schedule;

/// The followers of the logs that there are, each where it was.
///
/// # Errors
/// When their marks can not be read.
pub(crate) fn schedule<'l>(
    context: &Context,
    options: &Options,
    clock: &Clock,
    logs: impl Iterator<Item = &'l LogState>,
) -> Result<Schedule, StoreError> {
    let rows = &*context.views;
    let schedule = Schedule::new(options, mark::last_view(rows)?);
    for log in logs {
        clock.recorded(log.last_recorded);
        let current = mark::generation(rows, log.id, Place::Current)?;
        let made = current.map(|current| current.mark.size).unwrap_or_default();
        if made < log.size {
            let due = read::record(&*context.kept, log.id, LeafIndex(made.0))?;
            clock.set_behind(log.id, due.map(|due| due.recorded_time));
        }
        let met = current.map(|current| current.mark.turn).unwrap_or_default();
        if let Some(taken) = late::next_step(&*context.kept, log.id, made, &met)? {
            clock.is_late(log.id, taken);
        }
        let next = mark::generation(rows, log.id, Place::Next)?;
        schedule.enter(log, (current, next), mark::dropped(rows, log.id)?);
    }
    Ok(schedule)
}

#[cfg(test)]
mod tests;
