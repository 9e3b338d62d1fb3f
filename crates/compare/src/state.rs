//! The state of a comparison, as a table.

use artifact::PolarsResultExt;
use polars::prelude::{Column, DataFrame};
use spec::Result;

use crate::{ArmJudgement, CompareSpec, Compared, Judgement};

/// A row per outcome and arm, the control first; none without a comparison.
pub fn table(found: Option<(&CompareSpec, &Judgement)>) -> Result<DataFrame> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    if let Some((spec, found)) = found {
        for at in 0..spec.outcomes().count() {
            if let Some(arm) = found.arms.first() {
                rows.push(Row { found, arm, compared: compared(arm, at), is_control: true });
            }
            for arm in &found.arms {
                rows.push(Row { found, arm, compared: compared(arm, at), is_control: false });
            }
        }
    }
    let texts = |name: &str, value: &dyn Fn(&Row<'_>) -> Option<String>| {
        Column::new(name.into(), rows.iter().map(value).collect::<Vec<_>>())
    };
    let floats = |name: &str, value: &dyn Fn(&Row<'_>) -> Option<f64>| {
        Column::new(name.into(), rows.iter().map(value).collect::<Vec<_>>())
    };
    let whole = |name: &str, value: &dyn Fn(&Row<'_>) -> Option<i64>| {
        Column::new(name.into(), rows.iter().map(value).collect::<Vec<_>>())
    };
    let of_challenger = |row: &Row<'_>| !row.is_control;
    let columns = vec![
        texts("outcome", &|row| Some(row.compared.outcome.clone())),
        texts("measure", &|row| Some(row.compared.measure.to_owned())),
        texts("arm", &|row| Some(if row.is_control { &row.found.control } else { &row.arm.arm }.clone())),
        texts("model_version", &|row| {
            Some(if row.is_control { &row.found.control_version } else { &row.arm.version }.clone())
        }),
        whole("keys", &|row| {
            Some(if row.is_control { row.compared.control_keys } else { row.compared.challenger_keys } as i64)
        }),
        floats("value", &|row| Some(if row.is_control { row.compared.control } else { row.compared.challenger })),
        floats("difference", &|row| of_challenger(row).then_some(row.compared.difference)),
        floats("relative", &|row| row.compared.relative.filter(|_| of_challenger(row))),
        floats("low", &|row| row.compared.sequential.low.filter(|_| of_challenger(row))),
        floats("high", &|row| row.compared.sequential.high.filter(|_| of_challenger(row))),
        floats("p", &|row| of_challenger(row).then_some(row.compared.sequential.p)),
        floats("p_single_look", &|row| of_challenger(row).then_some(row.compared.fixed.p)),
        texts("verdict", &|row| of_challenger(row).then(|| row.arm.verdict.to_string())),
        texts("because", &|row| of_challenger(row).then(|| row.arm.why.clone())),
        whole("more_keys", &|row| row.arm.need.filter(|_| of_challenger(row)).map(|need| need.more_keys as i64)),
        floats("days", &|row| row.arm.need.filter(|_| of_challenger(row))?.days),
        floats("sample_ratio_p", &|row| row.found.sample_ratio.p),
    ];
    DataFrame::new(rows.len(), columns).during("comparison")
}

struct Row<'a> {
    found: &'a Judgement,
    arm: &'a ArmJudgement,
    compared: &'a Compared,
    is_control: bool,
}

/// The outcome of this number: the primary one is the first.
fn compared(arm: &ArmJudgement, at: usize) -> &Compared {
    at.checked_sub(1).and_then(|at| arm.secondary.get(at)).unwrap_or(&arm.primary)
}
