//! What a version was made of: the features it reads, the label it learned, and what chose and weighed its rows.

use artifact::{ColumnOf, Lineage};
use learn::Trial;

/// The name of the one column of a version's lineage.
const MODEL: &str = "model";

/// The lineage of a version: it has no columns, so everything that it learned from is under the name `model`.
pub fn lineage(trial: &Trial) -> Lineage {
    let spec = &trial.spec;
    let of_spec = [Some(&spec.label), Some(&spec.entity), spec.time.as_ref(), spec.weight.as_ref()];
    let of_spec = of_spec.into_iter().chain([spec.label_known_at.as_ref()]).flatten();
    let features = trial.model.features().iter().map(|feature| &feature.name);
    let mut lineage = Lineage::default();
    lineage.add(MODEL, features.chain(of_spec).map(|column| ColumnOf::new(&spec.table, column)));
    lineage
}
