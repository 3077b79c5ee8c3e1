//! Places in which tests have a thread of the consumer panic. In a build without tests they are nothing.

#[cfg(not(test))]
pub(super) fn fail_point(_topic: &str, _place: &'static str) {}

#[cfg(test)]
pub(super) use self::armed::{arm, disarm, fail_point};

#[cfg(test)]
mod armed {
    use parking_lot::Mutex;

    static ARMED: Mutex<Vec<(String, &'static str)>> = Mutex::new(Vec::new());

    /// From now on the place panics, of the threads of that topic.
    pub(in super::super) fn arm(topic: &str, place: &'static str) {
        ARMED.lock().push((topic.to_owned(), place));
    }

    /// No place fails any more in the threads of that topic.
    pub(in super::super) fn disarm(topic: &str) {
        ARMED.lock().retain(|(of, _)| of != topic);
    }

    pub(in super::super) fn fail_point(topic: &str, place: &'static str) {
        let armed = ARMED.lock().iter().any(|(of, at)| of == topic && *at == place);
        assert!(!armed, "the fail point `{place}`");
    }
}
