//! What is computed of which series: a spec that fits its tables.

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{DataType, Schema, SchemaRef};
use serde::Serialize;
use spec::{Error, Result, Span, did_you_mean};

use super::holidays::{Country, Holiday};
use super::models::Forecaster;
use super::periods::Periods;
use super::spec::{
    Back, CountedFrom, Gaps, Missing, Negative, Renamed, Series, SeriesFeature, SeriesLookup, SeriesSpec,
};
use crate::clock::Clock;
use crate::cutoffs::plan::{dtype_of, type_of};
use crate::cutoffs::spec::{CUTOFF, Cutoffs};
use crate::known::known_at_name;
use crate::rows::{Names, Open};
use expr::RowExpr;
use values::Zone;
use values::form::is_text;

/// The column that names a series.
pub const SERIES: &str = "series";
/// The name of the series where the whole table is one.
pub const SINGLE: &str = "all";
/// The column of how many periods ahead an example is.
pub const HORIZON: &str = "horizon";

/// What is computed of earlier periods.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Op {
    Count,
    Sum,
    Mean,
    Min,
    Max,
    Std,
    /// At a share of the way from the smallest to the largest.
    Quantile(f64),
    First,
    Last,
    Recency,
    Tenure,
}

/// Which series belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Level {
    Series,
    /// Those with the same values in these columns.
    By(Vec<String>),
}

/// One value per period: of a series, or the sum over those of a level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// Nothing: 1 for each row.
    pub of: Option<RowExpr>,
    /// Other rows have no value; with `share` the value 0.
    pub filter: Option<RowExpr>,
    pub share: bool,
    pub level: Level,
}

/// How a feature is computed. Sources are places in [`SeriesPlan::sources`], lengths are numbers of periods.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum How {
    Window { op: Op, source: usize, window: Option<usize>, lag: usize, from: CountedFrom },
    Lag { source: usize, periods: usize, from: CountedFrom },
    Difference { source: usize, periods: usize },
    Ewm { source: usize, halflife: f64 },
    Forecast { source: usize, by: Forecaster },
    Holidays { on: Vec<Holiday>, country: Option<Country>, zone: Option<Zone> },
    Lookup(Lookup),
    Sql(RowExpr),
}

/// A column of another table by key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lookup {
    pub table: String,
    /// Columns of the example, and of the table.
    pub on: Vec<(String, String)>,
    pub take: String,
    pub missing: Missing,
    pub ends: Missing,
}

/// A spec that fits its tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesPlan {
    pub table: String,
    pub time: String,
    #[serde(serialize_with = "type_of")]
    pub time_type: DataType,
    pub clock: Clock,
    pub by: Vec<String>,
    pub every: Span,
    pub horizon: usize,
    pub series: SeriesRules,
    pub cutoffs: Option<Cutoffs>,
    pub label: String,
    pub label_sql: RowExpr,
    pub label_known_at: String,
    pub negative: Negative,
    pub sources: Vec<Source>,
    pub features: Vec<(String, How)>,
    /// The columns that are read of the table.
    pub needs: Vec<String>,
    #[serde(skip)]
    pub(super) schema: SchemaRef,
}

/// What the spec says of series, compared as it is written.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct SeriesRules(pub Series);

impl PartialEq for SeriesRules {
    fn eq(&self, other: &SeriesRules) -> bool {
        serde_json::to_value(&self.0).ok() == serde_json::to_value(&other.0).ok()
    }
}

impl SeriesSpec {
    /// The columns that every example carries, in order.
    pub fn carried(&self) -> Vec<String> {
        carried(&self.series.by.0, &self.time)
    }
}

fn carried(by: &[String], time: &str) -> Vec<String> {
    let mut names = vec![SERIES.to_owned()];
    names.extend(by.iter().filter(|name| *name != SERIES).cloned());
    names.extend([CUTOFF.to_owned(), time.to_owned(), HORIZON.to_owned()]);
    names
}

