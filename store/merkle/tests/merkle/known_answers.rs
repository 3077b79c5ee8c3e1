//! What others published: `vectors/SOURCES.md` says who and where.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use verdict_merkle::{
    Hash, LeafIndex, Tile, TileId, Tree, TreeSize, consistency_proof, inclusion_proof, leaf_hash, node_hash, root_at,
    verify_consistency, verify_inclusion,
};

pub(crate) fn vectors<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn bytes(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).unwrap()
}

fn hash(base64: &str) -> Hash {
    Hash::from_slice(&bytes(base64)).unwrap()
}

fn proof(base64: &[String]) -> Vec<Hash> {
    base64.iter().map(|text| hash(text)).collect()
}

#[test]
fn rfc_6962_reference_tree() {
    #[derive(Deserialize)]
    struct Known {
        leaf_inputs_hex: Vec<String>,
        leaf_hashes: Vec<String>,
        level1: Vec<String>,
        level2: Vec<String>,
        roots_by_size: BTreeMap<u64, String>,
    }
    let known: Known = vectors("rfc6962-known-answers");
    let hex = |hashes: &[Hash]| hashes.iter().map(|hash| hash.to_hex()).collect::<Vec<_>>();
    let pairs = |hashes: &[Hash]| {
        hashes
            .chunks(2)
            .map(|pair| node_hash(pair[0], pair[1]))
            .collect::<Vec<_>>()
    };

    let leaves: Vec<Hash> = known
        .leaf_inputs_hex
        .iter()
        .map(|input| leaf_hash(&hex::decode(input).unwrap()))
        .collect();
    let (level1, level2) = (pairs(&leaves), pairs(&pairs(&leaves)));
    assert_eq!(
        (hex(&leaves), hex(&level1), hex(&level2)),
        (known.leaf_hashes, known.level1, known.level2)
    );

    let mut tree = Tree::new();
    let mut roots = BTreeMap::from([(0, tree.root().to_hex())]);
    for leaf in leaves {
        tree.push(leaf);
        roots.insert(tree.size().0, tree.root().to_hex());
    }
    assert_eq!(roots, known.roots_by_size);
    assert_eq!(roots.len(), 9);
}

/// A log of 961,984,011 certificates, as its operator answered.
#[test]
fn google_argon_2020() {
    #[derive(Deserialize)]
    struct Log {
        tree_size: u64,
        sha256_root_hash: String,
        leaf_index: u64,
        leaf_input: String,
        audit_path: Vec<String>,
        first_tree_size: u64,
        first_root_hash: String,
        consistency: Vec<String>,
    }
    let log: Log = vectors("ct-argon2020");
    let (size, root) = (TreeSize(log.tree_size), hash(&log.sha256_root_hash));
    let leaf = leaf_hash(&bytes(&log.leaf_input));
    assert_eq!(
        verify_inclusion(leaf, LeafIndex(log.leaf_index), size, &proof(&log.audit_path), root),
        Ok(())
    );
    let (first, first_root) = (TreeSize(log.first_tree_size), hash(&log.first_root_hash));
    assert_eq!(
        verify_consistency(first, first_root, size, root, &proof(&log.consistency)),
        Ok(())
    );
}

/// A log that another implementation of tlog-tiles wrote: our tiles and roots are the same bytes at each size.
#[test]
fn tessera_log() {
    #[derive(Deserialize)]
    struct Log {
        entries: String,
        sizes: Vec<Published>,
    }
    #[derive(Deserialize)]
    struct Published {
        size: u64,
        root: String,
        tile: Option<String>,
    }
    let log: Log = vectors("tessera-log");
    let bundle = bytes(&log.entries);
    let mut entries = Vec::new();
    let mut rest = bundle.as_slice();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(entry);
        rest = after;
    }
    assert_eq!((entries.len(), entries[0], rest), (15, &b"one"[..], &b""[..]));

    let id = TileId { level: 0, n: 0 };
    let (mut tree, mut stored) = (Tree::new(), BTreeMap::new());
    for published in &log.sizes {
        assert_eq!(
            (tree.size(), tree.root()),
            (TreeSize(published.size), hash(&published.root))
        );
        let tile = published.tile.as_ref().map(|tile| Tile::from_vec(bytes(tile)).unwrap());
        assert_eq!(tree.take_dirty().into_iter().map(|(_, tile)| tile).next(), tile);
        stored.extend(tile.map(|tile| (id, tile)));
        if let Some(entry) = entries.get(published.size as usize) {
            tree.push(leaf_hash(entry));
        }
    }
    assert_eq!(log.sizes.len(), 16);

    // Every proof drawn from their last tile leads to the roots they signed.
    let (size, root) = (tree.size(), tree.root());
    for (index, entry) in (0..).map(LeafIndex).zip(&entries) {
        let proof = inclusion_proof(index, size, &stored).unwrap();
        assert_eq!(verify_inclusion(leaf_hash(entry), index, size, &proof, root), Ok(()));
    }
    for published in &log.sizes[1..] {
        let (old, old_root) = (TreeSize(published.size), hash(&published.root));
        assert_eq!(root_at(old, &stored), Ok(old_root));
        let proof = consistency_proof(old, size, &stored).unwrap();
        assert_eq!(verify_consistency(old, old_root, size, root, &proof), Ok(()));
    }
}
