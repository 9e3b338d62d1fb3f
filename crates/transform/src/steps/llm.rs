//! `llm` lets a language model do what rules cannot: it fills or replaces cells by the answers of a task.
//!
//! ```yaml
//! - llm: {task: tasks/clean_review.yaml, when: "LENGTH(text) > 200 OR text LIKE '%ㅋㅋ%'", require: false}
//! ```
//!
//! The task file says which columns are read and written. Each distinct input is asked once, however many rows hold it;
//! a row of which all inputs are empty is not asked. Where there is no answer the row stays as it is. The columns
//! `llm_model`, `cleaning_task` and `processed_at` say of each row who answered, what was asked, and when; they are
//! empty where no model touched the row, and of several tasks they name the last one that did.

use artifact::{CLEANING_TASK, LLM_MODEL, PROCESSED_AT, PolarsResultExt};
use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::Result;

use super::{Apply, derive};
use crate::RowExpr;
use crate::lookup::{Lookup, PROMPT_HASH};
use crate::plan::Plan;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Eval {
    /// A CSV file, relative to the project's root: the task's input columns, and `expected_<column>` with the right
    /// answer for one or more of its output columns.
    pub golden: String,
    /// The least share of rows that are right in all their columns, from 0 to 1. Default: 0.90.
    #[serde(default = "nine_tenths")]
    pub accuracy: f64,
}

fn nine_tenths() -> f64 {
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

    /// The inputs of the rows to ask about, in order, each as often as rows hold it.
    pub(crate) fn asks(&self, plan: &mut Plan) -> Result<LazyFrame> {
        let lookup = self.lookup(plan)?;
        let asked = self.is_asked(plan, &lookup)?;
        let inputs = lookup.inputs().iter().map(|name| col(name.as_str())).collect();
        Ok(plan.alive_where(asked, inputs))
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
                let (found, wanted) = (artifact::type_name(&found), artifact::type_name(dtype));
                return Err(plan
                    .error(format!("column '{output}' is {found}, but task '{}' writes {wanted}", lookup.task()))
                    .hint("cast it first, or let the task write another column"));
            }
        }
        Ok(lookup)
    }

    /// Whether a row is one to ask about: by `when`, and because there is something to ask.
    fn is_asked(&self, plan: &Plan, lookup: &Lookup) -> Result<Expr> {
        let inputs = lookup.inputs().iter().map(|name| col(name.as_str()).is_not_null());
        let something = inputs.reduce(Expr::or).unwrap_or_else(|| lit(false));
        let Some(when) = &self.when else { return Ok(something) };
        let when = derive::checked(plan, when.sql())?;
        if when.dtype != DataType::Boolean {
            let text = self.when.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(plan.error(format!("'{text}' is neither true nor false")).hint("write a comparison"));
        }
        Ok(something.and(when.expr.eq_missing(lit(true))))
    }

    /// The answers under helper names, to be joined on helper names of the inputs.
    fn table(plan: &Plan, lookup: &Lookup, helper: impl Fn(&str, usize) -> String) -> Result<DataFrame> {
        let mut columns = Vec::new();
        for (at, (name, asked)) in lookup.inputs().iter().zip(lookup.asked().columns()).enumerate() {
            columns.push(asked.cast(&plan.dtype(name)?).during(plan.place())?.with_name(helper("asked", at).into()));
        }
        for (at, answer) in lookup.answers().columns().iter().enumerate() {
            columns.push(answer.clone().with_name(helper("answer", at).into()));
        }
        let text = |name: &str| lookup.answers().column(name).and_then(|column| column.str().cloned());
        let (models, prompts) = (text(LLM_MODEL).during(plan.place())?, text(PROMPT_HASH).during(plan.place())?);
        let by = models.iter().zip(prompts.iter()).map(|(model, prompt)| {
            let prompt: String = prompt.unwrap_or_default().chars().take(8).collect();
            format!("model {}, task {}, prompt {prompt}", model.unwrap_or_default(), lookup.task())
        });
        let by = StringChunked::from_iter_values(helper("by", 0).into(), by);
        columns.push(by.into_column());
        DataFrame::new(lookup.len(), columns).during(plan.place())
    }
}

impl Apply for Llm {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let lookup = self.lookup(plan)?;
        let asked = self.is_asked(plan, &lookup)?;
        let count = plan.helper_name("");
        let helper = move |what: &str, at: usize| format!("{count}{what}_{at}");
        let table = Llm::table(plan, &lookup, &helper)?;
        let by = helper("by", 0);
        let keys: Vec<Expr> = (0..lookup.inputs().len()).map(|at| col(helper("asked", at))).collect();
        let inputs: Vec<Expr> = lookup.inputs().iter().map(|name| col(name.as_str())).collect();
        let mut helpers: Vec<String> = (0..lookup.answers().width()).map(|at| helper("answer", at)).collect();
        helpers.push(by.clone());
        plan.join_helpers(table, &inputs, &keys, helpers)?;
        // The condition may read columns that the answers replace.
        let touched = col(plan.keep("touched", asked.and(col(by.as_str()).is_not_null()))?);

        let outputs = lookup.outputs().iter().enumerate();
        let outputs: Vec<Expr> = outputs
            .map(|(at, (name, dtype))| answered(plan, &touched, col(helper("answer", at)), name, dtype))
            .collect();
        let place_of = |name: &str| lookup.answers().get_column_index(name).unwrap_or_default();
        let moment = DataType::Datetime(TimeUnit::Microseconds, None);
        let marks = [
            (LLM_MODEL, col(helper("answer", place_of(LLM_MODEL))), DataType::String),
            (CLEANING_TASK, lit(lookup.task()), DataType::String),
            (PROCESSED_AT, col(helper("answer", place_of(PROCESSED_AT))), moment),
        ];
        let mut origin = Vec::with_capacity(marks.len());
        for (name, value, dtype) in marks {
            if let Ok(found) = plan.dtype(name)
                && found != dtype
            {
                let (found, wanted) = (artifact::type_name(&found), artifact::type_name(&dtype));
                return Err(plan
                    .error(format!("column '{name}' is {found}, but the step keeps {wanted} there"))
                    .hint("rename it first"));
            }
            origin.push(answered(plan, &touched, value, name, &dtype));
        }
        plan.set_by(outputs, &by)?;
        plan.put(origin)
    }
}

/// `answer` where the model touched the row; elsewhere the column as it is, or empty cells of a new one.
fn answered(plan: &Plan, touched: &Expr, answer: Expr, name: &str, dtype: &DataType) -> Expr {
    let otherwise = match plan.schema().contains(name) {
        true => col(name),
        false => lit(NULL).cast(dtype.clone()),
    };
    when(touched.clone()).then(answer).otherwise(otherwise).alias(name)
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
