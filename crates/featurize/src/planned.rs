//! The plan of a spec: what is computed, of which rows, with which parameters. It holds no row and nothing of the engine that
//! carries it out: it can be shown, compared and written down (docs/adr/0014-plans-are-data.md).

use serde::Serialize;
use spec::Result;

use super::rows::Open;
use super::shape::FeaturesSpec;
use super::{rows, series};

/// What is computed, in each shape.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Per entity and cutoff.
    Cutoffs(Box<crate::cutoffs::CutoffsPlan>),
    /// Per row: of the row itself, of its earlier rows by key, of places and of other tables by key.
    Rows(Box<rows::RowsPlan>),
    /// Per series, cutoff and period of the horizon.
    Series(Box<series::SeriesPlan>),
}

/// Plans a spec. Of the tables that `open` opens only the columns are looked at.
///
/// Errors (cannot run): tables and columns that are unknown or of an unfit type, and features that leak.
pub fn plan(spec: &FeaturesSpec, open: Open) -> Result<Plan> {
    Ok(match spec {
        FeaturesSpec::Cutoffs(spec) => {
            let doing = format!("table '{}'", spec.table);
            let schema = artifact::PolarsResultExt::during(open(spec.table.as_str())?.collect_schema(), doing)?;
            Plan::Cutoffs(Box::new(crate::cutoffs::CutoffsPlan::new(spec, &schema, open)?))
        }
        FeaturesSpec::Rows(spec) => Plan::Rows(Box::new(rows::RowsPlan::new(spec, open)?)),
        FeaturesSpec::Series(spec) => Plan::Series(Box::new(series::SeriesPlan::new(spec, open)?)),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use polars::prelude::{DataFrame, DataType, IntoLazy, LazyFrame, Schema, TimeUnit};

    use super::*;

    /// A table of which nothing but the columns is there.
    fn open(_: &str) -> Result<LazyFrame> {
        let mut schema = Schema::default();
        for (name, dtype) in [
            ("who", DataType::String),
            ("at", DataType::Datetime(TimeUnit::Microseconds, None)),
            ("price", DataType::Float64),
        ] {
            schema.insert(name.into(), dtype);
        }
        Ok(DataFrame::empty_with_schema(&schema).lazy())
    }

    fn planned(text: &str) -> Plan {
        let spec = spec::parse::<FeaturesSpec>(text, Path::new("features.yaml"), &spec::Environment::default());
        plan(&spec.unwrap().spec, &open).unwrap()
    }

    const ROWS: &str = "table: t\ntime: at\nzone: Europe/Berlin\nrows: {}\nlabel: {name: y, is: {sql: price}}\n\
                        features:\n  mean: {mean: {of: price, by: who, window: 3mo}}\n";
    const CUTOFFS: &str = "table: t\nentity: who\ntime: at\ncutoffs: {every: 30d, count: 2}\n\
                           label: {name: y, horizon: 30d, is: no_rows}\nfeatures:\n  spent: {sum: {of: price, window: 90d}}\n";

    #[test]
    fn a_plan_is_data() {
        for (text, from, to) in [(ROWS, "3mo", "4mo"), (CUTOFFS, "90d", "91d"), (ROWS, "Berlin", "Paris")] {
            assert_eq!(planned(text), planned(text));
            assert_ne!(planned(text), planned(&text.replace(from, to)));
        }
        let json = serde_json::to_value(planned(ROWS)).unwrap();
        let feature = &json["rows"]["features"][0];
        assert_eq!(feature[0], "mean");
        let of = &feature[1]["Earlier"];
        assert_eq!((&of["op"], &of["of"], &of["window"]), (&"Mean".into(), &"price".into(), &"3mo".into()));
        assert_eq!(of["by"], serde_json::json!([["who", "who"]]));
        assert_eq!(json["rows"]["clock"]["zone"], "Europe/Berlin");
        let json = serde_json::to_value(planned(CUTOFFS)).unwrap();
        assert_eq!(json["cutoffs"]["numbers"], serde_json::json!(["price"]));
        assert_eq!(json["cutoffs"]["windows"], serde_json::json!([null, "90d"]));
    }
}
