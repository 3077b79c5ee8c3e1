//! Where the rows of sources are ([`super::source_stats`] has what they say), and of which cuts they hold.
//!
//! ```text
//! v_source   view u32 | place | `s` | window u64                      name, counters, first and last recorded time, lateness
//!            view u32 | place | `t` | H8(incarnation) | window u64    incarnation, the runs of sequence numbers seen
//! place      the first 128 bytes of the source's name, a zero in it followed by ff | 00 00 | H16(source)
//! ```
//!
//! A row says how things stood after the last step of its window ([`WINDOW`]) that changed them, or so far. So the state after
//! any window is the last row up to it, and that of any cut is this and less than a window of steps: what was told of an earlier
//! cut needs no look at all the records of it. A source has at most as many rows as it has records.
//!
//! Places are in the order of names, so that a page of sources is a range of rows.

use super::keys::{H8, H16, h16};
use super::mark::ViewId;

/// Steps of a log that share a row per source. In unit tests few, so that short streams pass through many.
pub(crate) const WINDOW: u64 = if cfg!(test) { 8 } else { 1024 };

/// So much of a name orders its rows: nobody's page is longer than the names in it.
const ORDERED: usize = 128;

/// Where the rows of a source are: what their keys have behind the number of the view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceRows(Vec<u8>);

impl SourceRows {
    pub(crate) fn of(name: &str) -> Self {
        Self::hashed(name, &h16(name))
    }

    pub(crate) fn hashed(name: &str, hash: &H16) -> Self {
        let mut place = Vec::with_capacity(name.len().min(ORDERED) + 18);
        for byte in name.bytes().take(ORDERED) {
            place.push(byte);
            if byte == 0 {
                place.push(u8::MAX);
            }
        }
        place.extend_from_slice(&[0, 0]);
        place.extend_from_slice(hash);
        Self(place)
    }

    /// What [`SourceRows::as_bytes`] gave.
    pub(crate) fn given(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// Read off a key, which goes on behind it.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = 0;
        while bytes.get(at..at + 2)? != [0, 0] {
            at += if bytes.get(at) == Some(&0) { 2 } else { 1 };
        }
        Some(Self(bytes.get(..at + 18)?.to_vec()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn key(&self, view: ViewId, rest: &[&[u8]]) -> Vec<u8> {
        let mut key = view.prefix().to_vec();
        key.extend_from_slice(&self.0);
        rest.iter().for_each(|part| key.extend_from_slice(part));
        key
    }

    /// The row of statistics of a window.
    pub(crate) fn stats(&self, view: ViewId, window: u64) -> Vec<u8> {
        self.key(view, &[b"s", &window.to_be_bytes()])
    }

    /// The row of an incarnation's sequence of a window.
    pub(crate) fn coverage(&self, view: ViewId, incarnation: &H8, window: u64) -> Vec<u8> {
        self.key(view, &[b"t", incarnation, &window.to_be_bytes()])
    }

    /// What all keys of the statistics begin with.
    pub(crate) fn all_stats(&self, view: ViewId) -> Vec<u8> {
        self.key(view, &[b"s"])
    }

    /// What all keys of the sequences begin with.
    pub(crate) fn all_coverage(&self, view: ViewId) -> Vec<u8> {
        self.key(view, &[b"t"])
    }

    /// The first key behind all rows of the source.
    pub(crate) fn end(&self, view: ViewId) -> Vec<u8> {
        self.key(view, &[b"u"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_order_of_names_and_read_back() {
        let long = "x".repeat(ORDERED);
        let names = [
            "",
            "\0",
            "\0\0",
            "\0a",
            "a",
            "a\0",
            "a\0b",
            "aa",
            "b",
            &long[1..],
            &long,
        ];
        let places: Vec<_> = names.iter().map(|name| SourceRows::of(name)).collect();
        assert!(places.is_sorted_by(|one, other| one < other), "{places:?}");
        for place in &places {
            let key = place.coverage(ViewId(7), &[0; 8], 0);
            assert_eq!(SourceRows::read(&key[4..]).as_ref(), Some(place));
            assert!(place.stats(ViewId(7), u64::MAX) < key && key < place.end(ViewId(7)));
            assert_eq!(SourceRows::read(&place.as_bytes()[..place.as_bytes().len() - 1]), None);
        }
        // A name that goes on is kept apart, and no key is longer for it.
        let longer = [SourceRows::of(&format!("{long}a")), SourceRows::of(&format!("{long}b"))];
        assert_ne!(longer[0], longer[1]);
        assert_eq!(longer[0].as_bytes().len(), ORDERED + 18);
    }
}
