//! From which input columns the columns of a plan come, and which of them decide what rows there are: read off the actions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Filling, Limits, Plan, Question, Value, is_helper};
use crate::plan::action::Given as Answer;

/// Names of input columns.
type Names = BTreeSet<String>;

/// The input columns behind the columns of a cleaned table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// For each column those that its cells are made of.
    pub columns: BTreeMap<String, Names>,
    /// Those that decide which rows there are.
    pub rows: Names,
}

impl Plan {
    /// From which columns of the input each column comes.
    pub fn sources(&self) -> Sources {
        let mut flow = Flow::default();
        for name in &self.input {
            flow.of.insert(name.clone(), Names::from([name.clone()]));
        }
        self.actions.iter().for_each(|action| flow.take(action, self));
        let is_column = |name: &String| !is_helper(name) && self.schema.contains(name.as_str());
        Sources { columns: flow.of.into_iter().filter(|(name, _)| is_column(name)).collect(), rows: flow.rows }
    }
}

/// What is known between two actions.
#[derive(Default)]
struct Flow {
    /// Of each column and helper.
    of: BTreeMap<String, Names>,
    /// Of each question.
    asked: BTreeMap<usize, Names>,
    /// Of the helpers with the answers of a language model, by what their names begin with.
    answers: Vec<(String, Names)>,
    rows: Names,
}

impl Flow {
    fn take(&mut self, action: &Action, plan: &Plan) {
        match action {
            Action::Begin { .. } | Action::Hide { .. } => {}
            Action::Set { columns, .. } => {
                // Side by side: each reads what was there before.
                let new: Vec<(String, Names)> =
                    columns.iter().map(|(name, value)| (name.clone(), self.value(value))).collect();
                self.of.extend(new);
            }
            Action::Keep { helper, value } => {
                let sources = self.value(value);
                self.of.insert(helper.clone(), sources);
            }
            Action::Remove { hit, .. } => {
                let sources = self.value(hit);
                self.rows.extend(sources);
            }
            Action::Select { columns } => self.of.retain(|name, _| is_helper(name) || columns.contains(name)),
            Action::Rename { from, to } => {
                let moved: Vec<Option<Names>> = from.iter().map(|name| self.of.remove(name)).collect();
                let named = to.iter().cloned().zip(moved).filter_map(|(name, sources)| Some((name, sources?)));
                self.of.extend(named.collect::<Vec<_>>());
            }
            Action::KeepFirst { keys, .. } => {
                let sources = self.names(keys);
                self.rows.extend(sources);
            }
            Action::Ask { ask, question } => self.ask(*ask, question),
            Action::Answer { step, prefix } => {
                let inputs = plan.given.lookups.get(step).map(|lookup| self.names(lookup.inputs()));
                self.answers.push((prefix.clone(), inputs.unwrap_or_default()));
            }
        }
    }

    /// What is asked is asked of the rows that are alive: so whatever decided on them counts.
    fn ask(&mut self, ask: usize, question: &Question) {
        let mut sources = match question {
            Question::Mean { column } | Question::Median { column } | Question::Mode { column } => self.name(column),
            Question::Limits { column, groups, .. } => &self.name(column) | &self.names(groups),
            Question::Spellings(spellings) => self.name(&spellings.column),
            // What each column is decided by stands in its value.
            Question::Agree(_) | Question::Down(_) => Names::new(),
            Question::Alike(alike) => self.names(&alike.reads()),
            Question::Contest { keys, by, .. } => &self.names(keys) | &self.names(by.as_slice()),
        };
        sources.extend(self.rows.iter().cloned());
        if let Question::Limits { helpers, .. } = question {
            self.of.extend(helpers.iter().map(|helper| (helper.clone(), sources.clone())));
        }
        self.asked.insert(ask, sources);
    }

