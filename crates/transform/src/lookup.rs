//! Answers of a language model as a table: inputs, answers, and which model answered when.

use artifact::{CLEANING_TASK, LLM_MODEL, PROCESSED_AT, PolarsResultExt};
use polars::prelude::*;
use spec::{Error, Result};

/// The column of [`Lookup::answer`] with the hash of the prompt. It does not reach the table.
pub const PROMPT_HASH: &str = "prompt_hash";

/// What a task reads and writes, and the answers that there are.
#[derive(Clone, Debug)]
pub struct Lookup {
    task: String,
    /// The version of the question: another wording, model or schema is another version.
    version: String,
    inputs: Vec<String>,
    outputs: Vec<(String, DataType)>,
    asked: DataFrame,
    answers: DataFrame,
}

impl Lookup {
    /// A task by its name, with the columns that it reads and those that it writes. Nothing is answered yet.
    ///
    /// Errors: no column is read or written, one is named twice, or an output has a name of the step's own.
    pub fn new(task: impl Into<String>, inputs: Vec<String>, outputs: Vec<(String, DataType)>) -> Result<Lookup> {
        let task = task.into();
        let written: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
        let read: Vec<&str> = inputs.iter().map(String::as_str).collect();
        for (names, what) in [(&read, "reads"), (&written, "writes")] {
            let wrong = |text: String| Error::cannot_run(format!("task '{task}' {what} {text}"));
            if names.is_empty() {
                return Err(wrong("no column".to_owned()).hint("name at least one"));
            }
            if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
                return Err(wrong(format!("column '{}' twice", twice.1)).hint("name it once"));
            }
        }
        if let Some(own) =
            written.iter().find(|name| [LLM_MODEL, CLEANING_TASK, PROCESSED_AT, PROMPT_HASH].contains(name))
        {
            return Err(Error::cannot_run(format!(
                "task '{task}' writes column '{own}', which the step 'llm' fills itself"
            ))
            .hint("choose another name"));
        }
        let asked: Schema = inputs.iter().map(|name| Field::new(name.as_str().into(), DataType::String)).collect();
        let answers = answer_schema(&outputs);
        let (asked, answers) = (DataFrame::empty_with_schema(&asked), DataFrame::empty_with_schema(&answers));
        Ok(Lookup { task, version: String::new(), inputs, outputs, asked, answers })
    }

    /// Sets what is asked of which model, in one word: where it differs, the columns that the answers fill have another
    /// meaning.
    pub fn of_version(self, version: String) -> Lookup {
        Lookup { version, ..self }
    }

    /// What is asked of which model, in one word.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Gives the answers, one row per distinct input: `asked` holds the task's input columns, `answers` its output
    /// columns, then [`LLM_MODEL`] (string), [`PROCESSED_AT`] (datetime, microseconds) and [`PROMPT_HASH`] (string).
    ///
    /// Errors: other columns or types, unequal heights, an input that occurs twice.
    pub fn answer(mut self, asked: DataFrame, answers: DataFrame) -> Result<Lookup> {
        let task = &self.task;
        let wrong = |what: String| Error::cannot_run(format!("answers of task '{task}': {what}"));
        let names: Vec<&str> = asked.get_column_names().into_iter().map(|name| name.as_str()).collect();
        if names != self.inputs {
            return Err(wrong(format!("the columns sent were {}, not {}", names.join(", "), self.inputs.join(", "))));
        }
        let schema = answer_schema(&self.outputs);
        if answers.schema().as_ref() != &schema {
            return Err(wrong(format!("they have the columns {}, not {}", list(answers.schema()), list(&schema))));
        }
        if asked.height() != answers.height() {
            return Err(wrong(format!("{} inputs, but {} answers", asked.height(), answers.height())));
        }
        let repeated = asked.is_duplicated().during(format!("answers of task '{task}'"))?;
        if let Some(at) = repeated.first_true_idx() {
            return Err(wrong(format!("input {} occurs twice", at + 1)));
        }
        self.asked = asked;
        self.answers = answers;
        Ok(self)
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The columns that the task reads.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The columns that the task writes, with their types.
    pub fn outputs(&self) -> &[(String, DataType)] {
        &self.outputs
    }

    /// How many distinct inputs are answered.
    pub fn len(&self) -> usize {
        self.asked.height()
    }

    /// Whether nothing is answered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The helper with the model that answered.
    pub(crate) fn by_helper(prefix: &str) -> String {
        format!("{prefix}by")
    }

    /// The helper with the answer's column `name`.
    pub(crate) fn answer_helper(&self, prefix: &str, name: &str) -> String {
        format!("{prefix}answer_{}", self.answers.get_column_index(name).unwrap_or_default())
    }

    /// The columns of [`Lookup::table`] that are joined on, in the order of the inputs.
    pub(crate) fn asked_helpers(&self, prefix: &str) -> Vec<String> {
        (0..self.inputs.len()).map(|at| format!("{prefix}asked_{at}")).collect()
    }

    /// The other columns of [`Lookup::table`].
    pub(crate) fn answer_helpers(&self, prefix: &str) -> Vec<String> {
        let answers = (0..self.answers.width()).map(|at| format!("{prefix}answer_{at}"));
        answers.chain([Lookup::by_helper(prefix)]).collect()
    }

    /// What was asked, as columns of the types of the inputs, and the answers, all under the names of helpers.
    pub(crate) fn table(&self, inputs: &[DataType], prefix: &str) -> PolarsResult<DataFrame> {
        let mut columns = Vec::new();
        for ((asked, name), dtype) in self.asked.columns().iter().zip(self.asked_helpers(prefix)).zip(inputs) {
            columns.push(asked.strict_cast(dtype)?.with_name(name.into()));
        }
        for (answer, name) in self.answers.columns().iter().zip(self.answer_helpers(prefix)) {
            columns.push(answer.clone().with_name(name.into()));
        }
        let (models, prompts) = (self.answers.column(LLM_MODEL)?.str()?, self.answers.column(PROMPT_HASH)?.str()?);
        let by = models.iter().zip(prompts.iter()).map(|(model, prompt)| {
            let prompt: String = prompt.unwrap_or_default().chars().take(8).collect();
            format!("model {}, task {}, prompt {prompt}", model.unwrap_or_default(), self.task)
        });
        columns.push(StringChunked::from_iter_values(Lookup::by_helper(prefix).into(), by).into_column());
        DataFrame::new(self.len(), columns)
    }
}

