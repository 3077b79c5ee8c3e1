//! No thread of the store dies silently: a panic in one is a fault of ours, and becomes a failure that is told.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::StoreError;

/// Runs a piece of a thread's work.
///
/// # Errors
/// Its own, and [`StoreError::Broken`] where it panics. What it had at hand is in an unknown state: the caller uses it no
/// more.
pub(crate) fn guarded<T>(thread: &'static str, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(StoreError::Broken {
            thread,
            reason: text.unwrap_or_else(|| "a panic".to_owned()),
        })
    })
}

/// A place in which tests have a thread panic; in a build without tests it is nothing.
#[cfg(not(test))]
pub(crate) fn fail_point(_store: uuid::Uuid, _place: &'static str) {}

/// A place in which tests have a thread panic when it is at a record.
#[cfg(not(test))]
pub(crate) fn fail_point_at(_store: uuid::Uuid, _place: &'static str, _index: u64) {}

/// A place in which tests have work fail that does not panic.
#[cfg(not(test))]
pub(crate) fn fail_at(_store: uuid::Uuid, _place: impl FnOnce() -> String) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(test)]
pub(crate) use self::failing::{fail_at, fail_point, fail_point_at};

#[cfg(test)]
pub(crate) mod failing {
    use parking_lot::Mutex;
    use uuid::Uuid;

    use crate::error::StoreError;

    /// Store, place, and the record if it is one record that it fails at.
    type Armed = (Uuid, &'static str, Option<u64>);

    static ARMED: Mutex<Vec<Armed>> = Mutex::new(Vec::new());

    /// From now on the place panics in that store.
    pub(crate) fn arm(store: Uuid, place: &'static str) {
        ARMED.lock().push((store, place, None));
    }

    /// From now on the place panics in that store when it is at that record.
    pub(crate) fn arm_at(store: Uuid, place: &'static str, index: u64) {
        ARMED.lock().push((store, place, Some(index)));
    }

    /// No place fails in that store any more.
    pub(crate) fn disarm(store: Uuid) {
        ARMED.lock().retain(|(armed, ..)| *armed != store);
    }

    pub(crate) fn fail_at(store: Uuid, place: impl FnOnce() -> String) -> Result<(), StoreError> {
        let place = place();
        if ARMED
            .lock()
            .iter()
            .any(|(of, armed, _)| *of == store && *armed == place)
        {
            return Err(StoreError::Views("as the test wants".to_owned()));
        }
        Ok(())
    }

    pub(crate) fn fail_point(store: Uuid, place: &'static str) {
        let armed = ARMED.lock().contains(&(store, place, None));
        assert!(!armed, "the fail point `{place}`");
    }

    pub(crate) fn fail_point_at(store: Uuid, place: &'static str, index: u64) {
        let armed = ARMED.lock().contains(&(store, place, Some(index)));
        assert!(!armed, "the fail point `{place}` at {index}");
    }
}

#[cfg(test)]
mod tests {
    use super::failing::arm;
    use crate::{AppendError, Incoming, Options, Provenance, RawTime, SourcePosition, Store};

    fn record(value: &'static str) -> Incoming {
        Incoming {
            log: "acme".parse().unwrap(),
            source: SourcePosition::Intake,
            key: None,
            headers: Vec::new(),
            value: value.into(),
            raw_time: RawTime::Now,
            provenance: Provenance::Claimed,
            dedup: None,
            route: None,
        }
    }

    /// Whoever waits is told, whoever comes later is told, the store says why, and what was acknowledged is there after
    /// the next opening.
    fn breaks_at(place: &'static str, first: impl Fn(&Result<bool, AppendError>) -> bool) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let append = |value| {
            runtime
                .block_on(store.append(vec![record(value)]))
                .map(|receipt| receipt.visible)
        };
        assert!(append("{}").unwrap());
        arm(store.shared().id, place);
        let told = append("[]");
        assert!(first(&told), "{told:?}");
        while store.node_info().unwrap().not_writable.is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let later = append("[]");
        assert!(
            matches!(&later, Err(AppendError::NotWritable(why)) if why.contains(place)),
            "{later:?}"
        );
        store.close().unwrap();

        let store = Store::open(folder.path(), Options::default()).unwrap();
        let records = store.snapshot().log(&"acme".parse().unwrap()).unwrap().unwrap().size.0;
        assert!((1..=2).contains(&records), "{records}");
        store.close().unwrap();
    }

    #[test]
    fn a_committer_that_panics_leaves_nobody_waiting() {
        breaks_at("commit", |told| matches!(told, Err(AppendError::WriteFailed(_))));
    }

    #[test]
    fn a_worker_that_panics_leaves_nobody_waiting() {
        breaks_at("worker", |told| matches!(told, Ok(false)));
    }

    #[test]
    fn a_writer_of_heads_that_panics_is_told_of() {
        // Whether it broke off before the append or after is a matter of its pause.
        breaks_at("heads", |_| true);
    }
}