impl SeriesPlan {
    /// Checks `spec` against the tables.
    ///
    /// Errors (cannot run): unknown tables and columns, columns of an unfit type, and features that look at what is not
    /// known at the cutoff.
    pub fn new(spec: &SeriesSpec, open: Open) -> Result<SeriesPlan> {
        let table = spec.table.to_string();
        let place = format!("table '{table}'");
        let schema = open(&table)?.collect_schema().during(&place)?;
        let time_type = dtype_of(&schema, &spec.time, &format!("{place}: 'time'"))?;
        if matches!(time_type, DataType::Datetime(_, Some(_))) {
            return Err(Error::cannot_run(format!("{place}: column '{}' has a time zone", spec.time))
                .hint("cast it to datetime in clean.yaml, which gives times of UTC"));
        }
        let clock = Clock::of(&time_type, &spec.time, None)?;
        let rules = &spec.series;
        // Only whether spans are whole numbers of periods is asked of these.
        let periods = Periods::among(&[], rules.every, clock, rules.dated)?.without(rules.closed.as_ref(), &[])?;
        if let Some(span) = rules.active_within {
            periods.count(span, "series.active_within")?;
        }
        if let Some(span) = rules.history {
            periods.count(span, "series.history")?;
        }
        let mut plan = SeriesPlan {
            time: spec.time.clone(),
            time_type,
            clock,
            by: if rules.by.0.is_empty() { vec![SERIES.to_owned()] } else { rules.by.0.clone() },
            every: rules.every,
            horizon: rules.horizon as usize,
            series: SeriesRules(rules.clone()),
            cutoffs: spec.cutoffs.clone(),
            label: spec.label.name.clone(),
            label_sql: spec.label.is.sql().clone(),
            label_known_at: known_at_name(&spec.label.name),
            negative: spec.label.negative,
            sources: Vec::new(),
            features: Vec::new(),
            needs: Vec::new(),
            schema,
            table,
        };
        if plan.is_single() {
            if plan.schema.contains(SERIES) {
                return Err(Error::cannot_run(format!(
                    "{place} has a column '{SERIES}', but series.by names no column"
                ))
                .hint(format!("write `by: {SERIES}` if it tells series apart, else rename it in clean.yaml")));
            }
            let mut schema = (*plan.schema).clone();
            schema.with_column(SERIES.into(), DataType::String);
            plan.schema = schema.into();
        }
        plan.keys_fit()?;
        plan.label_fits()?;
        plan.rules_fit()?;
        if let Some(column) = rules.known_ahead.0.iter().find(|column| spec.made_of_label.contains(column)) {
            return Err(Error::cannot_run(format!(
                "series.known_ahead: clean computes '{column}' from the label, which is not known in advance"
            ))
            .hint("remove it there"));
        }
        for (name, feature) in spec.features.iter() {
            let place = format!("feature '{name}'");
            let how = plan.how(feature, &periods, &place, open)?;
            plan.name_fits(name, &how)?;
            plan.features.push((name.to_owned(), how));
        }
        for provenance in [artifact::FILE, artifact::ROW] {
            if plan.schema.contains(provenance) {
                plan.needs.push(provenance.to_owned());
            }
        }
        Ok(plan)
    }

    /// Whether the whole table is one series.
    pub fn is_single(&self) -> bool {
        self.rules().by.0.is_empty()
    }

    pub fn rules(&self) -> &Series {
        &self.series.0
    }

    /// The columns that every example carries, in order.
    pub fn carried(&self) -> Vec<String> {
        carried(&self.by, &self.time)
    }

    /// What is known at the cutoff of the period that is predicted, and features so far.
    pub(super) fn names(&self) -> Vec<String> {
        let features = self.features.iter().map(|(name, _)| name.clone());
        self.carried().into_iter().chain(self.rules().known_ahead.0.iter().cloned()).chain(features).collect()
    }

    fn read(&mut self, column: &str, place: &str) -> Result<DataType> {
        let dtype = dtype_of(&self.schema, column, place)?;
        if !self.needs.iter().any(|known| known == column) {
            self.needs.push(column.to_owned());
        }
        Ok(dtype)
    }

    fn keys_fit(&mut self) -> Result<()> {
        let time = self.time.clone();
        self.read(&time, "'time'")?;
        for column in self.by.clone() {
            let dtype = self.read(&column, "series.by")?;
            if !(is_text(&dtype) || dtype.is_integer() || dtype == DataType::Boolean) {
                return Err(Error::cannot_run(format!(
                    "series.by: '{column}' is {}, which does not name a series",
                    type_name(&dtype)
                ))
                .hint("cast it to string or int64 in clean.yaml"));
            }
            if column == time {
                return Err(Error::cannot_run(format!("series.by: '{column}' is the time"))
                    .hint("name the columns that tell series apart"));
            }
        }
        let is_series = self.by == [SERIES];
        let all: Vec<String> = self.by.iter().chain([&time]).chain(&self.rules().known_ahead.0).cloned().collect();
        let ours = [SERIES, CUTOFF, HORIZON];
        if let Some(name) = all.iter().find(|name| ours.contains(&name.as_str()) && !(is_series && *name == SERIES)) {
            return Err(Error::cannot_run(format!("column '{name}': every example has a column of this name"))
                .hint("rename yours in clean.yaml"));
        }
        Ok(())
    }

