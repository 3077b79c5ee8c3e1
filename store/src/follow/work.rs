//! What there is to do, for all logs: behind the lock of [`super::schedule`].
//!
//! A log is in the lane of what is to be done for it, once; whoever takes it has its makers until the slice is given back.
//! A place in a lane that is not its lane any more stays behind, and is passed over when its turn comes.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use verdict_merkle::{LeafIndex, TreeSize};

use super::entry::{Entry, Lane, Makers, Pace, Task};
use super::job::{Done, Job};
use crate::clock::Clock;
use crate::names::{LogId, LogName};
use crate::views::ViewId;
use crate::views::maker::Maker;
use crate::views::mark::{Generation, Mark, Place};

/// So many logs are worked at together: one write for all of them.
const TOGETHER: usize = 64;

/// Everything that there is to do.
pub(super) struct Work {
    pub(super) logs: HashMap<LogId, Entry, RandomState>,
    pub(super) names: HashMap<LogName, LogId, RandomState>,
    pub(super) light: VecDeque<LogId>,
    pub(super) behind: VecDeque<LogId>,
    pub(super) heavy: VecDeque<LogId>,
    /// The log that is made anew now, and those whose turn comes.
    pub(super) rebuilding: Option<LogId>,
    pub(super) rebuilds: VecDeque<LogId>,
    pub(super) lately_bytes: usize,
    pub(super) cached: usize,
    pub(super) last_view: ViewId,
    pub(super) slices: u64,
    pub(super) passed_over: u64,
    pub(super) closing: bool,
    /// Why nothing becomes visible any more.
    pub(super) stopped: bool,
}

impl Work {
    pub(super) fn new(last_view: ViewId) -> Self {
        Self {
            logs: HashMap::default(),
            names: HashMap::default(),
            light: VecDeque::new(),
            behind: VecDeque::new(),
            heavy: VecDeque::new(),
            rebuilding: None,
            rebuilds: VecDeque::new(),
            lately_bytes: 0,
            cached: 0,
            last_view,
            slices: 0,
            passed_over: 0,
            closing: false,
            stopped: false,
        }
    }

    /// The generation of a log of which nothing is made yet.
    pub(super) fn nothing(&mut self) -> Generation {
        self.last_view = ViewId(self.last_view.0.saturating_add(1));
        Generation {
            view: self.last_view,
            mark: Mark::default(),
        }
    }

    pub(super) fn begin(
        &mut self,
        log: LogId,
        name: &LogName,
        (made, next): (Generation, Option<Generation>),
        most: usize,
    ) {
        let maker = |generation, place| Maker::new(log, name.clone(), generation, place);
        let makers = Makers {
            current: maker(made, Place::Current),
            next: next.map(|next| maker(next, Place::Next)),
        };
        self.names.insert(name.clone(), log);
        let entry = Entry {
            name: name.clone(),
            size: TreeSize(0),
            opened: TreeSize(0),
            dropped: TreeSize(0),
            made,
            next,
            is_whole: true,
            makers: Some(makers),
            broken: None,
            mended: false,
            lately: VecDeque::new(),
            lately_bytes: 0,
            waiting: VecDeque::new(),
            understand: VecDeque::new(),
            rebuild: Vec::new(),
            wants_rebuild: false,
            is_rebuilt_next: false,
            pace: Pace::new(most),
            next_pace: Pace::new(most),
            queued: None,
            used: 0,
            cached: 0,
        };
        self.logs.insert(log, entry);
    }

    /// Puts a log into the lane of what is to be done for it. A place that it has in another stays behind, and is passed
    /// over.
    pub(super) fn enqueue(&mut self, log: LogId) {
        let may_rebuild = self.may_rebuild(log);
        let Some(entry) = self.logs.get_mut(&log) else { return };
        if entry.makers.is_none() {
            return;
        }
        let Some(task) = entry.task(may_rebuild) else { return };
        let lane = entry.lane(task);
        if entry.queued == Some(lane) {
            return;
        }
        entry.queued = Some(lane);
        self.lane(lane).push_back(log);
    }

    pub(super) fn may_rebuild(&mut self, log: LogId) -> bool {
        if self.rebuilding.is_none() && self.rebuilds.front() == Some(&log) {
            self.rebuilds.pop_front();
            self.rebuilding = Some(log);
        }
        self.rebuilding == Some(log)
    }

    pub(super) fn want_rebuild(&mut self, log: LogId) {
        if let Some(entry) = self.logs.get_mut(&log)
            && !entry.wants_rebuild
        {
            entry.wants_rebuild = true;
            self.rebuilds.push_back(log);
        }
        self.enqueue(log);
    }

    /// The next slices of a lane, of several logs.
    pub(super) fn jobs(&mut self, lane: Lane, most_records: usize) -> Vec<Job> {
        let (mut jobs, mut records) = (Vec::new(), 0);
        while jobs.len() < TOGETHER && records < most_records {
            let Some(job) = self.next_job(lane) else { break };
            records += job.lately.len().max(1);
            jobs.push(job);
        }
        let crowded = jobs.len() > 1 || lane == Lane::Behind || !self.lane(lane).is_empty();
        jobs.iter_mut().for_each(|job| job.crowded = crowded);
        jobs
    }

    pub(super) fn lane(&mut self, lane: Lane) -> &mut VecDeque<LogId> {
        match lane {
            Lane::Light => &mut self.light,
            Lane::Behind => &mut self.behind,
            Lane::Heavy => &mut self.heavy,
        }
    }

