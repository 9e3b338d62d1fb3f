//! What is computed of which rows: a spec that fits its tables. `fit` makes it.

use std::collections::BTreeMap;

use polars::prelude::{DataType, LazyFrame, SchemaRef};
use serde::Serialize;
use spec::{Result, Span};

use super::spec::{Metres, Past, RowFeature, Score};
use crate::as_of::ByKey;
use crate::clock::Clock;
use crate::cutoffs::plan::type_of;
use crate::known::{Knowledge, Known};
use expr::RowExpr;

/// Opens a table of the clean stage by name.
pub type Open<'a> = &'a dyn Fn(&str) -> Result<LazyFrame>;

/// What is computed of the rows in a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Op {
    Count,
    Distinct,
    Sum,
    Mean,
    Min,
    Max,
    Std,
    /// At a share of the way from the smallest to the largest.
    Quantile(f64),
    Share,
    First,
    Last,
    Recency,
    Tenure,
    MeanGap,
}

impl Op {
    /// The aggregate that a feature is, and which rows it looks at; none if it is another kind.
    pub fn of(feature: &RowFeature) -> Option<(Op, &Past)> {
        Some(match feature {
            RowFeature::Count(past) => (Op::Count, past),
            RowFeature::Distinct(past) => (Op::Distinct, past),
            RowFeature::Sum(past) => (Op::Sum, past),
            RowFeature::Mean(past) => (Op::Mean, past),
            RowFeature::Min(past) => (Op::Min, past),
            RowFeature::Max(past) => (Op::Max, past),
            RowFeature::Std(past) => (Op::Std, past),
            RowFeature::Share(past) => (Op::Share, past),
            RowFeature::Median(past) => (Op::Quantile(0.5), past),
            RowFeature::Quantile(past) => (Op::Quantile(past.q.map_or(0.5, |q| q.0)), past),
            RowFeature::First(past) => (Op::First, past),
            RowFeature::Last(past) => (Op::Last, past),
            RowFeature::Recency(past) => (Op::Recency, past),
            RowFeature::Tenure(past) => (Op::Tenure, past),
            RowFeature::MeanGap(past) => (Op::MeanGap, past),
            RowFeature::Sql(_) | RowFeature::Nearest(_) | RowFeature::CountWithin(_) | RowFeature::Lookup(_) => {
                return None;
            }
        })
    }

    /// Whether it computes with numbers.
    pub fn computes(self) -> bool {
        matches!(self, Op::Sum | Op::Mean | Op::Min | Op::Max | Op::Std | Op::Quantile(_))
    }
}

/// An aggregate over earlier rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Earlier {
    pub op: Op,
    pub of: Option<RowExpr>,
    pub filter: Option<RowExpr>,
    /// The columns of the asking row, and those of the rows that are looked at.
    pub by: Vec<(String, String)>,
    pub window: Option<Span>,
    pub lag: Option<Span>,
    /// Another table, and its time.
    pub from: Option<(String, String)>,
    /// What of the rows that are looked at becomes known after their time, as far as this reads it.
    pub known: Knowledge,
}

/// A search among places.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Near {
    pub table: String,
    pub at: [String; 2],
    pub theirs: [String; 2],
    pub what: NearWhat,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum NearWhat {
    Distance,
    Column(String),
    Within(Metres, Option<RowExpr>),
}

/// How a feature is computed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum How {
    /// `late` if it depends on earlier rows.
    Sql {
        sql: RowExpr,
        late: bool,
    },
    Earlier(Earlier),
    Near(Near),
    ByKey(ByKey),
}

/// A spec that fits its tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowsPlan {
    pub table: String,
    pub key: Option<String>,
    pub time: String,
    #[serde(serialize_with = "type_of")]
    pub time_type: DataType,
    pub clock: Clock,
    pub label: String,
    pub label_sql: RowExpr,
    /// When the label is known, if later than the row.
    pub label_known: Option<Known>,
    /// The column of the training table that says from when on a row's label is known, if that is not the same for all.
    pub label_known_at: Option<String>,
    /// The columns that are known only with the label.
    pub hidden: Vec<String>,
    /// What of the own table becomes known after its rows' time, the columns of a delayed label among it.
    pub known: Knowledge,
    pub rows: Option<RowExpr>,
    pub score: Option<Score>,
    pub features: Vec<(String, How)>,
    /// The columns that are read of each table.
    pub needs: BTreeMap<String, Vec<String>>,
    #[serde(skip)]
    pub(super) schemas: BTreeMap<String, SchemaRef>,
    /// Columns and features that a feature may read of its own row, in order.
    pub(super) names: Vec<String>,
    /// Features that depend on earlier rows.
    pub(super) of_earlier_rows: Vec<String>,
}

impl RowsPlan {
    /// The source columns of a feature, for the data dictionary.
    pub fn sources(&self, how: &How) -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        let mut add = |table: Option<&str>, names: Vec<String>| {
            for name in names {
                let name = table.map_or(name.clone(), |table| format!("{table}.{name}"));
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
        };
        match how {
            How::Sql { sql, .. } => add(None, sql.sql().columns()),
            How::Earlier(of) => {
                let from = of.from.as_ref().map(|(table, _)| table.as_str());
                let time = of.from.as_ref().map_or(&self.time, |(_, time)| time);
                add(from, of.of.iter().flat_map(|sql| sql.sql().columns()).collect());
                add(None, of.by.iter().map(|(own, _)| own.clone()).collect());
                add(from, of.filter.iter().flat_map(|sql| sql.sql().columns()).collect());
                add(from, vec![time.clone()]);
                add(from, of.known.moments().map(str::to_owned).collect());
            }
            How::Near(near) => {
                add(None, near.at.to_vec());
                add(Some(&near.table), near.theirs.to_vec());
                match &near.what {
                    NearWhat::Column(column) => add(Some(&near.table), vec![column.clone()]),
                    NearWhat::Within(_, Some(filter)) => add(Some(&near.table), filter.sql().columns()),
                    _ => {}
                }
            }
            How::ByKey(lookup) => {
                add(None, lookup.on.iter().map(|(own, _)| own.clone()).collect());
                let theirs = lookup.theirs().split_off(lookup.on.len());
                add(Some(&lookup.table), theirs);
            }
        }
        columns
    }
}
