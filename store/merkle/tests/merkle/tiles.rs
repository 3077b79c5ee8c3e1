//! Tiles are those of the specification, only ever widen (A1), are written when they change, read when they are needed,
//! and hold all that a tree needs to go on.

use std::cell::{Cell, RefCell};

use verdict_merkle::{
    LeafIndex, Tile, TileId, TileReader, Tree, TreeError, TreeSize, consistency_proof, inclusion_proof, root_at,
};

use crate::fixture::{EVERY, LEAVES, REFERENCE, Stored, WIDE, cut, leaf, near_boundaries, size, tree_of};

/// Whatever batches the leaves come in, storing what was dirty after each leaves exactly the tiles of the tree.
#[test]
fn dirty_tiles_written_over_stored_ones_are_the_tree() {
    for batch in [1, 7, 255, 256, 257, 700] {
        let (mut tree, mut stored) = (Tree::new(), Stored::new());
        while tree.size() < size(2 * EVERY) {
            (0..batch).for_each(|_| _ = tree.push(leaf(tree.size().0 as usize)));
            let dirty = tree.dirty_tiles();
            assert_eq!(tree.take_dirty(), dirty);
            assert!(tree.dirty_tiles().is_empty(), "taken twice");
            for (id, tile) in dirty {
                let before = stored.insert(id, tile.clone());
                // A1: a tile only widens, and it was dirty because it did.
                if let Some(before) = before {
                    assert_eq!(tile.truncated(before.len()), Some(before.clone()));
                    assert!(tile.len() > before.len());
                }
            }
            assert_eq!(stored, cut(tree.size().0 as usize), "size {} by {batch}", tree.size());
        }
    }
}

/// The hash at a place of a tile is the `MTH` over the leaves that tlog-tiles says it covers.
#[test]
fn tiles_hold_the_hashes_of_the_specification() {
    let mut reference = REFERENCE.lock().unwrap();
    let mut seen = [0; 3];
    for (id, tile) in &*WIDE {
        assert_eq!(tile.len(), id.width_at(size(LEAVES)));
        let span = 256_usize.pow(u32::from(id.level));
        for (place, hash) in tile.hashes().enumerate() {
            let start = (id.n as usize * 256 + place) * span;
            assert_eq!(hash, reference.mth(start, start + span), "{} at {place}", id.path(256));
            seen[usize::from(id.level)] += 1;
        }
    }
    assert_eq!(seen, [LEAVES, LEAVES / 256, LEAVES / 65_536]);
}

#[test]
fn a_loaded_tree_of_any_size_goes_on_alike() {
    for start in (0..=EVERY)
        .step_by(37)
        .chain(near_boundaries())
        .chain([65_535, 65_536, 65_800])
    {
        let mut whole = tree_of(start);
        whole.take_dirty();
        let mut loaded = Tree::load(size(start), &*WIDE).unwrap();
        assert_eq!(Tree::load(size(start), &cut(start)).unwrap().root(), loaded.root());
        assert!(loaded.dirty_tiles().is_empty(), "loading changes nothing");
        for number in start..start + 300 {
            assert_eq!((loaded.size(), loaded.root()), (whole.size(), whole.root()));
            assert_eq!(loaded.push(leaf(number)), whole.push(leaf(number)));
        }
        assert_eq!(loaded.take_dirty(), whole.take_dirty(), "from {start}");
    }
}

/// A reader that counts, and fails when a tile is read twice for one question.
struct Counting {
    read: RefCell<Vec<TileId>>,
    most: Cell<usize>,
}

impl TileReader for Counting {
    type Error = String;

    fn tile(&self, id: TileId) -> Result<Option<Tile>, String> {
        if self.read.borrow().contains(&id) {
            return Err(format!("{id:?} is read twice"));
        }
        self.read.borrow_mut().push(id);
        self.most.set(self.most.get().max(self.read.borrow().len()));
        Ok(WIDE.get(&id).cloned())
    }
}

#[test]
fn a_question_reads_at_most_two_tiles_a_level() {
    let reader = Counting {
        read: RefCell::default(),
        most: Cell::default(),
    };
    for number in 0..2_000 {
        let (old, new) = (1 + number * 32, 1 + (number * 7919) % LEAVES);
        let ask = |question: &dyn Fn()| {
            reader.read.borrow_mut().clear();
            question();
            let read = reader.read.borrow();
            (0..3).for_each(|level| assert!(read.iter().filter(|id| id.level == level).count() <= 2, "{read:?}"));
        };
        ask(&|| _ = root_at(size(new), &reader).unwrap());
        ask(&|| _ = Tree::load(size(new), &reader).unwrap());
        ask(&|| _ = inclusion_proof(LeafIndex((old % new) as u64), size(new), &reader).unwrap());
        ask(&|| _ = consistency_proof(size(old.min(new)), size(new), &reader).unwrap());
    }
    assert!(reader.most.get() > 3, "the trees were too small to try this");
}

#[test]
fn what_the_tiles_do_not_hold_is_an_error() {
    let id = TileId { level: 0, n: 2 };
    let mut stored = cut(600);
    assert_eq!(
        root_at(size(601), &stored),
        Err(TreeError::Narrow {
            id,
            len: 88,
            needed: 89
        })
    );
    assert_eq!(
        Tree::load(size(601), &stored).unwrap_err(),
        TreeError::Narrow {
            id,
            len: 88,
            needed: 89
        }
    );
    stored.remove(&id);
    assert_eq!(
        inclusion_proof(LeafIndex(3), size(600), &stored),
        Err(TreeError::Missing { id })
    );
    assert_eq!(
        consistency_proof(size(3), size(600), &stored),
        Err(TreeError::Missing { id })
    );
    assert_eq!(Tree::load(size(600), &stored).unwrap_err(), TreeError::Missing { id });
    assert!(
        Tree::load(size(512), &stored).is_ok(),
        "the missing tile is past that size"
    );

    struct Broken;
    impl TileReader for Broken {
        type Error = &'static str;
        fn tile(&self, _: TileId) -> Result<Option<Tile>, &'static str> {
            Err("disk on fire")
        }
    }
    let id = TileId { level: 0, n: 0 };
    assert_eq!(
        root_at(size(3), &Broken),
        Err(TreeError::Read {
            id,
            source: "disk on fire"
        })
    );
}

#[test]
fn questions_without_sense_are_errors() {
    let (index, leaves) = (LeafIndex(5), TreeSize(5));
    assert_eq!(
        inclusion_proof(index, leaves, &*WIDE),
        Err(TreeError::IndexOutOfRange { index, size: leaves })
    );
    let (old, new) = (TreeSize(6), TreeSize(5));
    assert_eq!(
        consistency_proof(old, new, &*WIDE),
        Err(TreeError::SizesOutOfOrder { old, new })
    );
    assert_eq!(consistency_proof(TreeSize(0), new, &*WIDE), Ok(vec![]));
    assert_eq!(consistency_proof(new, new, &*WIDE), Ok(vec![]));
}
