//! Whether the node should get requests: each part of it has a say.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use verdict_store::Store;

/// A batch whose views take longer keeps everybody waiting: the node should get no requests.
const STALLED: Duration = Duration::from_secs(15);

/// Why a part should get no requests yet; `Ok` once it should.
type Part = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The parts of a node that have a say.
#[derive(Clone, Default)]
pub struct Readiness {
    parts: Vec<(&'static str, Part)>,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|(name, _)| name)).finish()
    }
}

impl Readiness {
    /// With another part.
    #[must_use]
    pub fn with(mut self, name: &'static str, ready: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.parts.push((name, Arc::new(ready)));
        self
    }

    /// Asks every part.
    ///
    /// # Errors
    /// The reasons of those that are not ready, joined, in the order in which the parts were added.
    pub fn check(&self) -> Result<(), String> {
        let reasons = self.parts.iter().filter_map(|(_, ready)| ready().err());
        let reasons: Vec<String> = reasons.collect();
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons.join("; "))
        }
    }
}

/// A store is ready as long as it takes records and makes them visible.
pub(crate) fn of_store(store: &Store) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
    let store = store.clone();
    move || {
        if let Some(reason) = store.node_info().map_err(|error| error.to_string())?.not_writable {
            return Err(reason);
        }
        let making = store.making_views_for();
        if making < STALLED {
            return Ok(());
        }
        Err(format!(
            "the views of one batch have been in the making for {} s: what is sent now waits behind them",
            making.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_say() {
        let part = |reason: &'static str| move || Err(reason.to_owned());
        assert_eq!(Readiness::default().with("a", || Ok(())).check(), Ok(()));
        let two = Readiness::default()
            .with("a", part("one"))
            .with("b", || Ok(()))
            .with("c", part("two"));
        assert_eq!(two.check(), Err("one; two".to_owned()));
    }
}
