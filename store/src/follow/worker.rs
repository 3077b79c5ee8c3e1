//! A worker: takes slices of logs, has their rows made, writes them, gives them back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::entry::{Lane, Task};
use super::generation;
use super::job::{Done, Job};
use crate::error::StoreError;
use crate::guard::{fail_at, fail_point, guarded};
use crate::shared::Shared;
use crate::views::context::{Budget, Context};
use crate::views::late;
use crate::views::maker::Maker;
use crate::views::rows::Batch;
use crate::views::slice::{End, look_for_waiting};

/// What a worker does.
pub(crate) const MAKES_VIEWS: &str = "makes views";

/// How long one slice of one log takes at most, give or take a record; what costs much, so that its write holds up no commit;
/// and where nobody else waits.
const SLICE: Duration = Duration::from_millis(8);
const SLICE_HEAVY: Duration = Duration::from_millis(3);
const SLICE_ALONE: Duration = Duration::from_millis(50);
/// How long the slices that are written together take at most.
const TOGETHER: Duration = Duration::from_millis(20);

/// Runs until there will be nothing more to do.
pub(crate) fn run(shared: &Arc<Shared>, heavy_too: bool) {
    let mut batch = Batch::new();
    while let Some(jobs) = shared.schedule.take(heavy_too) {
        fail_point(shared.id, "worker");
        let jobs = slices(shared, &mut batch, jobs);
        shared.schedule.finish(jobs, &shared.clock);
    }
}

/// One slice of each log, in one write.
fn slices(shared: &Shared, batch: &mut Batch, mut jobs: Vec<Job>) -> Vec<Job> {
    let begun = Instant::now();
    let context = &shared.context;
    for (place, job) in jobs.iter_mut().enumerate() {
        if place > 0 && begun.elapsed() > TOGETHER {
            break;
        }
        let slice_begun = Instant::now();
        let before = batch.savepoint();
        let budget = Budget::within(job.records, job.time());
        if let Err(error) = guarded(MAKES_VIEWS, || job.make(shared, batch, &budget)) {
            batch.rewind(&before);
            if let Err(error) = job.failed(shared, batch, &budget, error) {
                batch.rewind(&before);
                job.give_up(context, &error);
            }
        }
        job.done.took = slice_begun.elapsed();
    }
    let failing = fail_at(shared.id, || "write".to_owned());
    let written = failing.and_then(|()| context.write(batch));
    if let Err(error) = written {
        batch.clear();
        shared.stop_views(&error);
        jobs.iter_mut().for_each(|job| job.was_not_written(context));
        return jobs;
    }
    for job in &mut jobs {
        job.makers.current.written(context);
        if let Some(next) = &mut job.makers.next {
            next.written(context);
        }
        if let Err(error) = generation::settle(shared, job) {
            shared.stop_views(&error);
        }
    }
    jobs
}

impl Job {
    fn time(&self) -> Duration {
        match self.lane {
            Lane::Heavy => SLICE_HEAVY,
            _ if self.crowded => SLICE,
            _ => SLICE_ALONE,
        }
    }

    /// Makes the rows of the slice.
    fn make(&mut self, shared: &Shared, batch: &mut Batch, budget: &Budget) -> Result<(), StoreError> {
        let context = &shared.context;
        fail_at(shared.id, || format!("broken {}", self.makers.current.name))?;
        match self.task {
            Task::Follow => {
                let maker = &mut self.makers.current;
                let left = self.size.0.saturating_sub(maker.mark().size.0);
                self.done.offered = usize::try_from(left).unwrap_or(usize::MAX).min(budget.records);
                self.done.taken = maker.step(context, batch, &self.lately, End::Log(self.size), budget)?;
                if !self.is_whole && maker.is_abreast && maker.mark().size >= self.opened {
                    self.done.found = Some(look_for_waiting(context, self.log)?);
                }
            }
            Task::Understand(reference) => {
                let maker = &mut self.makers.current;
                self.done.taken = maker.understand(context, batch, &shared.clock, &reference, budget)?;
                self.done.understood = self.done.taken == 0;
            }
            Task::Rebuild => generation::make(shared, self, batch, budget)?,
        }
        Ok(())
    }

    /// What is left to do where the rows of a slice could not be made. A panic is the fault of one record: slices become
    /// smaller until it is alone in one, and then it is passed over.
    fn failed(
        &mut self,
        shared: &Shared,
        batch: &mut Batch,
        budget: &Budget,
        error: StoreError,
    ) -> Result<(), StoreError> {
        let context = &shared.context;
        self.done.found = None;
        let end = generation::end(self);
        let maker = match (&mut self.makers.next, self.task) {
            (Some(next), Task::Rebuild) => next,
            (None, Task::Rebuild) => return Err(error),
            _ => &mut self.makers.current,
        };
        maker.forget(context)?;
        if !matches!(error, StoreError::Broken { .. }) {
            return Err(error);
        }
        if budget.records > 1 {
            let next = maker.mark().size.0;
            tracing::warn!(log = %maker.name, next, %error, "the rows of a slice could not be made: making smaller ones");
            // As if it had taken one of those offered: the next slice is that small.
            (self.done.taken, self.done.offered) = (1, budget.records);
            return Ok(());
        }
        let one = Budget::of_one();
        let index = match self.task {
            Task::Understand(reference) => late::waiting(&*context.kept, self.log, &reference, 1)?.first().copied(),
            Task::Follow => Some(maker.next(context, End::Log(self.size))?),
            Task::Rebuild => Some(maker.next(context, end)?),
        };
        let Some(index) = index else { return Err(error) };
        tracing::error!(log = %maker.name, %index, %error, "a record is passed over: a fault of this release, please report it");
        maker.pass_over(index);
        self.done.taken = guarded(MAKES_VIEWS, || match self.task {
            Task::Understand(reference) => maker.understand(context, batch, &shared.clock, &reference, &one),
            Task::Follow => maker.step(context, batch, &[], End::Log(self.size), &one),
            Task::Rebuild => maker.step(context, batch, &[], end, &one),
        })?;
        self.done.offered = self.done.taken;
        self.done.passed_over = true;
        Ok(())
    }

    /// The rows of the slice were not written: nothing is visible beyond what was before, nor told to be.
    fn was_not_written(&mut self, context: &Context) {
        self.done = Done::default();
        let makers = &mut self.makers;
        for maker in [Some(&mut makers.current), makers.next.as_mut()].into_iter().flatten() {
            if let Err(error) = maker.forget(context) {
                tracing::error!(log = %maker.name, %error, "it can not be read how far the views are");
            }
        }
    }

    /// The rows can not be made.
    fn give_up(&mut self, context: &Context, error: &StoreError) {
        self.done.offered = 0;
        if self.task == Task::Rebuild {
            self.done.rebuilt = Some(Err(error.clone()));
            return;
        }
        let maker: &mut Maker = &mut self.makers.current;
        tracing::error!(log = %maker.name, next = maker.mark().size.0, %error, "the views of a log are broken: it takes records, and answers are from before them");
        self.done.broken = Some(error.to_string());
        if let Err(error) = maker.forget(context) {
            tracing::error!(log = %maker.name, %error, "nor can be read how far they are");
        }
    }
}
