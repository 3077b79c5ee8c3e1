//! Quorum arithmetic (E12).

use verdict_schemas::Quorum;

/// max(floor(counted / 2) + 1, `min_agents`, ceil(`percent` x live / 100)), absent terms left out; without a quorum the
/// majority term alone (E18).
pub fn need(quorum: Option<Quorum>, live: u64, silent: u64) -> u64 {
    let Quorum { percent, min_agents } = quorum.unwrap_or_default();
    let majority = (live + silent) / 2 + 1;
    let share = percent.map_or(0, |percent| u64::from(percent).saturating_mul(live).div_ceil(100));
    majority.max(min_agents.unwrap_or(0)).max(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_of_the_live_and_the_majority_of_all_counted() {
        let percent = |percent| {
            Some(Quorum {
                percent: Some(percent),
                min_agents: None,
            })
        };
        assert_eq!(need(percent(100), 3, 1), 3);
        assert_eq!(need(percent(50), 3, 3), 4);
        assert_eq!(need(percent(67), 100, 0), 67);
        assert_eq!(need(percent(67), 101, 0), 68);
        assert_eq!(
            need(
                Some(Quorum {
                    percent: Some(1),
                    min_agents: Some(9)
                }),
                3,
                1
            ),
            9
        );
        assert_eq!((need(None, 0, 0), need(None, 1, 0), need(None, 2, 0)), (1, 1, 2));
    }
}
