//! A second generation of a log's rows, made beside the first.
//!
//! Its rows have a number of their own, so nobody sees them before it takes the first one's place: in one write, once it
//! is where that is, with the first one's rows dropped in the same. Snapshots taken before go on to read those. A crash
//! in between leaves either; a generation half made is gone on with at the next opening.
//!
//! Where the first is broken, the second goes on past the place where that stands, and takes the end of the log for its end.

use rocksdb::WriteBatch;

use super::job::Job;
use crate::error::StoreError;
use crate::guard::fail_point;
use crate::shared::Shared;
use crate::tables::Table;
use crate::views::ViewId;
use crate::views::context::{Budget, Context};
use crate::views::maker::Maker;
use crate::views::mark::{self, Generation, Mark, Place};
use crate::views::rows::Batch;
use crate::views::slice::End;

/// Makes the rows of the next slice of the second generation, begun if there is none.
///
/// # Errors
/// When there is no room for it, or it can not be made.
pub(super) fn make(shared: &Shared, job: &mut Job, batch: &mut Batch, budget: &Budget) -> Result<(), StoreError> {
    let end = end(job);
    let next = match &mut job.makers.next {
        Some(next) => next,
        none => {
            room(shared, job.size.0)?;
            let generation = Generation {
                view: shared.schedule.new_view()?,
                mark: Mark::default(),
            };
            let name = job.makers.current.name.clone();
            tracing::info!(log = %name, generation = generation.view.0, "making the views of a log anew");
            none.insert(Maker::new(job.log, name, generation, Place::Next))
        }
    };
    job.done.offered = budget.records;
    job.done.taken = next.step(&shared.context, batch, &[], end, budget)?;
    if job.done.taken < budget.records && end.is_reached(&next.mark()) {
        job.done.offered = job.done.taken;
    }
    Ok(())
}

/// How far a second generation goes.
pub(super) fn end(job: &Job) -> End {
    if job.is_broken {
        End::Log(job.size)
    } else {
        End::Mark(job.makers.current.mark())
    }
}

/// Lets the second generation take the first one's place if it is where that is; drops it if it can not be made.
///
/// # Errors
/// When that can not be written.
pub(super) fn settle(shared: &Shared, job: &mut Job) -> Result<(), StoreError> {
    if let Some(Err(_)) = &job.done.rebuilt {
        return abandon(shared, job);
    }
    let end = end(job);
    let is_there = job.makers.next.as_ref().is_some_and(|next| {
        let abreast = next.is_abreast || matches!(end, End::Mark(_));
        end.is_reached(&next.mark()) && abreast
    });
    if !is_there {
        return Ok(());
    }
    let Some(next) = job.makers.next.take() else {
        return Ok(());
    };
    fail_point(shared.id, "swap");
    let before = job.makers.current.generation().view;
    job.makers.current = take_over(&shared.context, next, before)?;
    shared.intents.forget(before);
    tracing::info!(log = %job.makers.current.name, generation = job.makers.current.generation().view.0, "the views of a log were made anew");
    job.done.rebuilt = Some(Ok(()));
    Ok(())
}

/// Lets a generation take the place of another, in one write.
///
/// # Errors
/// When it can not be written.
pub(crate) fn take_over(context: &Context, mut next: Maker, before: ViewId) -> Result<Maker, StoreError> {
    next.is_current();
    let mut write = WriteBatch::default();
    let marks = context.views.cf(Table::Mark)?;
    write.put_cf(marks, mark::key(next.log, Place::Current), next.generation().encode());
    write.delete_cf(marks, mark::key(next.log, Place::Next));
    drop_rows(context, &mut write, before)?;
    context.views.write(write)?;
    Ok(next)
}

fn abandon(shared: &Shared, job: &mut Job) -> Result<(), StoreError> {
    if let Some(next) = job.makers.next.take() {
        let mut write = WriteBatch::default();
        let views = &shared.context.views;
        write.delete_cf(views.cf(Table::Mark)?, mark::key(job.log, Place::Next));
        drop_rows(&shared.context, &mut write, next.generation().view)?;
        views.write(write)?;
    }
    if let Some(Err(error)) = &job.done.rebuilt {
        let name = &job.makers.current.name;
        tracing::warn!(log = %name, %error, "the views of a log could not be made anew: those that there are stay");
    }
    Ok(())
}

/// Drops every row of a generation.
fn drop_rows(context: &Context, write: &mut WriteBatch, view: ViewId) -> Result<(), StoreError> {
    let end = view.end().map_or_else(|| vec![u8::MAX; 64], |end| end.to_vec());
    for table in Table::VIEWS.iter().filter(|table| **table != Table::Mark) {
        write.delete_range_cf(context.views.cf(*table)?, view.prefix().to_vec(), end.clone());
    }
    Ok(())
}

/// Is there room on the disk for the rows of so many records once more?
fn room(shared: &Shared, records: u64) -> Result<(), StoreError> {
    let all = shared.schedule.records().max(records).max(1);
    let views = &shared.context.views;
    let rows = u128::from(views.disk_bytes()) * u128::from(records) / u128::from(all);
    let rows = u64::try_from(rows).unwrap_or(u64::MAX);
    let needed = rows.saturating_add(shared.options.disk_reserve);
    let free = views.free_bytes()?;
    if free < needed {
        return Err(StoreError::NoRoom { needed, free });
    }
    Ok(())
}
