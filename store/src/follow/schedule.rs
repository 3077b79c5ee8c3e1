//! Who has work, and who does it next.
//!
//! One lock over all of it, held for moments: the committer pushes what it committed, workers take slices and give them
//! back, questions ask how far a log is.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{oneshot, watch};
use verdict_merkle::TreeSize;
use verdict_schemas::SchemaRef;

use super::entry::{Entry, Lane};
use super::job::Job;
use super::standing::{Followers, Standing, State};
use super::waiter::Waiter;
use super::work::Work;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::log::state::LogState;
use crate::names::{LogId, LogName};
use crate::options::Options;
use crate::record::Sequenced;
use crate::views::ViewId;
use crate::views::mark::Generation;

/// A sender who waits, and to see how much of which logs.
pub(crate) type Awaited = (Arc<Waiter>, Vec<(LogId, TreeSize)>);

/// Followers of all logs.
pub(crate) struct Schedule {
    state: Mutex<Work>,
    /// There is work, or no more will come.
    work: Condvar,
    /// Ticks whenever something became visible, or will not.
    rounds: watch::Sender<u64>,
    most_records: usize,
    most_lately: usize,
    most_cached: usize,
}

impl Schedule {
    pub(crate) fn new(options: &Options, last_view: ViewId) -> Self {
        let memory = usize::try_from(options.memory_bytes).unwrap_or(usize::MAX);
        Self {
            state: Mutex::new(Work::new(last_view)),
            work: Condvar::new(),
            rounds: watch::Sender::new(0),
            most_records: options.max_batch_events,
            most_lately: memory / 32,
            most_cached: memory / 16,
        }
    }

    /// Takes a log in that was there when the store was opened.
    /// The rows of its first so many records were dropped once.
    pub(crate) fn enter(
        &self,
        log: &LogState,
        (current, next): (Option<Generation>, Option<Generation>),
        dropped: TreeSize,
    ) {
        let mut work = self.state.lock();
        let made = current.unwrap_or_else(|| work.nothing());
        let wants_rebuild = next.is_some();
        work.begin(log.id, &log.name, (made, next), self.most_records);
        if let Some(entry) = work.logs.get_mut(&log.id) {
            (entry.size, entry.opened) = (log.size, log.size);
            entry.dropped = dropped;
            entry.is_whole = false;
            entry.wants_rebuild = wants_rebuild;
        }
        if wants_rebuild {
            work.rebuilds.push_back(log.id);
        }
        work.enqueue(log.id);
    }

    /// Takes in what was committed, sorted by log and index, and who waits to see how much of which logs.
    pub(crate) fn push(&self, records: Vec<Sequenced>, waiting: Vec<Awaited>, clock: &Clock) {
        let mut work = self.state.lock();
        let mut grown: Vec<LogId> = Vec::new();
        let mut records = records.into_iter().peekable();
        while let Some(Sequenced { log, name, record }) = records.next() {
            if !work.logs.contains_key(&log) {
                let nothing = work.nothing();
                work.begin(log, &name, (nothing, None), self.most_records);
            }
            let Work { logs, lately_bytes, .. } = &mut *work;
            let Some(entry) = logs.get_mut(&log) else { continue };
            grown.push(log);
            // What was behind before has the earlier time.
            if entry.behind() == 0 {
                clock.set_behind(log, Some(record.recorded_time));
            }
            *lately_bytes += entry.take_in(record);
            while let Some(next) = records.next_if(|next| next.log == log) {
                *lately_bytes += entry.take_in(next.record);
            }
        }
        // What of each log is behind is said: from here on no other log is held up.
        clock.committed();
        if work.lately_bytes > self.most_lately {
            work.drop_lately(self.most_lately / 2);
        }
        for (waiter, heads) in waiting {
            for (log, size) in heads {
                match work.logs.get_mut(&log) {
                    Some(entry) => {
                        entry.wait(size, Arc::clone(&waiter));
                    }
                    // A log without records: nothing is to be seen of it.
                    None => waiter.told(true),
                }
            }
        }
        if work.stopped {
            work.tell_all();
        }
        for log in grown {
            work.enqueue(log);
        }
        drop(work);
        self.work.notify_all();
    }

    /// The next slices for a worker, of several logs where they are light; blocks while there is nothing to do. `None`:
    /// there will be nothing more.
    pub(crate) fn take(&self, heavy_too: bool) -> Option<Vec<Job>> {
        let mut work = self.state.lock();
        loop {
            if work.stopped || (work.closing && !work.owes_answers()) {
                return None;
            }
            if heavy_too && let Some(job) = work.next_job(Lane::Heavy) {
                return Some(vec![job]);
            }
            for lane in [Lane::Light, Lane::Behind] {
                let jobs = work.jobs(lane, self.most_records);
                if !jobs.is_empty() {
                    return Some(jobs);
                }
            }
            self.work.wait(&mut work);
        }
    }

