//! Predictions added up over levels, such as those of all products of a store: totals that agree with what they are made of
//! (bottom-up).

use std::collections::BTreeMap;

use artifact::PolarsResultExt;
use polars::prelude::{Column, DataFrame, DataType, IdxCa, NewChunkedArray, Schema};
use spec::{Error, Result, did_you_mean};

use crate::{Manifest, Task};

const DOING: &str = "totals";
/// Columns of a table of series that say, beside the time, when and how far ahead a prediction is.
const WHEN: [&str; 2] = ["cutoff", "horizon"];
/// What makes a total, how many rows it is made of, and their sum.
const OURS: [&str; 4] = ["level", "total", "rows", "score"];

/// Adds up predictions over levels.
#[derive(Debug)]
pub struct Totals {
    /// The columns of each level; none for all rows together.
    levels: Vec<Vec<String>>,
    /// Columns that say when: totals are of equal values here.
    when: Vec<String>,
    schema: Schema,
    /// What was seen so far: `when`, the columns of the levels, and `score`.
    seen: Option<DataFrame>,
}

impl Totals {
    /// Totals of rows with the columns `rows`, which a version with this manifest has scored.
    ///
    /// Errors (cannot run): classes, which do not add up; a level of a column that is missing, or of numbers that are not whole.
    pub fn new(levels: &[Vec<String>], manifest: &Manifest, rows: &Schema) -> Result<Totals> {
        if manifest.task != Task::Regression {
            return Err(Error::cannot_run("totals: only predictions of numbers add up").hint("remove 'totals'"));
        }
        for column in levels.iter().flatten() {
            let known = rows.iter_names().map(|name| name.as_str());
            let dtype = rows.get(column).ok_or_else(|| {
                Error::cannot_run(format!("totals: no column '{column}' in the table that is scored"))
                    .hint(did_you_mean(column, known))
            })?;
            if dtype.is_float() {
                return Err(Error::cannot_run(format!("totals: column '{column}' is {}", artifact::type_name(dtype)))
                    .hint("name columns of texts, whole numbers or dates"));
            }
        }
        let when = manifest.time.iter().map(String::as_str).chain(WHEN.into_iter().filter(|name| rows.contains(name)));
        let when: Vec<String> = when.map(str::to_owned).collect();
        let mut schema = Schema::default();
        schema.with_column(OURS[0].into(), DataType::String);
        schema.with_column(OURS[1].into(), DataType::String);
        for name in &when {
            let dtype = rows.get(name).ok_or_else(|| Error::cannot_run(format!("totals: no column '{name}'")))?;
            if OURS.contains(&name.as_str()) {
                return Err(Error::cannot_run(format!("column '{name}': totals have a column of this name"))
                    .hint("give it another name in features.yaml or clean.yaml, and train again"));
            }
            schema.with_column(name.as_str().into(), dtype.clone());
        }
        schema.with_column(OURS[2].into(), DataType::Int64);
        schema.with_column(OURS[3].into(), DataType::Float64);
        Ok(Totals { levels: levels.to_vec(), when, schema, seen: None })
    }

    /// The columns of the table of totals.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Takes in rows with their scores.
    pub fn observe(&mut self, rows: &DataFrame, scores: &DataFrame) -> Result<()> {
        let mut columns: Vec<Column> = Vec::new();
        for name in self.when.iter().chain(self.levels.iter().flatten()) {
            if !columns.iter().any(|column| column.name() == name.as_str()) {
                columns.push(rows.column(name).during(DOING)?.clone());
            }
        }
        // A level may have a column of the name of ours.
        let score = scores.column("score").during(DOING)?.clone().with_name(" score".into());
        columns.push(score);
        let part = DataFrame::new(rows.height(), columns).during(DOING)?;
        match &mut self.seen {
            Some(seen) => seen.vstack_mut(&part).map(drop).during(DOING)?,
            None => self.seen = Some(part),
        }
        Ok(())
    }

    /// A line per level, total and time, in this order. A missing value of a level counts as one of its own.
    pub fn table(&self) -> Result<DataFrame> {
        let Some(seen) = &self.seen else { return Ok(DataFrame::empty_with_schema(&self.schema)) };
        let texts = |name: &String| -> Result<Vec<Option<String>>> {
            let column = seen.column(name).during(DOING)?.cast(&DataType::String).during(DOING)?;
            Ok(column.str().during(DOING)?.iter().map(|text| text.map(str::to_owned)).collect())
        };
        let scores = seen.column(" score").during(DOING)?;
        let scores: Vec<f64> = scores.f64().during(DOING)?.iter().map(Option::unwrap_or_default).collect();
        let when = self.when.iter().map(texts).collect::<Result<Vec<_>>>()?;
        let (mut level_of, mut total_of) = (Vec::new(), Vec::new());
        let (mut first, mut counts, mut sums) = (Vec::new(), Vec::new(), Vec::new());
        for level in &self.levels {
            let parts = level.iter().map(texts).collect::<Result<Vec<_>>>()?;
            // By the texts of its level and of its time: the first row, the number of rows, and their sum.
            let mut all = BTreeMap::<(Texts<'_>, Texts<'_>), (u32, i64, f64)>::new();
            for (row, score) in scores.iter().enumerate() {
                let key = (of_row(&parts, row), of_row(&when, row));
                let sum = all.entry(key).or_insert((row as u32, 0, 0.0));
                (sum.1, sum.2) = (sum.1 + 1, sum.2 + score);
            }
            for ((parts, _), (row, count, sum)) in all {
                level_of.push(if level.is_empty() { "all".to_owned() } else { level.join("/") });
                total_of.push(match parts.as_slice() {
                    [] => "all".to_owned(),
                    [one] => shown(*one).to_owned(),
                    several => spec::text::joined(several.iter().map(|part| shown(*part))),
                });
                first.push(row);
                counts.push(count);
                sums.push(sum);
            }
        }
        let first = IdxCa::from_slice("".into(), &first);
        let mut columns = vec![Column::new(OURS[0].into(), level_of), Column::new(OURS[1].into(), total_of)];
        for name in &self.when {
            columns.push(seen.column(name).during(DOING)?.take(&first).during(DOING)?);
        }
        columns.push(Column::new(OURS[2].into(), counts));
        columns.push(Column::new(OURS[3].into(), sums));
        DataFrame::new(first.len(), columns).during(DOING)
    }
}

