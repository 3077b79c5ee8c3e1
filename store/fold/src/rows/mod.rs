//! What was observed, kept as rows: answers at any moment and any cut in O(log n + members observed then), however many
//! observations there are (SEMANTICS, "Cost").
//!
//! [`EnvironmentRows`] takes the observations of one tenant and environment in the order of steps and puts rows into an ordered
//! space of keys ([`OrderedRows`]); [`Cut`] answers from them, while the writer goes on, for any prefix of the log. What
//! is kept, in the order in which it is made:
//!
//! 1. Names as numbers (`names`), and every observation as it came (`fact_row`).
//! 2. Per instance when it was seen (`presence`) and what it was seen to do (`instance`), and marks of who was around when (`mark`).
//! 3. Per series the tallies, the holder and the last holder as step functions of time (`tally`, `holder`), up to the
//!    *frontier*, the greatest f of the cut. What expires after it is not written down, for the next fact may prevent
//!    it: a question past the frontier counts down from the members there, once the first of
//!    their leases has run out.
//!
//! A late fact, one behind the frontier, changes its instance's seat on an interval, or not at all; only then are
//! tallies and holders corrected, and only there (`apply`). Step functions keep every state of knowledge: rows are put,
//! never changed, each with the number of steps from which it holds (`track`). So an answer is a function of the cut
//! (A6), a concurrent reader needs no lock, and rebuilt rows equal the kept ones: nothing put depends on what the writer
//! happened to remember (`frontier`).
//!
//! Open partials (E10, E19) are not known here: all members count. Where one is open the sweep answers, from
//! [`Cut::facts`], and so it does for a series whose steps would be too many to correct (`given_up`).

mod admit;
mod apply;
mod around;
mod bound;
mod fact_row;
mod frontier;
mod given_up;
mod holder;
mod instance;
mod key;
mod mark;
mod minutes;
mod names;
mod presence;
mod present;
mod read;
mod scope;
mod series;
mod space;
mod tail;
mod tally;
mod track;
mod track_edit;
mod write;

pub use admit::Beyond;
pub use read::Cut;
pub use scope::{ScopeRef, put_scope, read_scope};
pub use series::RowSeries;
pub use space::{Corrupt, CountedRows, Direction, MemoryRows, OrderedRows, OrderedRowsMut, RowsError, Visit};
pub use write::{Bounds, CitationRef, EnvironmentRows, Taken};
