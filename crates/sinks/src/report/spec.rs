//! What `html` in `export.yaml` says: the parts of a page, in their order.

use expr::RowExpr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Name};

use crate::{OutColumn, SortKey, Upstream};

/// A page. Example:
///
/// ```yaml
/// html:
///   title: Forecast
///   parts:
///     - text: Units of each store in the four weeks to come.
///     - lines:
///         x: week
///         by: [store]
///         lines:
///           - {table: sales, from: clean, y: units, name: sold, aggregate: sum}
///           - {table: scores, y: score, name: forecast, low: low, high: high}
///     - rows: {table: scores, sort: [{score: desc}], top: 20}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReportSpec {
    /// The heading of the page. Default: what the file's name begins with.
    pub title: Option<String>,
    /// What the page shows, from the top. Default: the first rows of the delivery's table.
    pub parts: Vec<Part>,
}

/// One part of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A heading: the parts below it belong together.
    Heading(String),
    /// Paragraphs of text, with an empty line between them.
    Text(String),
    /// The first rows of a table.
    Rows(RowsPart),
    /// Lines over time or over a number, with a band such as that of a forecast; one chart per group.
    Lines(LinesPart),
    /// Bars: one per name, the longest first.
    Bars(BarsPart),
    /// A metric of the model over its versions, on the test part of each.
    Metrics(MetricsPart),
    /// The versions that were in production, and every decision that led there.
    Champions(ChampionsPart),
    /// What moves the model in production most.
    Features(FeaturesPart),
    /// The last runs of the pipeline, from the run log.
    Runs(RunsPart),
}

/// How several rows of one group become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    Sum,
    Mean,
    Min,
    Max,
    /// How many rows have a value.
    Count,
}

/// The first rows of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowsPart {
    /// The table.
    pub table: Name,
    /// The stage whose output the table is in. Default: the stage that `export` reads.
    #[serde(default)]
    pub from: Option<Upstream>,
    /// Which rows are taken: an SQL condition on the columns of a row, such as `horizon = 1`. Default: all.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<RowExpr>,
    /// The title above the table.
    #[serde(default)]
    pub title: Option<String>,
    /// The columns, as under `columns` of a delivery. Default: all whose names do not begin with `_`.
    #[serde(default)]
    pub columns: Option<Vec<OutColumn>>,
    /// The order of the rows, as under `sort` of a delivery.
    #[serde(default)]
    pub sort: Vec<SortKey>,
    /// How many rows are shown, from 1 to 1000. Default: 20.
    #[serde(default = "twenty")]
    pub top: usize,
}

/// Lines, one chart per group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinesPart {
    /// The heading of the part, and the name of its chart if there are no groups.
    #[serde(default)]
    pub title: Option<String>,
    /// The column along the axis: dates, timestamps or numbers. Every table of `lines` has it.
    pub x: String,
    /// The columns whose values make a group, which has a chart of its own. Every table of `lines` has them. Default: one
    /// chart.
    #[serde(default)]
    pub by: Vec<String>,
    /// How many groups are shown, from 1 to 60: those with the largest sum of the first line. Default: 12.
    #[serde(default = "twelve")]
    pub groups: usize,
    /// How many places along the axis are shown, counted from its end: `52` shows the last year of a weekly table. Default: all.
    #[serde(default)]
    pub last: Option<usize>,
    /// Whether the axis of values begins at 0. Default: false.
    #[serde(default)]
    pub from_zero: bool,
    /// The lines, of one or several tables; at most three.
    pub lines: Vec<LineSpec>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineSpec {
    /// The table.
    pub table: Name,
    /// The stage whose output the table is in. Default: the stage that `export` reads.
    #[serde(default)]
    pub from: Option<Upstream>,
    /// Which rows are taken: an SQL condition on the columns of a row, such as `horizon = 1`. Default: all.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<RowExpr>,
    /// The column with the values.
    pub y: String,
    /// What the line is called. Default: the name of the column.
    #[serde(default)]
    pub name: Option<String>,
    /// The columns with the bounds of a band around the line; one line of a chart may have it. Bounds of several rows are never
    /// added up, since the sum of quantiles is not the quantile of the sum.
    #[serde(default)]
    pub low: Option<String>,
    #[serde(default)]
    pub high: Option<String>,
    /// What several rows of one group at one place become. Without it, two such rows are an error.
    #[serde(default)]
    pub aggregate: Option<Aggregate>,
}

/// Bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BarsPart {
    /// The table.
    pub table: Name,
    /// The stage whose output the table is in. Default: the stage that `export` reads.
    #[serde(default)]
    pub from: Option<Upstream>,
    /// Which rows are taken: an SQL condition on the columns of a row, such as `horizon = 1`. Default: all.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<RowExpr>,
    /// The title above the bars.
    #[serde(default)]
    pub title: Option<String>,
    /// The column that names a bar.
    pub name: String,
    /// The column that a bar is as long as.
    pub value: String,
    /// What several rows of one name become. Without it, two such rows are an error.
    #[serde(default)]
    pub aggregate: Option<Aggregate>,
    /// How many bars are shown, from 1 to 25: the longest ones. Default: 15.
    #[serde(default = "fifteen")]
    pub top: usize,
}

