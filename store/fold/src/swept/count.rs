//! The sweep itself: the moments of all instances, and those of the partials, in the order of time.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::instance::{InstanceHistory, Moment};
use super::tally::{Tally, Track};
use super::{Micros, Partial, VersionId};

/// What an instance adds to the counts just now.
#[derive(Clone, Debug, Default)]
struct Share {
    live: bool,
    version: Option<VersionId>,
    /// The open partials it is in.
    within: Vec<usize>,
}

/// The state of a sweep.
pub(super) struct Sweep<'a> {
    instances: &'a [InstanceHistory],
    partials: &'a [Partial],
    /// Per instance, its moment and what it adds to the counts.
    now: Vec<(Option<&'a Moment>, Option<Share>)>,
    /// All members; those in no open partial; per partial those in it while it is open.
    all: Tally,
    outside: Tally,
    within: Vec<Tally>,
    main: Track,
    tracks: Vec<Track>,
    touched: HashSet<Option<VersionId>, RandomState>,
}

/// Something that happens at a moment.
#[derive(Clone, Copy)]
enum Happens {
    /// An instance enters the moment at this place of its history.
    Instance(usize, usize),
    /// A partial opens or closes.
    Partial,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(instances: &'a [InstanceHistory], partials: &'a [Partial], versions: usize) -> Self {
        Self {
            instances,
            partials,
            now: vec![(None, None); instances.len()],
            all: Tally::default(),
            outside: Tally::default(),
            within: partials.iter().map(|_| Tally::default()).collect(),
            main: Track::new(versions),
            tracks: partials.iter().map(|_| Track::new(versions)).collect(),
            touched: HashSet::default(),
        }
    }

    /// Sweeps over everything and returns the counts of E10, and those within each partial.
    pub(super) fn run(mut self) -> (Track, Vec<Track>) {
        let mut happenings: Vec<(Micros, Happens)> = Vec::new();
        for (who, history) in self.instances.iter().enumerate() {
            let moments = history.moments.iter().enumerate();
            happenings.extend(moments.map(|(place, moment)| (moment.at, Happens::Instance(who, place))));
        }
        for partial in self.partials {
            happenings.extend([(partial.from, Happens::Partial), (partial.until, Happens::Partial)]);
        }
        happenings.sort_by_key(|(at, _)| *at);
        let mut apart = false;
        for together in happenings.chunk_by(|one, other| one.0 == other.0) {
            let Some((at, _)) = together.first() else { continue };
            let boundary = together.iter().any(|(_, happens)| matches!(happens, Happens::Partial));
            for (_, happens) in together {
                if let Happens::Instance(who, place) = happens {
                    self.enter(*who, *place, *at);
                }
            }
            if boundary {
                (0..self.instances.len()).for_each(|who| self.count(who, *at));
            }
            apart = self.record(*at, apart);
        }
        (self.main, self.tracks)
    }

    fn enter(&mut self, who: usize, place: usize, at: Micros) {
        let moment = self.instances.get(who).and_then(|history| history.moments.get(place));
        if let Some((now, _)) = self.now.get_mut(who) {
            *now = moment;
        }
        self.count(who, at);
    }

    /// Takes what the instance added out of the counts, and puts in what it adds at `at`.
    fn count(&mut self, who: usize, at: Micros) {
        let Some((moment, share)) = self.now.get_mut(who) else {
            return;
        };
        let before = share.take();
        if let Some(moment) = moment
            && let Some(live) = moment.live
        {
            let mut open = Vec::new();
            for (place, partial) in self.partials.iter().enumerate() {
                if partial.is_open(at) && partial.selects(moment.labels.as_deref()) {
                    open.push(place);
                }
            }
            *share = Some(Share {
                live,
                version: moment.version,
                within: open,
            });
        }
        let after = share.clone();
        if let Some(before) = before {
            self.apply(&before, Tally::remove);
        }
        if let Some(after) = after {
            self.apply(&after, Tally::add);
        }
    }

    fn apply(&mut self, share: &Share, how: fn(&mut Tally, bool, Option<VersionId>)) {
        self.touched.insert(share.version);
        how(&mut self.all, share.live, share.version);
        if share.within.is_empty() {
            how(&mut self.outside, share.live, share.version);
        }
        for place in &share.within {
            if let Some(tally) = self.within.get_mut(*place) {
                how(tally, share.live, share.version);
            }
        }
    }

    /// Reads the counts off, once everything of the instant is in. Returns whether all members are in partials, so that
    /// all of them count (E10).
    fn record(&mut self, at: Micros, before: bool) -> bool {
        let all_within = self.outside.is_empty();
        let tally = if all_within { &self.all } else { &self.outside };
        if all_within != before {
            // The set counted is another: every version's number may be.
            self.touched.extend(self.all.versions());
            self.touched.extend(self.outside.versions());
        }
        self.main.record(at, tally, self.touched.iter().copied());
        for (track, tally) in self.tracks.iter_mut().zip(&self.within) {
            track.record(at, tally, self.touched.iter().copied());
        }
        self.touched.clear();
        all_within
    }
}
