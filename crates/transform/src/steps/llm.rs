//! `llm` lets a language model do what rules cannot: it fills or replaces cells by the answers of a task.
//!
//! ```yaml
//! - llm: {task: tasks/clean_review.yaml, when: "LENGTH(text) > 200 OR text LIKE '%ㅋㅋ%'", require: false}
//! ```
//!
//! The task file says which columns are read and written. Each distinct input is asked once, however many rows hold it;
//! a row whose inputs are all empty is not asked about. Where there is no answer the row stays as it is. The columns
//! `llm_model`, `cleaning_task` and `processed_at` say of each row who answered, what was asked, and when; they are
//! empty where no model touched the row, and of several tasks they name the last one that did.

use artifact::{CLEANING_TASK, LLM_MODEL, PROCESSED_AT};
use polars::prelude::{DataType, TimeUnit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::Result;

use super::{Apply, derive};
use crate::RowExpr;
use crate::lookup::Lookup;
use crate::plan::{Answer, Log, Plan, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    /// The task file, relative to the project's root.
    task: String,
    /// An SQL expression that is true for the rows to ask about. Default: all rows.
    #[serde(default)]
    when: Option<RowExpr>,
    /// Whether every such row needs an answer. Without a key for the provider the run then ends with exit code 75,
    /// and with 1 if the model fails on an input. Default: false, which warns and leaves the rows as they are.
    #[serde(default)]
    require: bool,
    /// Asks through the provider's Batch API, at half the price: a run submits or collects, waits a minute, and ends
    /// with exit code 75 while the batch is open. Default: false.
    #[serde(default)]
    batch: bool,
    /// What the task must reach on rows with known answers before its answers are used. Default: it is not judged.
    #[serde(default)]
    eval: Option<Eval>,
}

/// How a task is judged before it is used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Eval {
    /// A CSV file, relative to the project's root: the task's input columns, and `expected_<column>` with the right
    /// answer for one or more of its output columns.
    pub golden: String,
    /// The least share of rows that are right in all their columns, from 0 to 1. Default: 0.90.
    #[serde(default = "default_accuracy", deserialize_with = "spec::range::ratio")]
    pub accuracy: f64,
}

fn default_accuracy() -> f64 {
    0.90
}

impl Llm {
    /// The task file, as written.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Whether every row that is asked about needs an answer.
    pub fn require(&self) -> bool {
        self.require
    }

    /// Whether the Batch API is used.
    pub fn batch(&self) -> bool {
        self.batch
    }

    /// How the task is judged.
    pub fn eval(&self) -> Option<&Eval> {
        self.eval.as_ref()
    }

    /// Whether a row is one to ask about, and the columns to ask about.
    pub(crate) fn asks(&self, plan: &Plan) -> Result<(Value, Vec<String>)> {
        let lookup = self.lookup(plan)?;
        Ok((self.is_asked(plan, &lookup, None)?, lookup.inputs().to_vec()))
    }

    fn lookup(&self, plan: &Plan) -> Result<Lookup> {
        let lookup = plan.lookup().cloned().ok_or_else(|| {
            plan.error(format!("nothing answers the task '{}' here", self.task))
                .hint("only the tool 'clean' asks language models")
        })?;
        for input in lookup.inputs() {
            plan.dtype(input)?;
        }
        for (output, dtype) in lookup.outputs() {
            plan.check_new(output)?;
            if let Ok(found) = plan.dtype(output)
                && found != *dtype
            {
                let (found, wanted) = artifact::type_names(&found, dtype);
                return Err(plan
                    .error(format!("column '{output}' is {found}, but task '{}' writes {wanted}", lookup.task()))
                    .hint("cast it first, or let the task write another column"));
            }
        }
        Ok(lookup)
    }

    /// Whether a row is one to ask about: by `when`, and because there is something to ask. `answered`: and there is an
    /// answer in this helper.
    fn is_asked(&self, plan: &Plan, lookup: &Lookup, answered: Option<String>) -> Result<Value> {
        if let Some(when) = &self.when
            && derive::checked(plan, when.sql())? != DataType::Boolean
        {
            return Err(plan.error(format!("'{when}' is neither true nor false")).hint("write a comparison"));
        }
        let when = self.when.as_ref().map(|when| when.sql().clone());
        Ok(Value::Asked { inputs: lookup.inputs().to_vec(), when, answered })
    }
}

impl Apply for Llm {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let lookup = self.lookup(plan)?;
        let prefix = plan.answers();
        let by = Lookup::by_helper(&prefix);
        // The condition may read columns that the answers replace.
        let asked = self.is_asked(plan, &lookup, Some(by.clone()))?;
        let touched = plan.keep("touched", asked);
        let answer = |name: &str| Answer::Helper(lookup.answer_helper(&prefix, name));

