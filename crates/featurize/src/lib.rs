//! Features of entities as of cutoff dates, of rows as of their own time, and of series for the periods ahead, with no look
//! into the future.
//!
//! [`FeaturesSpec`] is `features.yaml`; [`build`] computes the training and the scoring table; [`prove`]
//! recomputes a sample of what was published from only the rows before each cutoff. Each of the three shapes has a folder.
//!
//! | folder or file | responsibility |
//! |---|---|
//! | `shape`, `named` | which of the three shapes a file has, and what they share |
//! | `cutoffs` | features of entities, as of cutoff dates |
//! | `rows` | features of rows, each as of its own time |
//! | `series` | features of series, for the periods ahead |
//! | `planned` | the spec checked against the tables' columns: what is computed, as data |
//! | `clock` | how a time column counts, and when days begin, in a zone too |
//! | `known`, `changes` | when rows and columns became known, once or more often |
//! | `days` | on which days rows lie, and which lie alone |
//! | `eval` | SQL expressions over rows in memory |
//! | `interner` | codes for distinct values |
//! | `as_of` | columns of other tables by key, as of a time |
//! | `prepared` | features of single entities or rows, now |
//! | `definitions` | what each feature means, with a hash, for those who learn from it |
//! | `lineage` | from which columns features, label and rows come |
//! | `almanac`, `reference`, `falsify` | what proofs use and nothing else does: a calendar, the plain definitions of all aggregates, another future |
//!
//! # Types
//!
//! Counts, distinct counts and whole days are Int64 (so that differences in SQL cannot wrap around), everything else
//! that is computed is Float64; first, last and most frequent values of texts, dates and truths keep their
//! type (categories become texts), first and last numbers become Float64. There is no NaN and no infinity: what is
//! undefined is null. Sums and counts over no rows are 0.

mod almanac;
mod as_of;
mod changes;
mod clock;
mod cutoffs;
mod days;
mod definitions;
mod eval;
mod falsify;
mod interner;
mod known;
mod lineage;
mod named;
mod planned;
mod prepared;
mod reference;
mod rows;
mod series;
mod shape;

pub use changes::{Changes, Late};
pub use cutoffs::Calendar;
pub use cutoffs::parts;
pub use cutoffs::proof::Proof;
pub use cutoffs::spec::{
    At, Attribute, CUTOFF, CutoffSpec, Cutoffs, Entities, EntityFeature, Every, Features, Fraction, Label, LabelKind,
    LabelOf, Of, Quantile, Rows, Share, Sql,
};
pub use cutoffs::table::{FeatureSet, OfKeys};
pub use definitions::{Sources, definitions, with_features};
pub use known::Known;
pub use lineage::lineage;
pub use planned::{Plan, plan};
pub use prepared::Prepared;
pub use rows::{
    CountWithin, Examples, Lookup, Metres, Names, Nearest, Open, Past, RowFeature, RowFeatures, RowLabel, RowLabelKind,
    RowSpec, Score,
};
pub use series::{Series, SeriesFeature, SeriesFeatures, SeriesLabel, SeriesSpec};
pub use shape::{FeaturesSpec, Today};

use ::spec::Result;
use polars::prelude::LazyFrame;

/// Features of rows, computed in parts.
pub mod row_parts {
    pub use crate::rows::Counted;
    pub use crate::rows::parts::{Made, Schedule, Settled, Whole};
}

/// Computes the features of `spec` from the tables that `open` opens by name. Rows dated after `today` do not move
/// cutoffs where they lie alone; labels of series are known once their period is over.
///
/// Errors: tables and columns that are unknown or of an unfit type (cannot run); no rows to learn from, or rows that
/// cannot be right, such as places off the globe (refused).
pub fn build(spec: &FeaturesSpec, open: Open, today: impl Into<Today>) -> Result<FeatureSet> {
    let today = today.into();
    match spec {
        FeaturesSpec::Cutoffs(spec) => cutoffs::table::build(spec, open, today.day),
        FeaturesSpec::Rows(spec) => rows::build(spec, open, today.day),
        FeaturesSpec::Series(spec) => series::build(spec, open, today),
    }
}

/// Recomputes up to `sample` rows of each published table, chosen by `seed`, from only what was known at their time.
///
/// Errors: a difference is refused and named by row, column and both values; tables that do not have the
/// columns of the spec cannot be proved.
pub fn prove(
    spec: &FeaturesSpec,
    open: Open,
    published_training: LazyFrame,
    published_scoring: LazyFrame,
    (sample, seed): (usize, u64),
    today: impl Into<Today>,
) -> Result<Proof> {
    let today = today.into();
    match spec {
        FeaturesSpec::Cutoffs(spec) => {
            cutoffs::proof::prove(spec, open, published_training, published_scoring, (sample, seed), today.day)
        }
        FeaturesSpec::Rows(spec) => {
            rows::prove(spec, open, published_training, published_scoring, (sample, seed), today.day)
        }
        FeaturesSpec::Series(spec) => {
            series::prove(spec, open, published_training, published_scoring, (sample, seed), today)
        }
    }
}