    fn label_fits(&mut self) -> Result<()> {
        let place = format!("label '{}'", self.label);
        let columns = self.label_sql.sql().columns();
        if columns.is_empty() {
            return Err(Error::cannot_run(format!("{place} reads no column")).hint("name the column to predict"));
        }
        for column in &columns {
            self.read(column, &place)?;
            if self.by.contains(column) || *column == self.time {
                return Err(Error::cannot_run(format!(
                    "{place} is computed from '{column}', a column of every example"
                ))
                .hint("name another column as the label"));
            }
            if self.rules().known_ahead.0.contains(column) {
                return Err(Error::cannot_run(format!(
                    "series.known_ahead: the label is computed from '{column}', which is not known in advance"
                ))
                .hint("remove it there"));
            }
        }
        self.is_number(&self.label_sql, &place)?;
        if self.carried().contains(&self.label) {
            return Err(Error::cannot_run(format!("{place}: every example has a column of this name"))
                .hint("call the label something else"));
        }
        Ok(())
    }

    fn rules_fit(&mut self) -> Result<()> {
        let rules = self.rules().clone();
        for column in &rules.known_ahead.0 {
            self.read(column, "series.known_ahead")?;
            if self.by.contains(column) || *column == self.time {
                return Err(Error::cannot_run(format!("series.known_ahead: '{column}' is in every example anyway"))
                    .hint("remove it there"));
            }
        }
        if let Gaps::Fill(filling) = &rules.gaps {
            for (column, value) in filling.iter() {
                let dtype = self.read(column, "series.gaps.fill")?;
                if self.by.contains(&column.to_owned()) || column == self.time {
                    return Err(Error::cannot_run(format!("series.gaps.fill: '{column}' is known of every gap"))
                        .hint("remove it there"));
                }
                if matches!(value, super::spec::Filling::Number(_)) && !dtype.is_primitive_numeric() {
                    return Err(Error::cannot_run(format!(
                        "series.gaps.fill: '{column}' is {}, and cannot be a number",
                        type_name(&dtype)
                    ))
                    .hint("write last, or leave it out"));
                }
            }
        }
        for renamed in &rules.renamed {
            if !self.by.contains(&renamed.column) {
                return Err(Error::cannot_run(format!("series.renamed: '{}' is not in series.by", renamed.column))
                    .hint(did_you_mean(&renamed.column, self.by.iter().map(String::as_str))));
            }
            let other = |other: &&Renamed| {
                (&other.column, &other.from, other.on) == (&renamed.column, &renamed.from, renamed.on)
                    && other.to != renamed.to
            };
            if let Some(other) = rules.renamed.iter().find(other) {
                return Err(Error::cannot_run(format!(
                    "series.renamed: '{}' has two new names from {} on, '{}' and '{}'",
                    renamed.from, renamed.on, renamed.to, other.to
                ))
                .hint("leave one of them"));
            }
        }
        Ok(())
    }

    /// Refuses what is not a number.
    fn is_number(&self, sql: &RowExpr, place: &str) -> Result<()> {
        let dtype = sql.sql().compile(&self.schema, place)?.dtype;
        match dtype.is_primitive_numeric() || dtype.is_decimal() || matches!(dtype, DataType::Boolean | DataType::Null)
        {
            true => Ok(()),
            false => Err(Error::cannot_run(format!("{place}: '{sql}' is {}, not a number", type_name(&dtype)))
                .hint(match is_text(&dtype) {
                    true => {
                        "if these are numbers, declare the column's type in ingest.yaml, where 'decimal' and 'thousands' say how \
                         they are written; else name a column of numbers"
                    }
                    false => "cast it in clean.yaml, or name a column of numbers",
                })),
        }
    }

    fn name_fits(&self, name: &str, how: &How) -> Result<()> {
        let is_column = matches!(how, How::Sql(sql) if sql.sql().text().trim() == name);
        if is_column {
            return Ok(());
        }
        let taken = name == self.label || name == self.label_known_at || self.names().iter().any(|known| known == name);
        match taken || self.schema.contains(name) {
            false => Ok(()),
            true => Err(Error::cannot_run(format!("feature '{name}': a column has this name already")).hint(format!(
                "call the feature something else, or write `{name}: {{sql: {name}}}` if it is that column"
            ))),
        }
    }