    pub(super) fn next_job(&mut self, lane: Lane) -> Option<Job> {
        loop {
            let log = self.lane(lane).pop_front()?;
            let may_rebuild = self.may_rebuild(log);
            let Some(entry) = self.logs.get_mut(&log) else { continue };
            if entry.queued != Some(lane) {
                continue;
            }
            entry.queued = None;
            let Some(task) = entry.task(may_rebuild) else { continue };
            let Some(makers) = entry.makers.take() else { continue };
            let pace = if task == Task::Rebuild {
                entry.next_pace
            } else {
                entry.pace
            };
            let (lately, bytes) = match task {
                Task::Follow => entry.hand_out(pace.records),
                _ => (Vec::new(), 0),
            };
            self.lately_bytes = self.lately_bytes.saturating_sub(bytes);
            return Some(Job {
                log,
                makers,
                task,
                lane,
                lately,
                size: entry.size,
                opened: entry.opened,
                is_whole: entry.is_whole,
                is_broken: entry.broken.is_some(),
                records: pace.records,
                crowded: false,
                done: Done::default(),
            });
        }
    }

    pub(super) fn finish(&mut self, job: Job, clock: &Clock, most: usize) {
        let Job {
            log,
            makers,
            task,
            lately,
            done,
            ..
        } = job;
        self.slices += 1;
        let used = self.slices;
        self.passed_over += u64::from(done.passed_over);
        let Some(entry) = self.logs.get_mut(&log) else { return };
        entry.used = used;
        entry.made = makers.current.generation();
        entry.next = makers.next.as_ref().map(Maker::generation);
        self.lately_bytes = (self.lately_bytes + entry.take_back(lately)).saturating_sub(entry.let_go());
        let cached = makers.current.cache_bytes() + makers.next.as_ref().map_or(0, Maker::cache_bytes);
        self.cached = (self.cached + cached).saturating_sub(std::mem::replace(&mut entry.cached, cached));
        entry.makers = Some(makers);
        let pace = if task == Task::Rebuild {
            &mut entry.next_pace
        } else {
            &mut entry.pace
        };
        if done.offered > 0 {
            pace.after(done.taken, done.offered, done.took, most);
        }
        if let Some(found) = done.found {
            entry.is_whole = true;
            entry.understand.extend(found);
            // What had been understood before is in the rows again.
            clock.end_late(log);
        }
        if done.understood {
            entry.understand.pop_front();
        }
        if let Task::Understand(_) = task {
            clock.end_late(log);
        }
        let mend = done.broken.is_some() && !entry.mended;
        if let Some(reason) = done.broken {
            entry.broken = Some((LeafIndex(entry.made.mark.size.0), reason));
            entry.mended = true;
        }
        if let Some(rebuilt) = done.rebuilt {
            entry.wants_rebuild = false;
            if rebuilt.is_ok() {
                entry.broken = None;
            }
            for asked in entry.rebuild.drain(..) {
                // Who no longer waits needs no answer.
                let _ = asked.send(rebuilt.clone());
            }
            self.rebuilding = None;
        }
        if entry.behind() == 0 {
            clock.set_behind(log, None);
        } else if let Some(since) = entry.behind_since() {
            clock.set_behind(log, Some(since));
        }
        entry.is_rebuilt_next = task == Task::Follow;
        entry.tell();
        if mend {
            self.want_rebuild(log);
        }
        self.enqueue(log);
        if self.rebuilding.is_none()
            && let Some(next) = self.rebuilds.front().copied()
        {
            self.enqueue(next);
        }
    }

    /// Drops what is held of the logs that have most of it, until so much is left.
    pub(super) fn drop_lately(&mut self, until: usize) {
        let held = self.logs.iter().filter(|(_, entry)| entry.lately_bytes > 0);
        let mut held: Vec<_> = held.map(|(log, entry)| (entry.lately_bytes, *log)).collect();
        held.sort_unstable();
        for (_, log) in held.into_iter().rev() {
            if self.lately_bytes <= until {
                break;
            }
            let dropped = self.logs.get_mut(&log).map_or(0, Entry::drop_lately);
            self.lately_bytes = self.lately_bytes.saturating_sub(dropped);
        }
    }

    /// Forgets what is remembered of the logs that were worked at least lately, until so much is left.
    pub(super) fn drop_caches(&mut self, until: usize) {
        let mut idle: Vec<_> = self
            .logs
            .iter()
            .filter(|(_, entry)| entry.cached > 0 && entry.makers.is_some())
            .map(|(log, entry)| (entry.used, *log))
            .collect();
        idle.sort_unstable();
        for (_, log) in idle {
            if self.cached <= until {
                break;
            }
            let Some(entry) = self.logs.get_mut(&log) else { continue };
            if let Some(makers) = &mut entry.makers {
                makers.current.drop_caches();
                makers.next.iter_mut().for_each(Maker::drop_caches);
                self.cached = self.cached.saturating_sub(std::mem::take(&mut entry.cached));
            }
        }
    }

    pub(super) fn tell_all(&mut self) {
        for entry in self.logs.values_mut() {
            for (size, waiter) in entry.waiting.drain(..) {
                waiter.told(size <= entry.made.mark.size);
            }
        }
    }

    pub(super) fn owes_answers(&self) -> bool {
        let mut waiting = self.logs.values().flat_map(|entry| &entry.waiting);
        waiting.any(|(_, waiter)| waiter.is_awaited())
    }
}
