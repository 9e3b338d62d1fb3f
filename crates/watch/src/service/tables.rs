//! The report as tables.

use artifact::PolarsResultExt;
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series};
use spec::Result;

use super::{Levelled, ServiceLine};

pub(super) fn service(pipeline: &str, lines: &[ServiceLine]) -> Result<DataFrame> {
    let floats = |name: &str, value: &dyn Fn(&ServiceLine) -> Option<f64>| {
        Column::new(name.into(), lines.iter().map(value).collect::<Vec<_>>())
    };
    let texts = |name: &str, value: &dyn Fn(&ServiceLine) -> Option<String>| {
        Column::new(name.into(), lines.iter().map(value).collect::<Vec<_>>())
    };
    let whole = |name: &str, value: &dyn Fn(&ServiceLine) -> u64| {
        Column::new(name.into(), lines.iter().map(|line| value(line) as i64).collect::<Vec<_>>())
    };
    let days = Series::new("day".into(), lines.iter().map(|line| line.day).collect::<Vec<_>>());
    let columns = vec![
        texts("pipeline", &|_| Some(pipeline.to_owned())),
        days.cast(&DataType::Date).during("service")?.into_column(),
        texts("model_version", &|line| line.version.clone()),
        texts("arm", &|line| line.arm.clone()),
        whole("requests", &|line| line.tally.requests),
        whole("failed", &|line| line.tally.failed),
        floats("errors", &|line| line.tally.errors()),
        floats("fallbacks", &|line| line.tally.fallback_share()),
        floats("p50_ms", &|line| line.tally.quantile_ms(0.5)),
        floats("p95_ms", &|line| line.tally.quantile_ms(0.95)),
        floats("p99_ms", &|line| line.tally.quantile_ms(0.99)),
    ];
    DataFrame::new(lines.len(), columns).during("service")
}

pub(super) fn levels(pipeline: &str, levels: &[Levelled]) -> Result<DataFrame> {
    let floats = |name: &str, value: &dyn Fn(&Levelled) -> Option<f64>| {
        Column::new(name.into(), levels.iter().map(value).collect::<Vec<_>>())
    };
    let texts = |name: &str, value: &dyn Fn(&Levelled) -> Option<String>| {
        Column::new(name.into(), levels.iter().map(value).collect::<Vec<_>>())
    };
    let columns = vec![
        texts("pipeline", &|_| Some(pipeline.to_owned())),
        texts("level", &|level| Some(level.level.to_owned())),
        floats("value", &|level| level.value),
        floats("goal", &|level| Some(level.goal)),
        floats("alert", &|level| level.alert),
        texts("state", &|level| Some(level.state.name().to_owned())),
        texts("priority", &|level| level.priority.map(|priority| priority.to_string())),
        floats("burn_1h", &|level| level.burn[0]),
        floats("burn_6h", &|level| level.burn[1]),
        floats("burn_3d", &|level| level.burn[2]),
        floats("budget_left", &|level| level.budget_left),
        texts("found", &|level| Some(level.found.clone())),
    ];
    DataFrame::new(levels.len(), columns).during("levels")
}