        let when = self.when.iter().flat_map(|when| when.sql().columns());
        let reads: Vec<String> = lookup.inputs().iter().cloned().chain(when).collect();
        // The answer where the model touched the row; elsewhere the column as it is, or empty cells of a new one.
        let answered = |plan: &Plan, answer: Answer, name: &str, dtype: &DataType| {
            let otherwise = plan.schema().contains(name).then(|| name.to_owned());
            let (touched, reads) = (touched.clone(), reads.clone());
            (name.to_owned(), Value::Answered { touched, answer, otherwise, dtype: dtype.clone(), reads })
        };
        let outputs = lookup.outputs().iter();
        let outputs = outputs.map(|(name, dtype)| answered(plan, answer(name), name, dtype)).collect();
        let moment = DataType::Datetime(TimeUnit::Microseconds, None);
        let marks = [
            (LLM_MODEL, answer(LLM_MODEL), DataType::String),
            (CLEANING_TASK, Answer::Text(lookup.task().to_owned()), DataType::String),
            (PROCESSED_AT, answer(PROCESSED_AT), moment),
        ];
        let mut origin = Vec::with_capacity(marks.len());
        for (name, value, dtype) in marks {
            if let Ok(found) = plan.dtype(name)
                && found != dtype
            {
                let (found, wanted) = artifact::type_names(&found, &dtype);
                return Err(plan
                    .error(format!("column '{name}' is {found}, but the step keeps {wanted} there"))
                    .hint("rename it first"));
            }
            origin.push(answered(plan, value, name, &dtype));
        }
        let when = self.when.as_ref().map(|when| expr::normal(when.sql().text()));
        plan.means(artifact::flow(&artifact::stripped(json!({
            "task": self.task, "version": lookup.version(), "when": when,
        }))));
        plan.set_by(outputs, Log::Helper(by))?;
        plan.set_by(origin, Log::Nobody)
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, failure_given, run_given};
    use crate::{Changes, Given, Lookup};
    use polars::prelude::*;

    fn texts() -> DataFrame {
        df!(
            "text" => [Some("helo"), Some("fine"), Some("helo"), None, Some("wrld")],
            "todo" => [true, false, false, true, true],
            "_file" => ["f"; 5],
            "_row" => [2u32, 3, 4, 5, 6]
        )
        .unwrap()
    }

    /// A task from `text` to `output`, with one answer per pair.
    fn task(name: &str, output: &str, pairs: &[(&str, Option<&str>)], model: &str) -> Lookup {
        let (asked, answers): (Vec<&str>, Vec<Option<&str>>) = pairs.iter().copied().unzip();
        let count = pairs.len();
        let moments: Vec<i64> = (0..count as i64).map(|at| at * 1_000_000).collect();
        let moments = Column::new("processed_at".into(), moments);
        let columns = vec![
            Column::new(output.into(), answers).cast(&DataType::String).unwrap(),
            Column::new("llm_model".into(), vec![model; count]),
            moments.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap(),
            Column::new("prompt_hash".into(), vec!["0123456789abcdef"; count]),
        ];
        let answers = DataFrame::new(count, columns).unwrap();
        let lookup = Lookup::new(name, vec!["text".to_owned()], vec![(output.to_owned(), DataType::String)]).unwrap();
        lookup.answer(df!("text" => asked).unwrap(), answers).unwrap()
    }

    fn given(lookups: Vec<Lookup>) -> Given {
        Given { lookups: lookups.into_iter().enumerate().collect(), ..Given::default() }
    }

    fn column(rows: &DataFrame, name: &str) -> Vec<Option<String>> {
        let texts = rows.column(name).unwrap().cast(&DataType::String).unwrap();
        texts.str().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
    }

    fn some(texts: &[Option<&str>]) -> Vec<Option<String>> {
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn answers_fill_new_columns_and_say_where_they_come_from() {
        let given = given(vec![task("fix", "fixed", &[("wrld", Some("world")), ("helo", Some("hello"))], "m1")]);
        let rows = run_given(&texts(), "- llm: {task: t.yaml, when: todo}", &given).rows;
        assert_eq!(
            rows.get_column_names(),
            ["text", "todo", "_file", "_row", "fixed", "llm_model", "cleaning_task", "processed_at"]
        );
        assert_eq!(column(&rows, "fixed"), some(&[Some("hello"), None, None, None, Some("world")]));
        assert_eq!(column(&rows, "llm_model"), some(&[Some("m1"), None, None, None, Some("m1")]));
        assert_eq!(column(&rows, "cleaning_task"), some(&[Some("fix"), None, None, None, Some("fix")]));
        assert_eq!(
            column(&rows, "processed_at"),
            some(&[Some("1970-01-01 00:00:01.000000"), None, None, None, Some("1970-01-01 00:00:00.000000")])
        );
    }

    #[test]
    fn what_is_asked_of_what_is_part_of_what_the_answers_mean() {
        let of = |version: &str, steps: &str| {
            let fix = task("fix", "fixed", &[("helo", Some("hello"))], "m1").of_version(version.to_owned());
            let at = steps.matches("- ").count() - 1;
            let given = Given { lookups: [(at, fix)].into(), ..Given::default() };
            let steps: Vec<crate::Step> =
                spec::parse(steps, std::path::Path::new("steps.yaml"), &Default::default()).unwrap().spec;
            crate::clean(texts().lazy(), &steps, &given).unwrap_or_else(|error| panic!("{error}")).definitions
        };
        let llm = "- llm: {task: t.yaml, when: todo}";
        let was = of("1", llm);
        let changed = |version: &str, steps: &str| !was.changed(&of(version, steps), ["fixed"]).is_empty();
        assert!(!changed("1", llm));
        assert!(!changed("1", "- llm: {task: t.yaml, when: ' todo', require: true}"));
        assert!(changed("2", llm));
        assert!(changed("1", "- llm: {task: t.yaml}"));
        assert!(changed("1", "- llm: {task: t.yaml, when: NOT todo}"));
        assert!(changed("1", &format!("- trim: {{columns: [text]}}\n{llm}")));
        assert!(changed("1", &format!("- derive: {{todo: NOT todo}}\n{llm}")));
        assert_eq!(was.column("fixed").unwrap().reads, ["text", "todo"]);
    }

    #[test]
    fn without_answers_the_columns_are_there_and_empty() {
        let rows = run_given(&texts(), "- llm: {task: t.yaml}", &given(vec![task("fix", "text", &[], "")])).rows;
        assert_eq!(column(&rows, "text"), column(&texts(), "text"));
        assert_eq!(column(&rows, "llm_model"), some(&[None; 5]));
        assert_eq!(rows.column("processed_at").unwrap().dtype(), &DataType::Datetime(TimeUnit::Microseconds, None));
    }

    #[test]
    fn an_existing_column_is_replaced_only_where_an_answer_is_and_tasks_follow_each_other() {
        let first = task("fix", "text", &[("helo", Some("hello")), ("wrld", None)], "m1");
        let second = task("shout", "text", &[("hello", Some("HELLO")), ("fine", Some("fine"))], "m2");
        let mut given = given(vec![first, second]);
        given.changes = Some(Changes { table: "t".to_owned(), log: true, ..Changes::default() });
        let done = run_given(&texts(), "- llm: {task: a.yaml}\n- llm: {task: b.yaml}", &given);
        assert_eq!(column(&done.rows, "text"), some(&[Some("HELLO"), Some("fine"), Some("HELLO"), None, None]));
        assert_eq!(
            column(&done.rows, "cleaning_task"),
            some(&[Some("shout"), Some("shout"), Some("shout"), None, Some("fix")])
        );
        let changes = done.changes.unwrap();
        assert_eq!(
            column(&changes, "before"),
            some(&[Some("helo"), Some("hello"), Some("helo"), Some("hello"), Some("wrld")])
        );
        let (one, two) = ("model m1, task fix, prompt 01234567", "model m2, task shout, prompt 01234567");
        assert_eq!(column(&changes, "by"), some(&[Some(one), Some(two), Some(one), Some(two), Some(one)]));
        assert_eq!(column(&changes, "column"), some(&[Some("text"); 5]));
    }

    #[test]
    fn mistakes_are_named() {
        let task = || task("fix", "todo", &[], "");
        assert_eq!(
            failure(&texts(), "- llm: {task: t.yaml}"),
            "step 1 'llm': nothing answers the task 't.yaml' here; only the tool 'clean' asks language models"
        );
        assert_eq!(
            failure_given(&texts(), "- llm: {task: t.yaml}", &given(vec![task()])),
            "step 1 'llm': column 'todo' is bool, but task 'fix' writes string; cast it first, or let the task write \
             another column"
        );
        let table = df!("txt" => ["a"]).unwrap();
        assert_eq!(
            failure_given(&table, "- llm: {task: t.yaml}", &given(vec![task()])),
            "step 1 'llm': no column 'text'; did you mean 'txt'?"
        );
        let table = df!("text" => ["a"], "llm_model" => [1i64]).unwrap();
        assert_eq!(
            failure_given(&table, "- llm: {task: t.yaml}", &given(vec![task()])),
            "step 1 'llm': column 'llm_model' is int64, but the step keeps string there; rename it first"
        );
        assert_eq!(
            failure_given(&table, "- llm: {task: t.yaml, when: text}", &given(vec![task()])),
            "step 1 'llm': 'text' is neither true nor false; write a comparison"
        );
    }
}
