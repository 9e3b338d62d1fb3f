//! What a step `llm` has to ask: the distinct inputs that the rules before it did not settle.

use std::collections::HashMap;

use artifact::PolarsResultExt;
use foldhash::fast::FixedState;
use polars::prelude::*;
use spec::Result;

use crate::given::Given;
use crate::keys::{SHARDS, keys};
use crate::split::asks;
use crate::steps::Step;

/// Distinct inputs in the order of the table: frames of the task's input columns, each row new. Memory: about 25 bytes
/// per distinct input, beside the frame at work.
pub struct Pending {
    frames: Box<dyn Iterator<Item = Result<DataFrame>> + Send>,
    known: Vec<HashMap<u64, u32, FixedState>>,
    counts: Vec<u64>,
    place: String,
}

/// Runs the steps before the step `llm` at `step` (from 0) over the table, and hands out what it has to ask: the
/// distinct inputs among the rows that are alive there, for which its `when` is true and of which not every input is
/// an empty cell. Duplicates that an earlier `dedupe` drops are not among them.
///
/// `given` must hold the lookups of all steps `llm` up to this one. For this step only its columns count,
/// not its answers: the caller knows which inputs are already answered.
///
/// Errors: the step at `step` is not an `llm`; whatever the steps before it refuse.
pub fn pending(input: LazyFrame, steps: &[Step], step: usize, given: &Given) -> Result<Pending> {
    let (frame, place) = asks(input, steps, step, given)?;
    Ok(Pending {
        frames: Box::new(artifact::stream(frame, place.clone())?),
        known: (0..=SHARDS).map(|_| HashMap::with_hasher(FixedState::with_seed(3))).collect(),
        counts: Vec::new(),
        place,
    })
}

impl Pending {
    /// How many rows hold each distinct input that was handed out so far, in the same order.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// All that is left, in one frame, with the number of rows that hold each input.
    pub fn all(mut self) -> Result<(DataFrame, Vec<u64>)> {
        let mut all: Option<DataFrame> = None;
        while let Some(frame) = self.next() {
            let frame = frame?;
            match &mut all {
                None => all = Some(frame),
                Some(all) => {
                    all.vstack_mut_owned(frame).during(&self.place)?;
                }
            }
        }
        Ok((all.unwrap_or_default(), self.counts))
    }

    /// Counts the rows of a frame and leaves those that are new.
    fn new_ones(&mut self, frame: &DataFrame) -> PolarsResult<DataFrame> {
        let mut is_new = Vec::with_capacity(frame.height());
        for key in keys(frame.columns())? {
            let next = self.counts.len() as u32;
            let at = *self.known[usize::from(key.shard)].entry(key.tag).or_insert(next);
            is_new.push(at == next);
            match self.counts.get_mut(at as usize) {
                Some(count) => *count += 1,
                None => self.counts.push(1),
            }
        }
        frame.filter(&BooleanChunked::from_slice(PlSmallStr::EMPTY, &is_new))
    }
}

impl Iterator for Pending {
    type Item = Result<DataFrame>;
    fn next(&mut self) -> Option<Result<DataFrame>> {
        let frame = match self.frames.next()? {
            Ok(frame) => frame,
            Err(error) => return Some(Err(error)),
        };
        Some(self.new_ones(&frame).during(&self.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lookup;
    use crate::steps::tests::parse;

    fn texts() -> DataFrame {
        df!(
            "text" => [Some("a"), Some("b"), Some(" a"), None, Some("a"), Some("c"), Some("b")],
            "id" => [1, 2, 3, 4, 5, 6, 2]
        )
        .unwrap()
    }

    fn lookup(inputs: &[&str]) -> Lookup {
        let inputs = inputs.iter().map(|name| (*name).to_owned()).collect();
        Lookup::new("fix", inputs, vec![("fixed".to_owned(), DataType::String)]).unwrap()
    }

    fn asked(steps: &str, step: usize, given: &Given) -> Result<(DataFrame, Vec<u64>)> {
        pending(texts().lazy(), &parse(steps)?, step, given)?.all()
    }

    #[test]
    fn each_distinct_input_is_asked_once_and_its_rows_are_counted() {
        let given = Given { lookups: [(1, lookup(&["text"]))].into(), ..Given::default() };
        let (inputs, counts) = asked("- trim\n- llm: {task: t.yaml}", 1, &given).unwrap();
        assert_eq!(inputs, df!("text" => ["a", "b", "c"]).unwrap());
        assert_eq!(counts, [3, 2, 1]);
    }

    #[test]
    fn rows_that_rules_settled_or_removed_are_not_asked() {
        let steps = "- dedupe: {keys: [id]}\n- filter: id <> 6\n- llm: {task: t.yaml, when: id > 1}";
        let given = Given { lookups: [(2, lookup(&["text"]))].into(), ..Given::default() };
        let (inputs, counts) = asked(steps, 2, &given).unwrap();
        assert_eq!(inputs, df!("text" => ["b", " a", "a"]).unwrap());
        assert_eq!(counts, [1, 1, 1]);
    }

    #[test]
    fn a_later_task_sees_the_answers_before_it() {
        let origin = df!("fixed" => ["A"], "llm_model" => ["m"], "processed_at" => [0i64], "prompt_hash" => ["p"]);
        let moment = DataType::Datetime(TimeUnit::Microseconds, None);
        let origin = origin.unwrap().lazy().with_column(col("processed_at").cast(moment)).collect().unwrap();
        let first = lookup(&["text"]).answer(df!("text" => ["a"]).unwrap(), origin).unwrap();
        let given = Given { lookups: [(0, first), (1, lookup(&["fixed", "text"]))].into(), ..Given::default() };
        let steps = "- llm: {task: a.yaml}\n- llm: {task: b.yaml, when: id < 3}";
        let (inputs, counts) = asked(steps, 1, &given).unwrap();
        let expected = df!("fixed" => [Some("A"), None], "text" => ["a", "b"]).unwrap();
        assert!(inputs.equals_missing(&expected), "{inputs}");
        assert_eq!(counts, [1, 2]);
    }

    #[test]
    fn only_a_step_llm_asks() {
        assert_eq!(asked("- trim", 0, &Given::default()).unwrap_err().to_string(), "clean: step 1 is not a step 'llm'");
    }
}
