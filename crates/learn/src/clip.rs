//! Learners whose models keep their predictions within a range; the models are those of [`score::Clip`].

use score::{Clip, Model, Task, Tuned};
use spec::Result;

use crate::{Data, Learner};

/// `learner`, whose models are clipped.
pub(crate) fn around(clip: Clip, learner: Box<dyn Learner>) -> Box<dyn Learner> {
    Box::new(ClippedLearner { clip, learner })
}

struct ClippedLearner {
    clip: Clip,
    learner: Box<dyn Learner>,
}

impl Learner for ClippedLearner {
    fn name(&self) -> &'static str {
        self.learner.name()
    }

    fn settings(&self) -> serde_json::Value {
        self.learner.settings()
    }

    fn learns(&self) -> bool {
        self.learner.learns()
    }

    fn learns_mean(&self) -> bool {
        self.learner.learns_mean()
    }

    fn repeats(&self) -> &[String] {
        self.learner.repeats()
    }

    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, seed: u64) -> Result<Box<dyn Model>> {
        Ok(self.clip.around(self.learner.fit(task, train, valid, seed)?))
    }

    fn refit(&self, task: Task, rows: Data<'_>, tuned: &Tuned, seed: u64) -> Result<Box<dyn Model>> {
        Ok(self.clip.around(self.learner.refit(task, rows, tuned, seed)?))
    }
}
