//! Bounds that only improve, such as the first observation: rows of which a cut sees the last one it has.

use super::key::{Fields, Key, collect, find};
use super::space::{Direction, OrderedRows, RowsError};

/// The last value of a bound that only improves: rows (`prefix`, size) of which a cut sees that of the greatest size.
pub(super) fn latest<R: OrderedRows>(
    rows: &R,
    prefix: Key,
    cut: u64,
    what: &'static str,
) -> Result<Option<u64>, RowsError<R::Error>> {
    find(
        rows,
        prefix.u64(0),
        prefix.u64(cut).after(),
        Direction::Backward,
        |_, value| Fields::new(value, what).u64().map(Some),
    )
}

/// All (id, value) of rows (`prefix`, id u32, size u64), of each id that of the greatest size the cut sees.
pub(super) fn latest_of_each<R: OrderedRows>(
    rows: &R,
    prefix: Key,
    cut: u64,
    what: &'static str,
) -> Result<Vec<(u32, u64)>, RowsError<R::Error>> {
    let skip = prefix.as_slice().len();
    let mut each: Vec<(u32, u64)> = Vec::new();
    collect::<R, ()>(
        rows,
        prefix,
        prefix.u32(u32::MAX).u64(u64::MAX).after(),
        |key, value| {
            let mut place = Fields::new(key.get(skip..).unwrap_or_default(), what);
            let (id, size) = (place.u32()?, place.u64()?);
            if size <= cut {
                let value = Fields::new(value, what).u64()?;
                match each.last_mut().filter(|(last, _)| *last == id) {
                    Some((_, last)) => *last = value,
                    None => each.push((id, value)),
                }
            }
            Ok(None)
        },
    )?;
    Ok(each)
}