    fn value(&self, value: &Value) -> Names {
        let mut sources = self.names(&value.reads());
        match value {
            Value::Filled { with: Filling::Answer(ask), .. }
            | Value::Agreed { ask, .. }
            | Value::Spelled { ask, .. }
            | Value::FilledDown { ask, .. }
            | Value::ClusterOf(ask, _)
            | Value::Duplicate(ask)
            | Value::Copies(ask) => sources.extend(self.answer(*ask)),
            Value::Clipped { limits, .. }
            | Value::Outside { limits, .. }
            | Value::IsOutside { limits, .. }
            | Value::Within { limits, .. } => {
                match limits {
                    Limits::Given { .. } => {}
                    Limits::Of(ask) => sources.extend(self.answer(*ask)),
                    Limits::OfGroup { low, high } => sources.extend(self.names([low, high])),
                }
            }
            Value::Asked { answered, .. } => sources.extend(self.names(answered.as_slice())),
            Value::Answered { touched, answer, .. } => {
                sources.extend(self.name(touched));
                if let Answer::Helper(helper) = answer {
                    sources.extend(self.name(helper));
                }
            }
            Value::Filled { .. }
            | Value::Column(_)
            | Value::Sql(_)
            | Value::Of(..)
            | Value::Texts(..)
            | Value::Empty { .. }
            | Value::Lost { .. }
            | Value::NotTrue(_) => {}
        }
        sources
    }

    fn answer(&self, ask: usize) -> Names {
        self.asked.get(&ask).cloned().unwrap_or_default()
    }

    fn names<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Names {
        names.into_iter().flat_map(|name| self.name(name)).collect()
    }