    fn source(
        &mut self,
        of: Option<&RowExpr>,
        filter: Option<&RowExpr>,
        share: bool,
        by: Option<&Names>,
        place: &str,
    ) -> Result<usize> {
        for column in of.into_iter().chain(filter).flat_map(|sql| sql.sql().columns()) {
            self.read(&column, place)?;
        }
        if let Some(sql) = of {
            self.is_number(sql, place)?;
        }
        if let Some(filter) = filter {
            let dtype = filter.sql().compile(&self.schema, place)?.dtype;
            if !matches!(dtype, DataType::Boolean | DataType::Null) {
                return Err(Error::cannot_run(format!("{place}: where '{filter}' gives {}", type_name(&dtype)))
                    .hint("write a condition, such as price > 0"));
            }
        }
        let level = match by {
            None => Level::Series,
            Some(names) => {
                for column in &names.0 {
                    self.read(column, place)?;
                    if *column == self.time || self.label_sql.sql().columns().contains(column) {
                        return Err(Error::cannot_run(format!("{place}: 'by': '{column}' is not a level of series"))
                            .hint("name columns that are the same in all rows of a series, or `[]` for all series"));
                    }
                }
                Level::By(names.0.clone())
            }
        };
        let source = Source { of: of.cloned(), filter: filter.cloned(), share, level };
        Ok(match self.sources.iter().position(|known| *known == source) {
            Some(place) => place,
            None => {
                self.sources.push(source);
                self.sources.len() - 1
            }
        })
    }

    fn how(&mut self, feature: &SeriesFeature, periods: &Periods, place: &str, open: Open) -> Result<How> {
        if let Some((word, back)) = feature.back() {
            return self.window(word, back, periods, place);
        }
        Ok(match feature {
            SeriesFeature::Lag(of) => {
                let lag = of.periods as usize;
                if of.counted_from == CountedFrom::Target && lag < self.horizon {
                    return Err(Error::cannot_run(format!(
                        "{place}: {lag} periods before the one that is predicted are not known at the cutoff when that is \
                         {} periods ahead",
                        self.horizon
                    ))
                    .hint(format!("write at least {} periods, or `counted_from: cutoff`", self.horizon)));
                }
                let source = self.source(Some(&of.of), None, false, of.by.as_ref(), place)?;
                How::Lag { source, periods: lag, from: of.counted_from }
            }
            SeriesFeature::Difference(of) => {
                let source = self.source(Some(&of.of), None, false, of.by.as_ref(), place)?;
                How::Difference { source, periods: of.periods.unwrap_or(1) as usize }
            }
            SeriesFeature::EwmMean(of) => {
                let source = self.source(Some(&of.of), None, false, of.by.as_ref(), place)?;
                How::Ewm { source, halflife: of.halflife.unwrap_or(f64::NAN) }
            }
            SeriesFeature::Ets(of) | SeriesFeature::Theta(of) => {
                let source = self.source(Some(&of.of), None, false, None, place)?;
                let (season, refit_every) = (of.season as usize, of.refit_every as usize);
                let by = match feature {
                    SeriesFeature::Ets(_) => Forecaster::Ets { season, refit_every },
                    _ => Forecaster::Theta { season, refit_every },
                };
                How::Forecast { source, by }
            }
            SeriesFeature::Croston(of) => {
                let source = self.source(Some(&of.of), None, false, None, place)?;
                How::Forecast { source, by: Forecaster::Croston { variant: of.variant, smoothing: of.smoothing } }
            }
            SeriesFeature::Holidays(of) => {
                if of.zone.is_some() && !self.every.is_of_clock() {
                    return Err(Error::cannot_run(format!("{place}: 'zone' is for periods of minutes or hours"))
                        .hint("leave it out: the periods are days already"));
                }
                How::Holidays { on: of.on.clone(), country: of.country, zone: of.zone }
            }
            SeriesFeature::Lookup(of) => How::Lookup(self.lookup(of, place, open)?),
            SeriesFeature::Sql(sql) => {
                let names = self.names();
                for column in sql.is.sql().columns() {
                    if names.contains(&column) {
                        continue;
                    }
                    return Err(match self.schema.contains(&column) {
                        false => Error::cannot_run(format!("{place}: no column or feature '{column}'"))
                            .hint(did_you_mean(&column, names.iter().map(String::as_str))),
                        true => Error::cannot_run(format!(
                            "{place} reads '{column}' of the period that is predicted, which is not known at the cutoff"
                        ))
                        .hint(format!(
                            "use earlier periods, such as {{lag: {{of: {column}, periods: 1}}}}; if it is known in advance, \
                             name it under series.known_ahead"
                        )),
                    });
                }
                How::Sql(sql.is.clone())
            }
            _ => return Err(Error::cannot_run(format!("{place}: not a feature of series"))),
        })
    }

