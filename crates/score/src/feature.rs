//! What a model knows of its input columns: names, types and categories, inferred from a table once and
//! compared with every later one.

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{DataFrame, DataType, Schema, Series};
use serde::{Deserialize, Serialize};
use spec::{Error, Result, did_you_mean};

/// More distinct texts than this in one column are names of things, not categories.
pub const MAX_CATEGORIES: usize = 65_536;

/// What a model needs to know of an input column: part of its signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    pub name: String,
    /// The column's type as YAML names it, such as `int64`.
    #[serde(rename = "type")]
    pub column_type: String,
    #[serde(flatten)]
    pub kind: FeatureKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum FeatureKind {
    /// Numbers, booleans (0, 1), dates (days) and timestamps (seconds).
    Numeric,
    /// Text; its code is the position in `categories` (sorted); an unknown one is missing.
    Categorical { categories: Vec<String> },
}

impl Feature {
    /// A numeric feature of type `float64`.
    pub fn numeric(name: impl Into<String>) -> Feature {
        Feature { name: name.into(), column_type: "float64".to_owned(), kind: FeatureKind::Numeric }
    }

    /// A text feature with these categories, which are sorted here.
    pub fn categorical(name: impl Into<String>, categories: impl IntoIterator<Item = impl Into<String>>) -> Feature {
        let mut categories: Vec<String> = categories.into_iter().map(Into::into).collect();
        categories.sort();
        categories.dedup();
        Feature { name: name.into(), column_type: "string".to_owned(), kind: FeatureKind::Categorical { categories } }
    }

    /// The categories in order of their codes; `None` for a number.
    pub fn categories(&self) -> Option<&[String]> {
        match &self.kind {
            FeatureKind::Numeric => None,
            FeatureKind::Categorical { categories } => Some(categories),
        }
    }

    /// What the columns `names` of `df` are: text is categorical, with all its values sorted; numbers, booleans,
    /// dates and timestamps are numeric. A type that no model can use, a column that is missing and text with more
    /// than [`MAX_CATEGORIES`] values are errors.
    pub fn infer(df: &DataFrame, names: &[String]) -> Result<Vec<Feature>> {
        names.iter().map(|name| infer_one(df, name)).collect()
    }

    /// Whether a table of `schema` has the columns `features` with their types. If not, the error lists every
    /// difference: the table must not be scored by this model.
    pub fn check_signature(features: &[Feature], schema: &Schema) -> Result<()> {
        let mut missing = Vec::new();
        let mut changed = Vec::new();
        for feature in features {
            match schema.get(&feature.name) {
                None => missing.push(format!("'{}'", feature.name)),
                Some(dtype) if type_name(dtype) != feature.column_type => {
                    changed.push(format!("'{}' is {}, was {}", feature.name, type_name(dtype), feature.column_type));
                }
                Some(_) => {}
            }
        }
        let mut differences = Vec::new();
        if !missing.is_empty() {
            differences.push(format!("missing columns: {}", missing.join(", ")));
        }
        if !changed.is_empty() {
            differences.push(format!("changed types: {}", changed.join(", ")));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::refused(format!("the table does not fit the model's signature: {}", differences.join("; ")))
            .hint("make the features with the spec that the model was trained on, or train again"))
    }
}

fn infer_one(df: &DataFrame, name: &str) -> Result<Feature> {
    let column = df.column(name).map_err(|_| {
        Error::cannot_run(format!("no column '{name}'"))
            .hint(did_you_mean(name, df.get_column_names().into_iter().map(|name| name.as_str())))
    })?;
    let series = column.as_materialized_series();
    let kind = match series.dtype() {
        DataType::String | DataType::Categorical(..) | DataType::Enum(..) => {
            FeatureKind::Categorical { categories: categories_of(series)? }
        }
        dtype if is_number_like(dtype) => FeatureKind::Numeric,
        other => {
            return Err(Error::cannot_run(format!("column '{name}' is {}, which no model can use", type_name(other)))
                .hint("leave it out, or derive a number or a text from it"));
        }
    };
    Ok(Feature { name: name.to_owned(), column_type: type_name(series.dtype()), kind })
}

/// Whether the matrix takes values of this type as numbers.
pub fn is_number_like(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric()
        || matches!(dtype, DataType::Boolean | DataType::Date | DataType::Datetime(..) | DataType::Decimal(..))
}

fn categories_of(series: &Series) -> Result<Vec<String>> {
    let place = format!("column '{}'", series.name());
    let distinct = series.unique().during(&place)?;
    if distinct.len() > MAX_CATEGORIES {
        return Err(Error::cannot_run(format!(
            "{place} has {} distinct texts, more than the {MAX_CATEGORIES} that can be categories",
            distinct.len()
        ))
        .hint("leave it out, or group its values"));
    }
    let texts = distinct.cast(&DataType::String).during(&place)?;
    let mut categories: Vec<String> = texts.str().during(&place)?.iter().flatten().map(str::to_owned).collect();
    categories.sort();
    Ok(categories)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;
    use polars::prelude::*;

    fn table() -> DataFrame {
        df!(
            "n" => [Some(1i64), None, Some(3)],
            "city" => [Some("Ulm"), Some("Bonn"), None],
            "ok" => [true, false, true],
            "list" => [Series::new("".into(), [1]), Series::new("".into(), [2]), Series::new("".into(), [3])],
        )
        .unwrap()
    }

    #[test]
    fn text_becomes_sorted_categories_and_the_rest_numbers() {
        let features = Feature::infer(&table(), &["city".into(), "n".into(), "ok".into()]).unwrap();
        assert_eq!(features[0], Feature::categorical("city", ["Bonn", "Ulm"]));
        assert_eq!((features[1].column_type.as_str(), &features[1].kind), ("int64", &FeatureKind::Numeric));
        assert_eq!((features[2].column_type.as_str(), &features[2].kind), ("bool", &FeatureKind::Numeric));
    }

    #[test]
    fn what_cannot_be_a_feature_is_named() {
        let error = |name: &str| Feature::infer(&table(), &[name.to_owned()]).unwrap_err().to_string();
        assert_eq!(
            error("list"),
            "column 'list' is list[i32], which no model can use; leave it out, or derive a number or a text from it"
        );
        assert_eq!(error("cty"), "no column 'cty'; did you mean 'city'?");
    }

    #[test]
    fn a_signature_mismatch_lists_every_difference() {
        let features = Feature::infer(&table(), &["city".into(), "n".into(), "ok".into()]).unwrap();
        assert!(Feature::check_signature(&features, table().schema()).is_ok());
        let other = df!("n" => ["1"], "extra" => [1]).unwrap();
        let error = Feature::check_signature(&features, other.schema()).unwrap_err();
        assert_eq!(error.class(), spec::Class::Refused);
        assert_eq!(
            error.to_string(),
            "the table does not fit the model's signature: missing columns: 'city', 'ok'; changed types: 'n' is \
             string, was int64; make the features with the spec that the model was trained on, or train again"
        );
    }

    #[test]
    fn a_feature_keeps_its_story_in_json() {
        let features = vec![Feature::numeric("n"), Feature::categorical("c", ["b", "a"])];
        let json = serde_json::to_string(&features).unwrap();
        assert_eq!(
            json,
            r#"[{"name":"n","type":"float64","kind":"numeric"},{"name":"c","type":"string","kind":"categorical","categories":["a","b"]}]"#
        );
        assert_eq!(serde_json::from_str::<Vec<Feature>>(&json).unwrap(), features);
    }
}
