//! `clean --estimate`: what the steps `llm` would ask and cost, without a call.

use artifact::PolarsResultExt;
use llm::Estimate;
use polars::prelude::*;
use spec::{Result, ResultExt};
use transform::{Given, Step};

use super::{Mode, Models, ROUND, frames};

/// One line per step.
pub const HEADER: &str = "table\tstep\ttask\tmodel\trows\tdistinct\tknown\trequests\ttokens_in\ttokens_out\tcost\n";

impl Models<'_> {
    /// One line per step `llm` of a table, with tabs. A later step is estimated on the answers that are known by now.
    pub fn estimate(&self, table: &str, raw: &LazyFrame, steps: &[Step], mut given: Given) -> Result<String> {
        let mut lines = String::new();
        for asking in self.askings(table, steps)? {
            let (inputs, counts) = self.inputs(&asking, raw, steps, &mut given)?;
            let mut sum: Option<Estimate> = None;
            // Also without an input, for a line of zeros.
            for from in (0..inputs.height().max(1)).step_by(ROUND) {
                let part = frames::to_json(&inputs.slice(from as i64, ROUND)).during(&asking.place)?;
                let part = llm::estimate(&asking.task, &part, &self.settings, &self.ledger).context(&asking.place)?;
                sum = Some(sum.map_or(part, |sum| add(sum, part)));
            }
            if let Some(sum) = sum {
                let cost = sum.cost.map_or("no price".to_owned(), |cost| format!("{cost:.4}"));
                let model = &asking.task.models()[0];
                lines += &format!(
                    "{table}\t{}\t{}\t{model}\t{}\t{}\t{}\t{}\t{}\t{}\t{cost}\n",
                    asking.at + 1,
                    asking.task.name(),
                    counts.iter().sum::<u64>(),
                    sum.distinct,
                    sum.cached,
                    sum.requests,
                    sum.tokens_in,
                    sum.tokens_out,
                );
            }
            self.answer_step(&asking, raw, steps, &mut given, Mode::KnownOnly)?;
        }
        Ok(lines)
    }
}

fn add(one: Estimate, other: Estimate) -> Estimate {
    Estimate {
        rows: one.rows + other.rows,
        distinct: one.distinct + other.distinct,
        cached: one.cached + other.cached,
        requests: one.requests + other.requests,
        tokens_in: one.tokens_in + other.tokens_in,
        tokens_out: one.tokens_out + other.tokens_out,
        cost: one.cost.zip(other.cost).map(|(one, other)| one + other),
    }
}
