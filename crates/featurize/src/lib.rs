//! Features of entities as of cutoff dates, of rows as of their own time, and of series for the periods ahead, with no look
//! into the future.
//!
//! [`FeaturesSpec`] is `features.yaml`; [`build`] computes the training and the scoring table; [`prove`]
//! recomputes a sample of what was published from only the rows before each cutoff. The second shape lies in `rows`, the third
//! in `series`.
//!
//! | file | responsibility |
//! |---|---|
//! | `shape` | which of the three shapes a file has |
//! | `spec` | the shapes of the YAML; SQL features see only features further up, and only their own row |
//! | `clock` | how a time column counts, and when days begin, in a zone too |
//! | `calendar` | the cutoffs of a run |
//! | `plan`, `planned` | the spec checked against the table's columns: what is computed, as data |
//! | `known`, `changes` | when rows and columns became known, once or more often |
//! | `days` | on which days rows lie, and which lie alone |
//! | `eval` | SQL expressions over rows in memory |
//! | `interner`, `compact`, `chunk`, `target`, `store` | the rows before the newest cutoff, in compact columns sorted by entity and time |
//! | `kernel`, `words` | aggregates over ranges of sorted rows |
//! | `as_of`, `attributes` | columns of other tables by key, as of a time |
//! | `table` | batches, books, schemas |
//! | `parts` | features of entities, each part of the entities by itself |
//! | `prepared` | features of single entities or rows, now |
//! | `dictionary` | the data dictionary |
//! | `definitions` | what each feature means, with a hash, for those who learn from it |
//! | `lineage` | from which columns features, label and rows come |
//! | `almanac`, `reference`, `falsify`, `proof` | a calendar of their own, the plain definitions of all aggregates, another future, and the proof by all three |
//!
//! # Why a kernel of our own
//!
//! A `group_by` per cutoff reads and hashes all rows once per cutoff, and masks them once per feature. The kernel
//! reads and sorts them once; a cutoff then costs two binary searches per entity and window and one loop per feature
//! over the rows in the window. 10 million rows of 200,000 entities, 8 training cutoffs and the newest, 25 features and
//! label, written as Parquet, on 2 cores that were shared with other work (so processor time says more than
//! wall time; Python with its own allocator):
//!
//! | | processor s | wall s | peak MB |
//! |---|---|---|---|
//! | Python polars, `group_by` per cutoff, streaming engine | not taken | 199 | 2,205 |
//! | Python polars, `group_by` per cutoff, columns read once | 92 | 118 to 258 | 1,974 to 1,988 |
//! | this kernel, with mimalloc | 10 | 15 | 939 |
//! | this kernel, with glibc, before rows were placed in order | 14 to 16 | 22 to 45 | 1,032 to 1,144 |
//!
//! Each is one run, or the range of a few, and load changed between them: measure again on an idle machine. Both
//! give the same 1,525,282 training rows; floats agree to 4e-13 of their value. Placing each batch in the order of
//! its places took the kernel from 12 to 10 or 11 processor seconds. The peak comes while the table is read: the
//! rows kept are about 330 MB, and reading the same columns without keeping any of them peaks at 580 MB with
//! mimalloc (334 with glibc's allocator).
//!
//! # Types
//!
//! Counts, distinct counts and whole days are Int64 (so that differences in SQL cannot wrap around), everything else
//! that is computed is Float64; first, last and most frequent values of texts, dates and truths keep their
//! type (categories become texts), first and last numbers become Float64. There is no NaN and no infinity: what is
//! undefined is null. Sums and counts over no rows are 0.

mod almanac;
mod as_of;
mod attributes;
mod calendar;
mod changes;
mod chunk;
mod clock;
mod compact;
mod days;
mod definitions;
mod dictionary;
mod eval;
mod falsify;
mod interner;
mod kernel;
mod known;
mod lineage;
mod named;
pub mod parts;
mod plan;
mod planned;
mod prepared;
mod proof;
mod reference;
mod rows;
mod series;
mod shape;
mod spec;
mod store;
mod table;
mod target;
mod words;

pub use calendar::Calendar;
pub use changes::{Changes, Late};
pub use definitions::{Sources, definitions, with_features};
pub use known::Known;
pub use lineage::lineage;
pub use planned::{Plan, plan};
pub use prepared::Prepared;
pub use proof::Proof;
pub use rows::{
    CountWithin, Examples, Lookup, Metres, Names, Nearest, Open, Past, RowFeature, RowFeatures, RowLabel, RowLabelKind,
    RowSpec, Score,
};
pub use series::{Series, SeriesFeature, SeriesFeatures, SeriesLabel, SeriesSpec};
pub use shape::{FeaturesSpec, Today};
pub use spec::{
    At, Attribute, CUTOFF, CutoffSpec, Cutoffs, Entities, EntityFeature, Every, Features, Fraction, Label, LabelKind,
    LabelOf, Of, Quantile, Rows, Share, Sql,
};
pub use table::{FeatureSet, OfKeys};

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
        FeaturesSpec::Cutoffs(spec) => table::build(spec, open, today.day),
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
            proof::prove(spec, open, published_training, published_scoring, (sample, seed), today.day)
        }
        FeaturesSpec::Rows(spec) => {
            rows::prove(spec, open, published_training, published_scoring, (sample, seed), today.day)
        }
        FeaturesSpec::Series(spec) => {
            series::prove(spec, open, published_training, published_scoring, (sample, seed), today)
        }
    }
}

#[cfg(test)]
mod tests;
