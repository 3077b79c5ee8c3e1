//! Whether the node should get requests: each part of it has a say.

use std::fmt;
use std::sync::Arc;

use verdict_schemas::TenantId;
use verdict_store::{LogName, State, Store};

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

/// A store is ready as long as it takes records, once the views of `_platform` are there, which every question reads. Those of
/// a single log are that log's affair: questions about it say so, and metrics count them.
pub(crate) fn of_store(store: &Store) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
    let store = store.clone();
    move || {
        if let Some(reason) = store.node_info().map_err(|error| error.to_string())?.not_writable {
            return Err(reason);
        }
        let platform = store.standing(&LogName::Tenant(TenantId::platform()));
        match platform {
            Some(standing) if matches!(standing.state, State::Broken { .. }) => {
                Err("the views of `_platform` are broken; the node's log says why".to_owned())
            }
            Some(standing) if !standing.is_caught_up => Err(format!(
                "the views of `_platform` are being made: {} of {} records",
                standing.made, standing.size
            )),
            _ => Ok(()),
        }
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