    fn window(&mut self, word: &str, back: &Back, periods: &Periods, place: &str) -> Result<How> {
        let op = match word {
            "count" => Op::Count,
            "sum" => Op::Sum,
            "mean" | "share" => Op::Mean,
            "min" => Op::Min,
            "max" => Op::Max,
            "std" => Op::Std,
            "median" => Op::Quantile(0.5),
            "quantile" => Op::Quantile(back.q.map_or(0.5, |q| q.0)),
            "first" => Op::First,
            "last" => Op::Last,
            "recency" => Op::Recency,
            _ => Op::Tenure,
        };
        let count = |span: Option<Span>, what: &str| {
            span.map(|span| periods.count(span, &format!("{place}: {what}"))).transpose()
        };
        let (window, lag) = (count(back.window, "window")?, count(back.lag, "lag")?.unwrap_or(0));
        if back.counted_from == CountedFrom::Target && lag + 1 < self.horizon {
            let least = Span { count: self.every.count.saturating_mul(self.horizon as u32 - 1), ..self.every };
            return Err(Error::cannot_run(format!(
                "{place}: the window ends {lag} periods before the one that is predicted, and is not over at the cutoff when \
                 that is {} periods ahead",
                self.horizon
            ))
            .hint(format!("write `lag: {least}` or more, or `counted_from: cutoff`")));
        }
        let share = word == "share";
        let source = self.source(back.of.as_ref(), back.filter.as_ref(), share, back.by.as_ref(), place)?;
        Ok(How::Window { op, source, window, lag, from: back.counted_from })
    }

    fn lookup(&self, of: &SeriesLookup, place: &str, open: Open) -> Result<Lookup> {
        let table = of.of.to_string();
        if table == self.table {
            return Err(Error::cannot_run(format!(
                "{place}: table '{table}' holds the series themselves, later periods and their labels among them"
            ))
            .hint(format!(
                "use earlier periods, such as {{lag: {{of: {take}, periods: 1}}}}; if '{take}' is known in advance, name it under \
                 series.known_ahead and write {{sql: {take}}}",
                take = of.take
            )));
        }
        let schema: SchemaRef = open(&table)?.collect_schema().during(format!("table '{table}'"))?;
        let theirs = if of.theirs.0.is_empty() { &of.on.0 } else { &of.theirs.0 };
        let names = self.names();
        let whose = format!("{place}: table '{table}'");
        let check = |schema: &Schema, column: &String| dtype_of(schema, column, &whose);
        for (own, their) in of.on.0.iter().zip(theirs) {
            if !names.contains(own) {
                return Err(Error::cannot_run(format!(
                    "{place}: '{own}' is not known of the period that is predicted"
                ))
                .hint(did_you_mean(own, names.iter().map(String::as_str))));
            }
            check(&schema, their)?;
        }
        check(&schema, &of.take)?;
        Ok(Lookup {
            table,
            on: of.on.0.iter().cloned().zip(theirs.iter().cloned()).collect(),
            take: of.take.clone(),
            missing: of.missing,
            ends: of.ends,
        })
    }

    /// How many periods the features look back at most, of those that look at a certain one.
    pub(super) fn reach(&self) -> usize {
        let of = |(_, how): &(String, How)| match how {
            How::Lag { periods, .. } => *periods,
            How::Difference { periods, .. } => periods + 1,
            How::Window { window: Some(window), lag, .. } => window + lag,
            _ => 0,
        };
        self.features.iter().map(of).max().unwrap_or(0)
    }

    /// The source columns of a feature, for the data dictionary.
    pub fn columns(&self, how: &How) -> Vec<String> {
        let of = |source: &usize| {
            let Source { of, filter, level, .. } = &self.sources[*source];
            let mut names: Vec<String> = of.iter().chain(filter).flat_map(|sql| sql.sql().columns()).collect();
            if let Level::By(by) = level {
                names.extend(by.iter().cloned());
            }
            names
        };
        match how {
            How::Window { source, .. }
            | How::Lag { source, .. }
            | How::Difference { source, .. }
            | How::Ewm { source, .. }
            | How::Forecast { source, .. } => of(source),
            How::Holidays { .. } => vec![self.time.clone()],
            How::Lookup(lookup) => {
                let own = lookup.on.iter().map(|(own, _)| own.clone());
                own.chain([format!("{}.{}", lookup.table, lookup.take)]).collect()
            }
            How::Sql(sql) => sql.sql().columns(),
        }
    }
}
