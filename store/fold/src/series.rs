//! The seam between what was observed and what is made of it: one series at one cut.
//!
//! Two implementations stand behind it, held equal by property tests: the sweep over all facts in memory
//! (`SweptSeries`), which is linear and knows about open partials (E10), and the rows kept per environment
//! (`rows`), which answer in O(log n) for a series in which no partial was ever open.

use std::sync::Arc;

use verdict_schemas::{Labels, Quorum, Timestamp, Version};

use crate::{Instance, RecordRef};

/// A member at a moment (E9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Who.
    pub instance: Instance,
    /// Live, else silent (E8).
    pub live: bool,
    /// The version it last ran; `None` for nothing (`removed`, or only ever `failed`).
    pub version: Option<Version>,
    /// The observation that gave it that version (an `applied`, a `removed` or a citation); `None` if it only failed.
    pub gave: Option<RecordRef>,
    /// The labels of its latest `agent_seen` at or before the moment; `None` if there was none (E19).
    pub labels: Option<Arc<Labels>>,
}

/// A run of the last holder (E13, E14): from the instant it became the holder to the first instant another did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionRun {
    /// What a majority runs; `None` for nothing.
    pub version: Option<Version>,
    /// When it became so.
    pub since: Timestamp,
    /// The first later instant at which the last holder is another, no later than the cut's `known_at`; else `None`.
    pub until: Option<Timestamp>,
}

/// One series of one tenant and environment at one cut: only records of the cut are seen. Where `known_at` bounds a
/// search it is that of the question (E16).
pub trait SeriesHistory {
    /// What reading can fail with.
    type Error;

    /// Whether its holders are kept as steps of time. If not, only [`Self::members`], [`Self::first_observation`] and
    /// [`Self::last_exercised`] answer, and the facts have to be swept for the rest.
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    fn has_steps(&self) -> Result<bool, Self::Error> {
        Ok(true)
    }

    /// f of the first observation in the cut (E9: an entry of `active[]`, `failed` too, or a counted citation).
    ///
    /// # Errors
    /// When the rows can not be read.
    fn first_observation(&self) -> Result<Option<Timestamp>, Self::Error>;

    /// The members at `t`, those in open partials too, sorted by bytes of (agent, incarnation).
    ///
    /// # Errors
    /// When the rows can not be read.
    fn members(&self, t: Timestamp) -> Result<Vec<Member>, Self::Error>;

    /// Is there a holder at exactly `t` (E13)? `Some(version)` if so.
    ///
    /// # Errors
    /// When the rows can not be read.
    fn holder(&self, t: Timestamp) -> Result<Option<Option<Version>>, Self::Error>;

    /// The run of the last holder that `t` lies in (E14): `None` if no instant up to `t` had one. `until` is searched
    /// in `(t, known_at]`.
    ///
    /// # Errors
    /// When the rows can not be read.
    fn version_run(&self, t: Timestamp, known_at: Timestamp) -> Result<Option<VersionRun>, Self::Error>;

    /// Every run of the last holder that begins at or before `known_at` and ends after `from`, oldest first.
    ///
    /// # Errors
    /// When the rows can not be read.
    fn version_runs(&self, from: Timestamp, known_at: Timestamp) -> Result<Vec<VersionRun>, Self::Error>;

    /// The first instant in `[from, to]` at which `quorum` of `version` holds, over the members of E10 (E12).
    ///
    /// # Errors
    /// When the rows can not be read.
    fn quorum_since(
        &self,
        version: &Version,
        quorum: Quorum,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Timestamp>, Self::Error>;

    /// The greatest f at or before `t` of a decision, counted or not, that cites this series and version (E17).
    ///
    /// # Errors
    /// When the rows can not be read.
    fn last_exercised(&self, version: &Version, t: Timestamp) -> Result<Option<Timestamp>, Self::Error>;
}