    fn name(&self, name: &str) -> Names {
        if let Some(sources) = self.of.get(name) {
            return sources.clone();
        }
        let of_model = self.answers.iter().find(|(prefix, _)| name.starts_with(prefix.as_str()));
        of_model.map(|(_, inputs)| inputs.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use spec::random::Random;

    use crate::{Given, Step, clean};

    /// Lists of steps in which each kind occurs, over the columns `a`, `b` (numbers), `t`, `u` (texts) and `g` (few values).
    const STEPS: [&str; 20] = [
        "- derive: {r: a + b, s: r * 2}\n- drop: {columns: [b]}",
        "- rename: {a: b2, t: x}\n- trim: {columns: [x]}\n- derive: {y: x || u}",
        "- filter: a > 10\n- derive: {r: b}",
        "- fill_null: {columns: [a], with: mean}\n- select: {columns: [a, g]}",
        "- filter: b < 15\n- fill_null: {columns: [a], with: median}",
        "- dedupe: {keys: [g]}",
        "- dedupe: {keys: [g], keep: last}\n- derive: {r: a * 2}",
        "- dedupe: {keys: [g], keep: last, by: a}",
        "- clip: {columns: [a], min: 5, max: 15}\n- drop_null: {columns: [t]}",
        "- outliers: {columns: [a], method: {iqr: {factor: 0.2}}, action: clip}",
        "- outliers: {columns: [a], method: {zscore: {factor: 0.5}}, group_by: [g], action: drop}",
        "- map_values: {columns: [g], values: {'x': z}}\n- filter: g = 'z'",
        "- cast: {columns: {t: int64}}\n- derive: {n: t + a}",
        "- fill_down: {columns: [t], group_by: [g]}\n- fill_down: {columns: [a]}",
        "- dedupe: {any: [t, [u, g]], by: a, keep: last, cluster: who}",
        "- outliers: {columns: [a], method: {zscore: {factor: 0.5}}, action: 'null'}",
        "- repair: {key: g, columns: [t], by: majority}",
        "- repair: {key: g, columns: [t, u], by: {newest: a}}\n- drop: {columns: [a]}",
        "- filter: b > 3\n- cluster: {columns: [u], method: {edit_distance: {most: 1, min_count: 2}}, apply: true}",
        "- replace: {columns: [t], literal: '1', with: '2'}\n- normalize_text: {columns: [u], case: upper}\n- rename: {t: u, u: t}",
    ];

    fn table(random: &mut Random, rows: usize) -> Vec<Column> {
        let number = |random: &mut Random| {
            (0..rows).map(|_| (random.below(8) > 0).then(|| random.below(20) as f64)).collect::<Vec<_>>()
        };
        let word = |random: &mut Random| {
            (0..rows).map(|_| (random.below(8) > 0).then(|| format!(" {}", random.below(30)))).collect::<Vec<_>>()
        };
        let group = |random: &mut Random| (0..rows).map(|_| ["x", "y", "z"][random.below(3)]).collect::<Vec<_>>();
        vec![
            Column::new("a".into(), number(random)),
            Column::new("b".into(), number(random)),
            Column::new("t".into(), word(random)),
            Column::new("u".into(), word(random)),
            Column::new("g".into(), group(random)),
            Column::new(artifact::ROW.into(), (0..rows as u32).collect::<Vec<_>>()),
        ]
    }

    /// The rows that go on, and those columns' origins.
    fn cleaned(columns: Vec<Column>, steps: &str) -> (DataFrame, super::Sources) {
        let steps: Vec<Step> = spec::parse(steps, std::path::Path::new("steps.yaml"), &Default::default())
            .unwrap_or_else(|error| panic!("{steps}: {error}"))
            .spec;
        let frame = DataFrame::new(columns[0].len(), columns).unwrap().lazy();
        let cleaned = clean(frame, &steps, &Given::default()).unwrap_or_else(|error| panic!("{steps:?}: {error}"));
        let mut all = DataFrame::empty_with_schema(&cleaned.schema);
        cleaned.batches.for_each(|batch| all.vstack_mut_owned(batch.unwrap().rows).map(drop).unwrap());
        (all, cleaned.sources)
    }

    #[test]
    fn whoever_changes_a_column_changes_nothing_beyond_its_lineage() {
        let mut random = Random::from_state(7);
        let mut seen = 0;
        for round in 0..12 {
            for steps in STEPS {
                let before = table(&mut random, 40);
                let (was, sources) = cleaned(before.clone(), steps);
                for (at, changed) in ["a", "b", "t", "u", "g"].into_iter().enumerate() {
                    let mut columns = before.clone();
                    columns[at] = table(&mut random, 40).swap_remove(at);
                    let (is, _) = cleaned(columns, steps);
                    let rows_differ = was.column(artifact::ROW).unwrap() != is.column(artifact::ROW).unwrap();
                    if rows_differ {
                        assert!(
                            sources.rows.contains(changed),
                            "{steps}: {changed} decides on rows, known are {sources:?}"
                        );
                        continue;
                    }
                    for name in was
                        .get_column_names()
                        .into_iter()
                        .map(|name| name.as_str())
                        .filter(|name| *name != artifact::ROW)
                    {
                        let differs = !was.column(name).unwrap().equals_missing(is.column(name).unwrap());
                        let known = sources.rows.contains(changed) || sources.columns[name].contains(changed);
                        assert!(
                            !differs || known,
                            "round {round}, {steps}: {name} reads {changed}, known are {sources:?}"
                        );
                        seen += usize::from(differs);
                    }
                }
            }
        }
        assert!(seen > 200, "only {seen} columns changed");
    }

    #[test]
    fn no_more_is_named_than_is_read() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<super::Names>();
        let (_, sources) = cleaned(table(&mut Random::from_state(1), 40), STEPS[0]);
        assert_eq!(sources.columns["s"], names(&["a", "b"]));
        assert_eq!(sources.columns["t"], names(&["t"]));
        assert!(sources.rows.is_empty() && !sources.columns.contains_key("b"));
        let (_, sources) = cleaned(table(&mut Random::from_state(1), 40), STEPS[19]);
        assert_eq!((&sources.columns["u"], &sources.columns["t"]), (&names(&["t"]), &names(&["u"])));
        let (_, sources) = cleaned(table(&mut Random::from_state(1), 40), STEPS[4]);
        assert_eq!((&sources.columns["a"], &sources.rows), (&names(&["a", "b"]), &names(&["b"])));
    }
}
