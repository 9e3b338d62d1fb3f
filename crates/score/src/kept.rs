//! What a learner has made of rows, kept beside them for the next that learns from the same.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

type Slot = Mutex<Option<Box<dyn Any + Send>>>;

/// Room for one value of any type that was computed from the rows of a matrix, such as their bins. Clones of a matrix share
/// it; it is freed with the last of them.
#[derive(Clone, Default)]
pub struct Kept(Arc<Slot>);

/// Which rows: equal for clones of one matrix only, also after it is gone.
#[derive(Clone)]
pub struct Identity(Weak<Slot>);

impl Kept {
    /// Calls `then` with what is kept, if it is of this type; what `then` leaves there is kept. One caller at a time: others
    /// wait.
    pub fn with<T: Any + Send, R>(&self, then: impl FnOnce(&mut Option<T>) -> R) -> R {
        // A value is taken out while it is in use, so a panic leaves nothing behind.
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut value = slot.take().and_then(|kept| kept.downcast::<T>().ok()).map(|kept| *kept);
        let result = then(&mut value);
        *slot = value.map(|value| Box::new(value) as Box<dyn Any + Send>);
        result
    }

    pub fn identity(&self) -> Identity {
        Identity(Arc::downgrade(&self.0))
    }
}

impl Identity {
    /// Whether these are the rows of `kept`.
    pub fn is(&self, kept: &Kept) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&kept.0))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_is_kept_and_another_type_begins_anew() {
        let kept = Kept::default();
        assert_eq!(kept.with(|value: &mut Option<u32>| value.replace(7)), None);
        assert_eq!(kept.clone().with(|value: &mut Option<u32>| *value), Some(7));
        assert_eq!(kept.with(|value: &mut Option<String>| value.clone()), None);
        assert_eq!(
            kept.with(|value: &mut Option<u32>| *value),
            None,
            "the caller that requested a text has replaced it"
        );
    }

    #[test]
    fn rows_are_known_again_after_they_are_gone() {
        let (one, other) = (Kept::default(), Kept::default());
        let identity = one.identity();
        assert!(identity.is(&one.clone()) && !identity.is(&other));
        drop(one);
        // The place in memory is not reused while it is referenced.
        assert!((0..100).map(|_| Kept::default()).all(|new| !identity.is(&new)));
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let kept = Kept::default();
        kept.with(|value: &mut Option<u32>| *value = Some(1));
        let inner = kept.clone();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            inner.with(|value: &mut Option<u32>| {
                assert_ne!(*value, Some(1), "on purpose");
            });
        }));
        assert!(caught.is_err());
        assert_eq!(kept.with(|value: &mut Option<u32>| *value), None);
    }
}
