//! The names under which tlog-tiles serves a log: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`.
//!
//! `<N>` is written in groups of three digits, each but the last behind an `x`, so that a file system never holds more
//! than a thousand names in one directory. Every resource has one name only: what is not written exactly so is refused,
//! since a cache would else keep one immutable tile under many keys.

use core::fmt::{self, Write};
use core::str::FromStr;

use crate::{Tile, TileId};

/// The highest level that tlog-tiles lets a path name.
const MAX_LEVEL: u8 = 63;

/// What a path under a tlog-tiles prefix names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TilePath {
    /// A tile of hashes.
    Hashes {
        /// Which tile.
        id: TileId,
        /// How many hashes, 1 to 256; below 256 is a partial tile.
        width: usize,
    },
    /// A bundle of the entries whose hashes are level 0's tile `n`.
    Entries {
        /// The bundle's position, from 0.
        n: u64,
        /// How many entries, 1 to 256; below 256 is a partial bundle.
        width: usize,
    },
}

/// Text that is no tile path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a tile path such as `tile/0/x001/x234/067` or `tile/entries/000.p/12`")]
pub struct PathError {
    /// The text, its first 200 characters.
    pub path: String,
}

impl TileId {
    /// The path of this tile `width` hashes wide, `tile/<L>/<N>[.p/<W>]`, as [`TilePath`] writes it.
    ///
    /// A width outside `1..=255` names the full tile, so [`Tile::len`] is always a right argument.
    #[must_use]
    pub fn path(self, width: usize) -> String {
        TilePath::Hashes { id: self, width }.to_string()
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, width) = match *self {
            TilePath::Hashes { id, width } => {
                write!(f, "tile/{}", id.level)?;
                (id.n, width)
            }
            TilePath::Entries { n, width } => {
                f.write_str("tile/entries")?;
                (n, width)
            }
        };
        // u64 has 20 digits: seven groups. Leading groups of zeros are left out, the last group is always written.
        for group in (1..7)
            .rev()
            .map(|place| n / 1000_u64.pow(place))
            .filter(|rest| *rest > 0)
        {
            write!(f, "/x{:03}", group % 1000)?;
        }
        write!(f, "/{:03}", n % 1000)?;
        match width {
            1..Tile::MAX_LEN => write!(f, ".p/{width}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for TilePath {
    type Err = PathError;

    /// Reads a path without a leading slash, as [`Display`](fmt::Display) writes it and in no other spelling.
    fn from_str(path: &str) -> Result<TilePath, PathError> {
        parse(path)
            .filter(|parsed| is_spelled(path, parsed))
            .ok_or_else(|| PathError {
                path: path.chars().take(200).collect(),
            })
    }
}

/// The meaning of a path, lenient in its spelling.
fn parse(path: &str) -> Option<TilePath> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => (
            number,
            width.parse().ok().filter(|width| (1..Tile::MAX_LEN).contains(width))?,
        ),
        None => (rest, Tile::MAX_LEN),
    };
    let n = number.split('/').try_fold(0_u64, |n, group| {
        let group: u64 = group.trim_start_matches('x').parse().ok()?;
        n.checked_mul(1000)?.checked_add(group)
    })?;
    if kind == "entries" {
        return Some(TilePath::Entries { n, width });
    }
    let level = kind.parse().ok().filter(|level| *level <= MAX_LEVEL)?;
    Some(TilePath::Hashes {
        id: TileId { level, n },
        width,
    })
}

/// Whether a path is the one spelling of what it means.
fn is_spelled(path: &str, parsed: &TilePath) -> bool {
    let mut spelled = String::new();
    write!(spelled, "{parsed}").is_ok() && spelled == path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for (level, n, width, path) in [
            (0, 1_234_067, 256, "tile/0/x001/x234/067"),
            (0, 0, 256, "tile/0/000"),
            (0, 0, 1, "tile/0/000.p/1"),
            (1, 999, 255, "tile/1/999.p/255"),
            (2, 1000, 112, "tile/2/x001/000.p/112"),
            (3, 1_000_000, 256, "tile/3/x001/x000/000"),
            (63, u64::MAX, 256, "tile/63/x018/x446/x744/x073/x709/x551/615"),
        ] {
            let id = TileId { level, n };
            assert_eq!(id.path(width), path);
            assert_eq!(path.parse(), Ok(TilePath::Hashes { id, width }));
        }
        let entries = TilePath::Entries { n: 273, width: 17 };
        assert_eq!(entries.to_string(), "tile/entries/273.p/17");
        assert_eq!("tile/entries/273.p/17".parse(), Ok(entries));
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/+1/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/data/000",
            "tile/0/x000/001",
            "tile/0/001/067",
            "tile/0/x001",
            "tile/0/x1/067",
            "tile/0/xx001/067",
            "tile/0/+01",
            "tile/0/000/",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/x001/x018/x446/x744/x073/x709/x551/615",
            "tile/entries",
            "tile/entries/x000/000",
        ] {
            assert_eq!(
                path.parse::<TilePath>(),
                Err(PathError { path: path.to_owned() }),
                "{path}"
            );
        }
    }
}
