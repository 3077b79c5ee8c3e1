//! RFC 6962 Merkle trees, kept and read as C2SP tlog-tiles.
//!
//! A log is a list of leaves that only grows. Its root commits to every leaf and their order (RFC 6962 section 2.1), so
//! one signed root lets a reader check, with a few dozen hashes, that a leaf is in the log ([`verify_inclusion`]) and
//! that a later log still begins with an earlier one ([`verify_consistency`]). This package is that arithmetic.
//!
//! # The tree in tiles
//!
//! The hashes are kept in *tiles* ([C2SP tlog-tiles]): tile `n` of level `l` holds up to 256 consecutive hashes of
//! height `8 * l`, that is of complete subtrees with `256^l` leaves. All heights between are recomputed from a tile when
//! they are needed, and a hash enters a tile only once its subtree is complete: it never changes afterwards.
//!
//! ```text
//! level 1            tile 1/0:  [ 0   1   2 ]            one hash for each full tile below, so far 3
//!                                 |   |   |
//! level 0   tile 0/0 [256 leaf hashes] 0/1 [256] 0/2 [256] 0/3 [70]      size 838 = 3 * 256 + 70
//!                                                          ^^^^^^^^ partial: rewritten wider as the log grows
//! ```
//!
//! # The pieces
//!
//! - [`Tree`] is the right edge of a growing log, in memory: [`push`](Tree::push) leaf hashes, take the
//!   [`root`](Tree::root), and the tiles that changed, to be written together with the leaves.
//! - [`TileReader`] is what a caller implements over wherever tiles are kept. From it [`Tree::load`] resumes a log and
//!   [`root_at`], [`inclusion_proof`] and [`consistency_proof`] answer for any size that it once had.
//! - [`verify_inclusion`] and [`verify_consistency`] need no tiles and trust nobody.
//! - [`TilePath`] is the name of a tile in a tlog-tiles URL.
//!
//! # Invariants it serves
//!
//! Append-only (A1): nothing here changes a hash of a complete subtree; tiles only widen. The root equals a
//! recomputation from the leaves (A3): property-tested against the recursive definitions of the RFC written literally.
//!
//! # What it is not
//!
//! No HTTP, no storage, no signatures, no checkpoint text, no clock, no threads; what is *in* a leaf is its caller's
//! matter. It depends on SHA-256 alone and builds for `wasm32-unknown-unknown`, so that a reader's browser can verify
//! with the same code. A tile is believed as read: whoever does not trust the tiles compares the root that they yield
//! with a signed one.
//!
//! [C2SP tlog-tiles]: https://c2sp.org/tlog-tiles

mod hash;
mod path;
mod position;
mod prove;
mod read;
mod tile;
mod tree;
mod verify;

pub use hash::{Hash, HashError, empty_root, leaf_hash, node_hash};
pub use path::{PathError, TilePath};
pub use position::{LeafIndex, TreeSize};
pub use prove::{consistency_proof, inclusion_proof, root_at};
pub use read::{TileReader, TreeError};
pub use tile::{Tile, TileError, TileId};
pub use tree::Tree;
pub use verify::{VerifyError, verify_consistency, verify_inclusion};
