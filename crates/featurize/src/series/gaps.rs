//! Periods that are missing in a series: refused, left without values, or filled.

use artifact::PolarsResultExt;
use polars::prelude::{Column, DataFrame, DataType, IdxCa, NamedFrom, NewChunkedArray, Series};
use spec::{Error, Result};

use super::panel::{NAMED, Panel};
use super::plan::{Level, SeriesPlan};
use super::rows::taken;
use super::spec::{Filling, Gaps};
use crate::eval::evaluated;
use crate::rows::compute::counted;
use values::form::numbers;

impl Panel {
    /// Rows for the gaps before the period `until`, or their refusal.
    pub(super) fn fill(&mut self, plan: &SeriesPlan, until: usize) -> Result<()> {
        let rules = plan.rules();
        let (mut missing, mut named, mut holed): (u64, Vec<String>, u64) = (0, Vec::new(), 0);
        for series in 0..self.series() {
            let (first, last) = self.ends[series];
            let gaps: Vec<usize> = (first..last).filter(|period| self.row(series, *period).is_none()).collect();
            if let Some(gap) = gaps.first() {
                holed += 1;
                missing += gaps.len() as u64;
                if named.len() < NAMED {
                    named.push(format!("{} on {}", self.names[series], self.shown(*gap)));
                }
            }
        }
        let filling = match &rules.gaps {
            Gaps::Refuse if missing > 0 => {
                return Err(Error::refused(format!(
                    "table '{}': {} missing between the rows of {} series: {}{}",
                    plan.table,
                    match missing {
                        1 => "1 period is".to_owned(),
                        many => format!("{many} periods are"),
                    },
                    holed,
                    named.join(", "),
                    if holed as usize > named.len() { ", …" } else { "" }
                ))
                .hint("say what they mean: `gaps: keep` under 'series' leaves them without values, `gaps: {fill: {units: 0}}` \
                       makes rows of them"));
            }
            Gaps::Refuse | Gaps::Keep => return Ok(()),
            Gaps::Fill(filling) => filling,
        };
        // Each missing period after the first row, whatever follows: what a gap is must not depend on that.
        let mut cells: Vec<(usize, usize, u32)> = Vec::new();
        for series in 0..self.series() {
            let mut before = None;
            for period in self.ends[series].0..until {
                match (self.row(series, period), before) {
                    (Some(row), _) => before = Some(row),
                    (None, Some(row)) => cells.push((series, period, row)),
                    (None, None) => {}
                }
            }
        }
        if cells.is_empty() {
            return Ok(());
        }
        let doing = "filling gaps";
        let rows: Vec<u32> = cells.iter().map(|(.., row)| *row).collect();
        let before = self.frame.take(&IdxCa::from_slice("".into(), &rows)).during(doing)?;
        let levels: Vec<&String> = plan
            .sources
            .iter()
            .flat_map(|source| match &source.level {
                Level::By(by) => by.iter().collect(),
                Level::Series => Vec::new(),
            })
            .collect();
        let mut columns: Vec<Column> = Vec::new();
        for column in before.columns() {
            let (name, dtype) = (column.name().clone(), column.dtype().clone());
            let is_kept =
                plan.by.iter().any(|key| *key == name.as_str()) || levels.iter().any(|level| **level == name.as_str());
            columns.push(match filling.get(&name) {
                _ if is_kept => column.clone(),
                _ if name.as_str() == plan.time => {
                    let times = cells.iter().map(|(_, period, _)| self.time(*period)).collect();
                    counted(times, &plan.time_type, &name)?.into()
                }
                Some(Filling::Last) => column.clone(),
                Some(Filling::Number(number)) => {
                    let values = Series::new(name.clone(), vec![*number; cells.len()]);
                    let values = values.strict_cast(&dtype).during(doing)?;
                    let back = values.strict_cast(&DataType::Float64).during(doing)?;
                    if back.f64().during(doing)?.first() != Some(*number) {
                        return Err(Error::cannot_run(format!(
                            "series.gaps.fill: column '{name}' cannot hold {number}"
                        ))
                        .hint("write a number of its type, or cast the column in clean.yaml"));
                    }
                    values.into()
                }
                None => Series::full_null(name, cells.len(), &dtype).into(),
            });
        }
        let filled = DataFrame::new(cells.len(), columns).during(doing)?;
        let place = format!("label '{}'", plan.label);
        let labels = numbers(&evaluated(&filled, &plan.label_sql, &plan.label, &place)?, &place)?;
        for (label, (series, period, _)) in labels.into_iter().zip(&cells) {
            let gap = || format!("a gap that is filled (series {}, {})", self.names[*series], self.shown(*period));
            let label = taken(plan, label, gap)?;
            self.labels.push(label);
        }
        for (row, (series, period, _)) in (self.real..).zip(&cells) {
            self.row_at[series * self.count + period] = row;
        }
        self.frame.vstack_mut(&filled).during(doing)?;
        self.frame.rechunk_mut();
        Ok(())
    }
}
