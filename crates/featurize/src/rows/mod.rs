//! Features of rows, each as of its own time.
//!
//! | file | responsibility |
//! |---|---|
//! | `spec` | the shapes of the YAML |
//! | `plan`, `fit` | the spec checked against the tables' columns; no feature reads its own row's label |
//! | `grouping` | rows grouped by key and sorted by time |
//! | `window`, `fold`, `bag` | aggregates over windows of strictly earlier rows, group by group |
//! | `late` | rows and columns that became known after their time |
//! | `earlier` | the aggregates by name |
//! | `near`, `places` | nearest places and places within a radius, on the sphere |
//! | `compute` | all features of all rows |
//! | `table` | which rows are learned from and which are scored; books, schemas |
//! | `dictionary` | the data dictionary |
//! | `reference`, `proof` | the plain definitions of all features, and the proof that uses them |

mod bag;
mod compute;
mod dictionary;
mod earlier;
mod fit;
mod fold;
mod grouping;
mod late;
mod near;
mod places;
mod plan;
mod proof;
mod reference;
mod spec;
mod table;
mod window;

pub use plan::Open;
pub use proof::prove;
pub use spec::{
    CountWithin, Examples, Lookup, Metres, Names, Nearest, Past, RowFeature, RowFeatures, RowLabel, RowLabelKind,
    RowSpec, Score,
};
pub use table::build;

#[cfg(test)]
mod tests;
