//! Work that waits until the stage's lock is free: informing other servers of the run, which may take long.

use std::cell::RefCell;
use std::rc::Rc;

use spec::Result;

type Work = Box<dyn FnOnce() -> Result<()>>;

/// What is to be done once the lock is free, in order. A clone adds to the same list.
#[derive(Clone, Default)]
pub struct Later(Rc<RefCell<Vec<Work>>>);

impl Later {
    /// Adds something. It is done however the run ends. Its error is the run's answer if the run has no error of its own.
    pub fn add(&self, work: impl FnOnce() -> Result<()> + 'static) {
        self.0.borrow_mut().push(Box::new(work));
    }

    /// Does all of it; the first error is returned.
    pub(crate) fn run(&self) -> Result<()> {
        let all = std::mem::take(&mut *self.0.borrow_mut());
        let results: Vec<Result<()>> = all.into_iter().map(|work| work()).collect();
        results.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use spec::Error;

    use super::*;

    #[test]
    fn all_is_done_once_and_in_order_and_an_error_stops_nothing() {
        let (later, done) = (Later::default(), Rc::new(RefCell::new(Vec::new())));
        for number in 1..=3 {
            let done = done.clone();
            later.clone().add(move || {
                done.borrow_mut().push(number);
                if number < 3 { Err(Error::cannot_run(number.to_string())) } else { Ok(()) }
            });
        }
        assert_eq!(later.run().unwrap_err().to_string(), "1");
        later.run().unwrap();
        assert_eq!(*done.borrow(), [1, 2, 3]);
    }
}
