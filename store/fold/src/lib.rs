//! What was in effect: the pure fold from facts to versions, states and certainty. No IO, no clock, no configuration:
//! an answer is a function of the cut and the moment asked about (A6).
//!
//! How an answer comes about:
//! 1. [`Observation`]s and [`Intent`]s are what the rules read of an event, with the time at which each acts (E5).
//! 2. [`IntentLog`] holds the intent of a log for every cut; [`Desired`] makes of it what is desired of one series over
//!    time: the stack and its top (E11), the partials (E19), what is admissible (E20).
//! 3. A [`SeriesHistory`] says what was observed of one series at one cut: [`SweptSeries`] from all its facts, or rows
//!    kept of it.
//! 4. The two are joined into one timeline, which [`effective`] reads at a point, [`history`] over a range and
//!    [`compare`] at two points. They reach the cut through [`Evidence`].
//!
//! The rules are cited by their numbers, E1 to E26.

mod answer;
mod desired;
mod effective;
mod evidence;
mod exceptions;
mod fact;
mod history;
mod intent;
mod intent_log;
mod need;
mod records;
mod rollout;
pub mod rows;
pub mod scope_json;
mod series;
mod set_digest;
mod swept;
mod timeline;

pub use answer::*;
pub use desired::{Desired, OpenPartial, StandingRollout, TopRun};
pub use effective::effective;
pub use evidence::{Evidence, Question};
pub use exceptions::exceptions;
pub use fact::*;
pub use history::{compare, history};
pub use intent::{Excepted, Held, Intended, Intent, ObjectVersion, Published, Started, intent};
pub use intent_log::{IntentCut, IntentLog};
pub use need::need;
pub use rollout::{CurvePoint, Lag, RolloutState, RolloutStatus, Straggler, rollout_status};
pub use series::{Member, SeriesHistory, VersionRun};
pub use set_digest::set_digest;
pub use swept::{Counted, SweptSeries};