/// Texts of one row, from several columns. A missing one is not the text `missing`.
type Texts<'a> = Vec<Option<&'a str>>;

fn of_row(columns: &[Vec<Option<String>>], row: usize) -> Texts<'_> {
    columns.iter().map(|column| column[row].as_deref()).collect()
}

fn shown(text: Option<&str>) -> &str {
    text.unwrap_or("missing")
}

#[cfg(test)]
mod tests {
    use polars::prelude::{NamedFrom, Series, df};

    use super::*;

    fn rows() -> DataFrame {
        let mut rows = df!("store" => ["a", "a", "b", "b"], "region" => [Some("n"), Some("n"), None, None],
            "horizon" => [1i64, 2, 1, 2])
        .unwrap();
        let week = Series::new("week".into(), [10i32, 17, 10, 17]).cast(&DataType::Date).unwrap();
        rows.with_column(week.into()).unwrap();
        rows
    }

    #[test]
    fn totals_agree_with_what_they_are_made_of() {
        let manifest =
            Manifest { time: Some("week".to_owned()), task: Task::Regression, ..crate::manifest::example("v1") };
        let levels = [vec!["region".to_owned()], vec!["store".to_owned(), "region".to_owned()], Vec::new()];
        let mut totals = Totals::new(&levels, &manifest, rows().schema()).unwrap();
        let scores = df!("score" => [1.5, 2.0, 4.0, 8.0]).unwrap();
        totals.observe(&rows().slice(0, 3), &scores.slice(0, 3)).unwrap();
        totals.observe(&rows().slice(3, 1), &scores.slice(3, 1)).unwrap();
        let found = totals.table().unwrap();
        assert_eq!(found.schema().as_ref(), totals.schema());
        let line = |row: usize| {
            let cells = found.columns().iter().map(|column| column.get(row).unwrap().str_value().into_owned());
            cells.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            (0..found.height()).map(line).collect::<Vec<_>>(),
            [
                "region missing 1970-01-11 1 1 4.0",
                "region missing 1970-01-18 2 1 8.0",
                "region n 1970-01-11 1 1 1.5",
                "region n 1970-01-18 2 1 2.0",
                "store/region a/n 1970-01-11 1 1 1.5",
                "store/region a/n 1970-01-18 2 1 2.0",
                "store/region b/missing 1970-01-11 1 1 4.0",
                "store/region b/missing 1970-01-18 2 1 8.0",
                "all all 1970-01-11 1 2 5.5",
                "all all 1970-01-18 2 2 10.0",
            ]
        );
        // A region that is called so is another one, and no two totals have one name because of a `/` within a value.
        let named = df!("store" => ["a/b", "a", "a", "a"], "region" => [Some("c"), Some("b/c"), Some("missing"), None],
            "horizon" => [1i64; 4], "week" => [10i32; 4])
        .unwrap();
        let mut totals = Totals::new(&levels[..2], &manifest, named.schema()).unwrap();
        totals.observe(&named, &scores).unwrap();
        let found = totals.table().unwrap();
        let of = |row: usize| {
            let cell = |name: &str| found.column(name).unwrap().get(row).unwrap().str_value().into_owned();
            format!("{} {} {}", cell("level"), cell("total"), cell("score"))
        };
        assert_eq!(
            (0..found.height()).map(of).collect::<Vec<_>>(),
            [
                "region missing 8.0",
                "region b/c 2.0",
                "region c 1.5",
                "region missing 4.0",
                "store/region a/missing 8.0",
                "store/region a/b\\/c 2.0",
                "store/region a/missing 4.0",
                "store/region a\\/b/c 1.5",
            ]
        );
        let error = |levels: &[Vec<String>], manifest: &Manifest| {
            Totals::new(levels, manifest, rows().schema()).unwrap_err().to_string()
        };
        assert_eq!(
            error(&[vec!["stroe".to_owned()]], &manifest),
            "totals: no column 'stroe' in the table that is scored; did you mean 'store'?"
        );
        let classes = Manifest { task: Task::Classification, ..manifest };
        assert_eq!(error(&levels, &classes), "totals: only predictions of numbers add up; remove 'totals'");
    }
}