    /// Gives slices back, after their rows were written, or untouched.
    pub(crate) fn finish(&self, jobs: Vec<Job>, clock: &Clock) {
        let mut work = self.state.lock();
        for job in jobs {
            work.finish(job, clock, self.most_records);
        }
        if work.lately_bytes > self.most_lately {
            work.drop_lately(self.most_lately / 2);
        }
        if work.cached > self.most_cached {
            work.drop_caches(self.most_cached / 2);
        }
        drop(work);
        self.work.notify_all();
        self.rounds.send_modify(|rounds| *rounds += 1);
    }

    /// A number for a second generation, or one in place of another.
    pub(crate) fn new_view(&self) -> Result<ViewId, StoreError> {
        let mut work = self.state.lock();
        let next = work.last_view.0.checked_add(1);
        let next = next.ok_or_else(|| StoreError::Views("there are no numbers of generations left".to_owned()))?;
        work.last_view = ViewId(next);
        Ok(ViewId(next))
    }

    /// Records of these logs may wait for a schema that is known now; `None`: of any log.
    pub(crate) fn understand(&self, logs: Option<Vec<LogId>>, reference: &SchemaRef) {
        let mut work = self.state.lock();
        let logs = logs.unwrap_or_else(|| work.logs.keys().copied().collect());
        for log in logs {
            let Some(entry) = work.logs.get_mut(&log) else { continue };
            if !entry.understand.contains(reference) {
                entry.understand.push_back(*reference);
            }
            work.enqueue(log);
        }
        drop(work);
        self.work.notify_all();
    }

    /// Asks for the rows of these logs to be made anew. One that is being made anew already is made once.
    pub(crate) fn rebuild(&self, logs: &[LogName]) -> Vec<oneshot::Receiver<Result<(), StoreError>>> {
        let mut work = self.state.lock();
        let mut asked = Vec::new();
        for name in logs {
            let Some(log) = work.names.get(name).copied() else {
                continue;
            };
            let (done, rebuilt) = oneshot::channel();
            asked.push(rebuilt);
            let Some(entry) = work.logs.get_mut(&log) else { continue };
            entry.rebuild.push(done);
            work.want_rebuild(log);
        }
        drop(work);
        self.work.notify_all();
        asked
    }

    /// Records of all logs.
    pub(crate) fn records(&self) -> u64 {
        self.state.lock().logs.values().map(|entry| entry.size.0).sum()
    }

    /// All logs, by name.
    pub(crate) fn names(&self) -> Vec<LogName> {
        let mut names: Vec<LogName> = self.state.lock().names.keys().cloned().collect();
        names.sort();
        names
    }

    /// The number of a log, if there is one of that name.
    pub(crate) fn log(&self, name: &LogName) -> Option<LogId> {
        self.state.lock().names.get(name).copied()
    }

    /// The generation of rows of a log that questions read, and of how many records it is made.
    pub(crate) fn made(&self, log: LogId) -> (ViewId, TreeSize) {
        let work = self.state.lock();
        let entry = work.logs.get(&log);
        entry.map_or((ViewId::NONE, TreeSize(0)), |entry| {
            (entry.view(), entry.made.mark.size)
        })
    }

    /// Where the followers of a log stand; `None` for a log that there is not.
    pub(crate) fn standing(&self, name: &LogName) -> Option<Standing> {
        let work = self.state.lock();
        let log = work.names.get(name)?;
        work.logs.get(log).map(Entry::standing)
    }

    /// Where those of all logs stand, in numbers.
    pub(crate) fn followers(&self) -> Followers {
        let work = self.state.lock();
        let mut all = Followers {
            passed_over: work.passed_over,
            ..Followers::default()
        };
        for entry in work.logs.values() {
            let standing = entry.standing();
            match standing.state {
                State::Following => all.following += 1,
                State::Rebuilding { .. } => all.rebuilding += 1,
                State::Broken { .. } => all.broken += 1,
            }
            all.behind += entry.behind();
            all.unanswered += u64::from(!standing.is_whole);
        }
        all
    }

    /// Ticks whenever something became visible.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.rounds.subscribe()
    }

    /// Waits until the rows of a log are made up to `size`, or, of 0, of all that it held when the store was opened; `false` if
    /// they are not within `timeout`, or will not be for now.
    pub(crate) async fn wait(&self, log: &LogName, size: TreeSize, timeout: Duration) -> bool {
        let mut rounds = self.subscribe();
        let seen = async {
            // Subscribed before the first look, so that nothing published in between is missed.
            loop {
                match self.standing(log) {
                    None if size.0 == 0 => return true,
                    Some(standing) if size.0 > 0 && standing.made >= size => return true,
                    Some(standing) if size.0 == 0 && standing.is_caught_up => return true,
                    Some(Standing {
                        state: State::Broken { .. },
                        ..
                    }) => return false,
                    _ => {}
                }
                if rounds.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(timeout, seen).await.unwrap_or(false)
    }

    /// Nothing becomes visible any more: whoever waits is told.
    pub(crate) fn stop(&self) {
        let mut work = self.state.lock();
        work.stopped = true;
        work.tell_all();
        drop(work);
        self.work.notify_all();
        self.rounds.send_modify(|rounds| *rounds += 1);
    }

    /// Nothing more is committed: workers end once nobody waits for them.
    pub(crate) fn close(&self) {
        self.state.lock().closing = true;
        self.work.notify_all();
    }
}
