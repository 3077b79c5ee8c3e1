//! What is said of followers.

use serde::Serialize;
use verdict_merkle::{LeafIndex, TreeSize};

/// What the views of a log are at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// They are made as records come.
    Following,
    /// A generation of them is being made, from this index on. If it is the only one there is, nothing is answered before
    /// it is made; else questions go on to read the one before.
    Rebuilding {
        /// The number of the generation.
        generation: u32,
        /// The index that is made next.
        from: u64,
    },
    /// They can not be made from this index on. The log goes on to take records.
    Broken {
        /// The first index that is missing in them.
        index: u64,
        /// Why.
        reason: String,
    },
}

/// Where the views of a log stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What they are at.
    pub state: State,
    /// How many records the log has.
    pub size: TreeSize,
    /// Of how many of them they are made.
    pub made: TreeSize,
    /// Is there more than what rows of another version held? Before that they are half of what was there, and what holds now
    /// is not answered from them. (Views that lag for another reason are answered from, up to where they are.)
    pub is_whole: bool,
    /// Are they made of all that the log held when the store was opened?
    pub is_caught_up: bool,
}

impl Standing {
    /// The first record that is not visible.
    pub fn next(&self) -> LeafIndex {
        self.made.next_index()
    }
}

/// Where the views of all logs stand, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followers {
    /// Logs whose views are [`State::Following`].
    pub following: u64,
    /// Logs whose views are [`State::Rebuilding`].
    pub rebuilding: u64,
    /// Logs whose views are [`State::Broken`].
    pub broken: u64,
    /// Records that are durable and not visible yet, of all logs.
    pub behind: u64,
    /// Logs of which nothing is answered yet: see [`Standing::is_whole`].
    pub unanswered: u64,
    /// Records that were passed over, since the store was opened.
    pub passed_over: u64,
}
