//! Who waits for what was appended to be visible.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::incoming::AppendReceipt;
use crate::log::queue::Answer;

/// A sender who waits until the records are visible, in however many logs they are.
pub(crate) struct Waiter {
    left: AtomicUsize,
    invisible: AtomicBool,
    answer: Mutex<Option<(Answer, AppendReceipt)>>,
}

impl Waiter {
    /// Of records in so many logs.
    pub(crate) fn new(answer: Answer, receipt: AppendReceipt, logs: usize) -> Arc<Self> {
        let waiter = Self {
            left: AtomicUsize::new(logs.max(1)),
            invisible: AtomicBool::new(false),
            answer: Mutex::new(Some((answer, receipt))),
        };
        if logs == 0 {
            waiter.told(true);
        }
        Arc::new(waiter)
    }

    /// Does anybody wait still?
    pub(crate) fn is_awaited(&self) -> bool {
        self.answer
            .lock()
            .as_ref()
            .is_some_and(|(answer, _)| !answer.is_closed())
    }

    /// Its records of one log are visible, or will not be for now.
    pub(crate) fn told(&self, visible: bool) {
        if !visible {
            self.invisible.store(true, Ordering::Relaxed);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        if let Some((answer, receipt)) = self.answer.lock().take() {
            let visible = !self.invisible.load(Ordering::Relaxed);
            // Who no longer waits needs no answer.
            let _ = answer.send(Ok(AppendReceipt { visible, ..receipt }));
        }
    }
}