/// A metric over versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsPart {
    /// The title above the chart.
    pub title: Option<String>,
    /// The metric, as in `train.yaml`. Default: the first one that the versions have.
    pub metric: Option<String>,
}

/// The history of production.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChampionsPart {
    /// The title above the table.
    pub title: Option<String>,
    /// How many decisions are shown, the newest first, from 1 to 200. Default: 20.
    pub last: usize,
}

/// The strongest features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeaturesPart {
    /// The title above the chart.
    pub title: Option<String>,
    /// How many features are shown, from 1 to 25. Default: 15.
    pub top: usize,
}

/// The last runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunsPart {
    /// The title above the table.
    pub title: Option<String>,
    /// How many runs are shown, the newest first, from 1 to 200. Default: 20.
    pub last: usize,
}

fn twenty() -> usize {
    20
}

fn fifteen() -> usize {
    15
}

fn twelve() -> usize {
    12
}

impl Default for ChampionsPart {
    fn default() -> ChampionsPart {
        ChampionsPart { title: None, last: twenty() }
    }
}

impl Default for FeaturesPart {
    fn default() -> FeaturesPart {
        FeaturesPart { title: None, top: fifteen() }
    }
}

impl Default for RunsPart {
    fn default() -> RunsPart {
        RunsPart { title: None, last: twenty() }
    }
}

impl ReportSpec {
    /// The first value that is out of its range, or key that does not go with the others.
    pub fn fault(&self) -> Option<Error> {
        self.parts.iter().enumerate().find_map(|(at, part)| Some(part.fault()?.at(at).at("parts")))
    }

    /// The tables that the page reads, with the stages that they come from.
    pub fn tables(&self) -> Vec<(Option<Upstream>, &Name)> {
        self.parts
            .iter()
            .flat_map(|part| match part {
                Part::Rows(part) => vec![(part.from, &part.table)],
                Part::Bars(part) => vec![(part.from, &part.table)],
                Part::Lines(part) => part.lines.iter().map(|line| (line.from, &line.table)).collect(),
                _ => Vec::new(),
            })
            .collect()
    }

    /// Whether the page shows what the registry of models holds.
    pub fn shows_models(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Metrics(_) | Part::Champions(_) | Part::Features(_)))
    }
}

impl Part {
    fn fault(&self) -> Option<Error> {
        let range = |key: &str, found: usize, most: usize| {
            let wrong =
                || Error::cannot_run(format!("found {found}, expected a whole number from 1 to {most}")).at(key);
            (found == 0 || found > most).then(wrong)
        };
        match self {
            Part::Rows(part) => range("top", part.top, 1000).map(|error| error.at("rows")),
            Part::Bars(part) => range("top", part.top, 25).map(|error| error.at("bars")),
            Part::Features(part) => range("top", part.top, 25).map(|error| error.at("features")),
            Part::Champions(part) => range("last", part.last, 200).map(|error| error.at("champions")),
            Part::Runs(part) => range("last", part.last, 200).map(|error| error.at("runs")),
            Part::Lines(part) => part.fault().map(|error| error.at("lines")),
            Part::Heading(_) | Part::Text(_) | Part::Metrics(_) => None,
        }
    }
}

impl LinesPart {
    fn fault(&self) -> Option<Error> {
        if self.groups == 0 || self.groups > 60 {
            let error = Error::cannot_run(format!("found {}, expected a whole number from 1 to 60", self.groups));
            return Some(error.at("groups"));
        }
        if self.last == Some(0) {
            return Some(Error::cannot_run("found 0, expected a whole number from 1").at("last"));
        }
        if self.lines.is_empty() || self.lines.len() > 3 {
            let error = Error::cannot_run(format!("found {} lines; a chart has one to three", self.lines.len()));
            return Some(error.at("lines"));
        }
        for (at, line) in self.lines.iter().enumerate() {
            if line.low.is_some() != line.high.is_some() {
                let error = Error::cannot_run("a band needs both 'low' and 'high'").hint("name the other one as well");
                return Some(error.at(at).at("lines"));
            }
        }
        let with_band: Vec<usize> = (0..self.lines.len()).filter(|at| self.lines[*at].low.is_some()).collect();
        match with_band[..] {
            [_, second, ..] => {
                let error = Error::cannot_run("a chart has one band, and another line has it already");
                Some(error.hint("leave 'low' and 'high' out here").at(second).at("lines"))
            }
            _ => None,
        }
    }
}
