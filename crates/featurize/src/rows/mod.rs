//! Features of rows, each as of its own time.
//!
//! | file | responsibility |
//! |---|---|
//! | `spec` | the shapes of the YAML |
//! | `plan`, `fit` | the spec checked against the tables' columns; no feature reads its own row's label |
//! | `keys`, `sorted`, `grouping` | rows grouped by key and sorted by time |
//! | `reach`, `window`, `tree`, `fold`, `bag` | aggregates over windows of strictly earlier rows, group by group |
//! | `late` | rows and columns that became known after their time |
//! | `window_rows`, `earlier` | the aggregates by name, ready to be asked by a whole table or by single rows |
//! | `near`, `places` | nearest places and places within a radius, on the sphere |
//! | `compute` | all features of all rows |
//! | `prepared` | the features of single rows, which need not be in the table |
//! | `table` | which rows are learned from and which are scored; books, schemas |
//! | `parts` | features computed in parts, a round for each grouping |
//! | `dictionary` | the data dictionary |
//! | `reference`, `proof` | the plain definitions of all features, and the proof that uses them |

mod bag;
pub mod compute;
mod dictionary;
mod earlier;
mod fit;
mod fold;
mod grouping;
pub mod keys;
mod late;
mod near;
pub mod parts;
mod places;
mod plan;
mod prepared;
mod proof;
mod reach;
mod reference;
mod sorted;
mod spec;
mod table;
mod tree;
mod window;
mod window_rows;

pub use plan::{How, NearWhat, Op, Open, RowsPlan};
pub use prepared::Prepared;
pub use proof::prove;
pub use spec::{
    CountWithin, Examples, Lookup, Metres, Names, Nearest, Past, RowFeature, RowFeatures, RowLabel, RowLabelKind,
    RowSpec, Score,
};
pub use table::{Counted, build};

#[cfg(test)]
mod tests;
