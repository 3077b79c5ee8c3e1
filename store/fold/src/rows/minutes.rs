//! The minutes in which citations were counted lately (E8), so that most of those that are not counted cost no read.

/// The minutes known to be counted: the latest, and a bit for each of the 64 up to it. A minute without its bit may be
/// counted all the same; the rows say so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minutes {
    latest: u64,
    counted: u64,
}

impl Minutes {
    /// Only this one.
    pub(super) fn only(minute: u64) -> Self {
        Self {
            latest: minute,
            counted: 1,
        }
    }

    pub(super) fn counted(self, minute: u64) -> bool {
        match self.latest.checked_sub(minute) {
            Some(ago @ 0..64) => self.counted >> ago & 1 == 1,
            _ => false,
        }
    }

    pub(super) fn with(self, minute: u64) -> Self {
        if minute > self.latest {
            let shift = u32::try_from(minute - self.latest).unwrap_or(u32::MAX);
            return Self {
                latest: minute,
                counted: self.counted.checked_shl(shift).unwrap_or(0) | 1,
            };
        }
        let bit = u32::try_from(self.latest - minute)
            .ok()
            .and_then(|ago| 1u64.checked_shl(ago))
            .unwrap_or(0);
        Self {
            counted: self.counted | bit,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_remembered_up_to_an_hour_back_and_never_invented() {
        let minutes = Minutes::only(100).with(98).with(103).with(30);
        let counted: Vec<u64> = (0..200).filter(|minute| minutes.counted(*minute)).collect();
        assert_eq!(counted, [98, 100, 103]);
        assert_eq!(
            (minutes.with(200).counted, minutes.with(103 + 63).counted(103)),
            (1, true)
        );
    }
}
