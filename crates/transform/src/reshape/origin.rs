//! From which columns those of a table step come: for whoever says what a column is made of.

use crate::beside::OtherTable;

/// A column that a step reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Of the rows that it takes.
    Here(String),
    /// Of a table beside them.
    There(OtherTable, String),
}

/// What the columns and rows of a step depend on. A column that is not named here is the one of the same name that the step takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// By the name of the column that comes out.
    pub columns: Vec<(String, Vec<Source>)>,
    /// What decides which rows come out.
    pub rows: Vec<Source>,
}

impl Origin {
    /// A column that comes out is made of these columns of the rows.
    pub fn made(&mut self, column: &str, of: impl IntoIterator<Item = String>) {
        self.columns.push((column.to_owned(), of.into_iter().map(Source::Here).collect()));
    }

    /// These columns decide on rows.
    pub fn chosen(&mut self, by: &[String]) {
        self.rows.extend(by.iter().cloned().map(Source::Here));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use polars::prelude::*;
    use spec::random::Random;

    use super::*;
    use crate::plan::Action;
    use crate::steps::join::tests::given_with;
    use crate::steps::tests::{parse, run_given};

    /// Each table step, over the columns `a`, `b` (numbers), `t` (texts) and `g` (few values).
    const STEPS: [&str; 12] = [
        "- aggregate: {by: g, measures: {n: COUNT(*), s: SUM(a), m: ARG_MAX(a, b)}}",
        "- window: {s: 'SUM(a) OVER (PARTITION BY g ORDER BY b)', r: s + b - LAG(a) OVER (ORDER BY t)}",
        "- pivot: {by: g, column: k, values: {0: zero, 1: one}, measure: SUM(a), others: drop}",
        "- unpivot: {columns: [a, b], name: which, value: v}",
        "- unpivot: {columns: [a, b], name: which, value: v, keep_null: true}",
        "- explode: {column: t, separator: '1', position: nth}",
        "- surrogate_key: {column: number, of: [g, t], method: number}",
        "- scd2: {key: g, at: k, columns: [t]}",
        "- join: {with: other, on: g, expect: many, prefix: o_}",
        "- join: {with: other, on: g, expect: many, how: full, prefix: o_}",
        "- join: {with: other, on: g, expect: many, how: inner, columns: {b: ob}, between: {column: a, from: a, to: b}}",
        "- union: {with: other}",
    ];

    fn table(random: &mut Random, rows: usize) -> Vec<Column> {
        let number = |random: &mut Random| {
            (0..rows).map(|_| (random.below(8) > 0).then(|| random.below(9) as f64)).collect::<Vec<_>>()
        };
        let (a, b) = (number(random), number(random));
        let word = (0..rows).map(|_| (random.below(8) > 0).then(|| random.below(300).to_string())).collect::<Vec<_>>();
        let group = (0..rows).map(|_| ["x", "y", "z"][random.below(3)]).collect::<Vec<_>>();
        // One row for each key and time, so that none contradicts another.
        let time = (0..rows as i64).map(|row| if random.below(2) == 0 { row } else { row + 100 }).collect::<Vec<_>>();
        vec![
            Column::new("a".into(), a),
            Column::new("b".into(), b),
            Column::new("t".into(), word),
            Column::new("g".into(), group),
            Column::new("k".into(), time),
        ]
    }

    fn frame(columns: &[Column]) -> DataFrame {
        DataFrame::new(columns[0].len(), columns.to_vec()).unwrap()
    }

    /// What the step says of itself, and the columns that it gives.
    fn origin(step: &str, here: &[Column], there: &[Column]) -> (Origin, Schema) {
        let given = given_with("other", &frame(there));
        let plan = crate::plan(frame(here).schema(), &parse(step).unwrap(), &given).unwrap();
        let found = plan.actions.iter().find_map(|action| match action {
            Action::Reshape(step) => Some((step.origin(), step.schema().clone())),
            _ => None,
        });
        found.expect("a table step")
    }

    /// What a column is made of, by way of those before it.
    fn sources(origin: &Origin, column: &str) -> BTreeSet<Source> {
        let at = origin.columns.iter().rposition(|(name, _)| name == column);
        let Some(at) = at else { return BTreeSet::from([Source::Here(column.to_owned())]) };
        let before = Origin { columns: origin.columns[..at].to_vec(), rows: Vec::new() };
        let of = origin.columns[at].1.iter().flat_map(|source| match source {
            Source::Here(name) => sources(&before, name),
            there => BTreeSet::from([there.clone()]),
        });
        of.collect()
    }

    #[test]
    fn whoever_changes_a_column_changes_nothing_beyond_its_origin() {
        let mut random = Random::from_state(11);
        let mut seen = 0;
        for step in STEPS.into_iter().cycle().take(STEPS.len() * 12) {
            let (here, there) = (table(&mut random, 30), table(&mut random, 12));
            let was = run_given(&frame(&here), step, &given_with("other", &frame(&there))).rows;
            let (origin, schema) = origin(step, &here, &there);
            assert_eq!(was.schema().as_ref(), &schema);
            for (side, at) in (0..2).flat_map(|side| (0..4).map(move |at| (side, at))) {
                let (mut ours, mut theirs) = (here.clone(), there.clone());
                let changed = match side {
                    0 => {
                        ours[at] = table(&mut random, 30).swap_remove(at);
                        Source::Here(ours[at].name().to_string())
                    }
                    _ => {
                        theirs[at] = table(&mut random, 12).swap_remove(at);
                        Source::There(OtherTable::Clean("other".to_owned()), theirs[at].name().to_string())
                    }
                };
                if origin.rows.contains(&changed) {
                    continue;
                }
                let is = run_given(&frame(&ours), step, &given_with("other", &frame(&theirs))).rows;
                assert_eq!(was.height(), is.height(), "{step}: {changed:?} decides on rows");
                for name in schema.iter_names() {
                    let differs = !was.column(name).unwrap().equals_missing(is.column(name).unwrap());
                    let of = sources(&origin, name);
                    assert!(!differs || of.contains(&changed), "{step}: {name} reads {changed:?}, known are {of:?}");
                    seen += usize::from(differs);
                }
            }
        }
        assert!(seen > 300, "only {seen} columns changed");
    }
}