fn answer_schema(outputs: &[(String, DataType)]) -> Schema {
    let moment = DataType::Datetime(TimeUnit::Microseconds, None);
    let outputs = outputs.iter().map(|(name, dtype)| (name.as_str(), dtype.clone()));
    let origin = [(LLM_MODEL, DataType::String), (PROCESSED_AT, moment), (PROMPT_HASH, DataType::String)];
    outputs.chain(origin).map(|(name, dtype)| Field::new(name.into(), dtype)).collect()
}

fn list(schema: &Schema) -> String {
    let columns: Vec<String> =
        schema.iter().map(|(name, dtype)| format!("{name} ({})", artifact::type_name(dtype))).collect();
    columns.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(rows: usize) -> DataFrame {
        let text = vec!["x"; rows];
        let moments = Int64Chunked::from_vec(PROCESSED_AT.into(), vec![0; rows]);
        let moments = moments.into_column().cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
        let columns = vec![
            Column::new("clean".into(), &text),
            Column::new(LLM_MODEL.into(), &text),
            moments,
            Column::new(PROMPT_HASH.into(), &text),
        ];
        DataFrame::new(rows, columns).unwrap()
    }

    fn failure(asked: DataFrame, answers: DataFrame) -> String {
        task(&["text"], &["clean"]).unwrap().answer(asked, answers).unwrap_err().to_string()
    }

    fn task(inputs: &[&str], outputs: &[&str]) -> Result<Lookup> {
        let inputs = inputs.iter().map(|name| (*name).to_owned()).collect();
        let outputs = outputs.iter().map(|name| ((*name).to_owned(), DataType::String)).collect();
        Lookup::new("fix", inputs, outputs)
    }

    #[test]
    fn a_task_reads_and_writes_columns_of_its_own() {
        let failure = |inputs: &[&str], outputs: &[&str]| task(inputs, outputs).unwrap_err().to_string();
        assert_eq!(failure(&[], &["a"]), "task 'fix' reads no column; name at least one");
        assert_eq!(failure(&["a"], &["b", "b"]), "task 'fix' writes column 'b' twice; name it once");
        assert_eq!(
            failure(&["a"], &["llm_model"]),
            "task 'fix' writes column 'llm_model', which the step 'llm' fills itself; choose another name"
        );
        assert!(task(&["a"], &["a"]).unwrap().is_empty());
    }

    #[test]
    fn answers_must_fit_the_task() {
        assert_eq!(
            failure(df!("other" => ["a"]).unwrap(), answers(1)),
            "answers of task 'fix': the columns sent were other, not text"
        );
        assert_eq!(
            failure(df!("text" => ["a"]).unwrap(), answers(2)),
            "answers of task 'fix': 1 inputs, but 2 answers"
        );
        assert_eq!(
            failure(df!("text" => ["b", "a", "a"]).unwrap(), answers(3)),
            "answers of task 'fix': input 2 occurs twice"
        );
        assert_eq!(
            failure(df!("text" => ["a"]).unwrap(), df!("clean" => [1i64]).unwrap()),
            "answers of task 'fix': they have the columns clean (int64), not clean (string), llm_model (string), \
             processed_at (datetime), prompt_hash (string)"
        );
    }
}
