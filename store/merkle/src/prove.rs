//! Roots and proofs of any size that a log once had, from its tiles: RFC 6962 sections 2.1 to 2.1.2.
//!
//! The recursions are those of the RFC, over ranges of leaf positions in place of lists of leaves. They are at most 64
//! deep, and read two tiles a level at most (see `read.rs`).

use crate::read::{TileReader, Tiles, TreeError, split};
use crate::{Hash, LeafIndex, TreeSize};

/// The root of the tree over the first `size` leaves: `MTH(D[size])` (RFC 6962 section 2.1).
///
/// # Errors
/// [`TreeError::Read`], [`TreeError::Missing`] or [`TreeError::Narrow`] when the tiles do not hold that tree.
pub fn root_at<R: TileReader + ?Sized>(size: TreeSize, reader: &R) -> Result<Hash, TreeError<R::Error>> {
    match size.0 {
        0 => Ok(Hash::EMPTY_ROOT),
        leaves => Tiles::new(reader).range_hash(0, leaves),
    }
}

/// The proof that the leaf at `index` is in the tree of `size` leaves, siblings from the leaf up:
/// `PATH(index, D[size])` (RFC 6962 section 2.1.1).
///
/// # Errors
/// [`TreeError::IndexOutOfRange`] when the tree has no such leaf; else as [`root_at`].
pub fn inclusion_proof<R: TileReader + ?Sized>(
    index: LeafIndex,
    size: TreeSize,
    reader: &R,
) -> Result<Vec<Hash>, TreeError<R::Error>> {
    if !size.contains(index) {
        return Err(TreeError::IndexOutOfRange { index, size });
    }
    let mut proof = Vec::new();
    path(&mut Tiles::new(reader), index.0, 0, size.0, &mut proof)?;
    Ok(proof)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves: `PROOF(old, D[new])`
/// (RFC 6962 section 2.1.2).
///
/// It is empty for equal sizes, and for `old` 0, where the RFC defines none and the tlog-witness protocol sends none:
/// every tree begins with the empty one. [`verify_consistency`](crate::verify_consistency) refuses size 0, as it would
/// prove nothing.
///
/// # Errors
/// [`TreeError::SizesOutOfOrder`] when `old` is above `new`; else as [`root_at`].
pub fn consistency_proof<R: TileReader + ?Sized>(
    old: TreeSize,
    new: TreeSize,
    reader: &R,
) -> Result<Vec<Hash>, TreeError<R::Error>> {
    if old > new {
        return Err(TreeError::SizesOutOfOrder { old, new });
    }
    let mut proof = Vec::new();
    if old.0 > 0 {
        subproof(&mut Tiles::new(reader), old.0, 0, new.0, true, &mut proof)?;
    }
    Ok(proof)
}

/// `PATH(index, D[start:end])`, `index` counted from leaf 0.
fn path<R: TileReader + ?Sized>(
    tiles: &mut Tiles<'_, R>,
    index: u64,
    start: u64,
    end: u64,
    proof: &mut Vec<Hash>,
) -> Result<(), TreeError<R::Error>> {
    if end - start == 1 {
        return Ok(());
    }
    let middle = start + split(end - start);
    if index < middle {
        path(tiles, index, start, middle, proof)?;
        proof.push(tiles.range_hash(middle, end)?);
    } else {
        path(tiles, index, middle, end, proof)?;
        proof.push(tiles.range_hash(start, middle)?);
    }
    Ok(())
}

/// `SUBPROOF(old, D[start:end], known)`, `old` counted from leaf 0; `known` says that the verifier has the hash of
/// `D[start:end]` already, as it is the old root.
fn subproof<R: TileReader + ?Sized>(
    tiles: &mut Tiles<'_, R>,
    old: u64,
    start: u64,
    end: u64,
    known: bool,
    proof: &mut Vec<Hash>,
) -> Result<(), TreeError<R::Error>> {
    if old == end {
        if !known {
            proof.push(tiles.range_hash(start, end)?);
        }
        return Ok(());
    }
    let middle = start + split(end - start);
    if old <= middle {
        subproof(tiles, old, start, middle, known, proof)?;
        proof.push(tiles.range_hash(middle, end)?);
    } else {
        subproof(tiles, old, middle, end, false, proof)?;
        proof.push(tiles.range_hash(start, middle)?);
    }
    Ok(())
}
