//! `clean --estimate`: what the steps `llm` would ask and cost, without a call.

use artifact::PolarsResultExt;
use llm::Estimate;
use polars::prelude::*;
use spec::{Result, ResultExt};
use transform::{Given, Step};

use super::{Mode, Models, ROUND, frames, no_prompt};

/// One line per step.
pub const HEADER: &str = "table\tstep\ttask\tmodel\trows\tdistinct\tknown\trequests\ttokens_in\ttokens_out\tcost\n";

impl Models<'_> {
    /// One line per step `llm` of a table, with tabs. A later step is estimated on the answers that are known by now.
    pub fn estimate(&self, table: &str, raw: &LazyFrame, steps: &[Step], mut given: Given) -> Result<String> {
        let mut lines = String::new();
        for asking in self.askings(table, steps)? {
            let inputs = self.inputs(&asking, raw, steps, &mut given)?;
            let mut sum: Option<Estimate> = None;
            // Also without an input, for a line of zeros.
            for from in (0..inputs.distinct.height().max(1)).step_by(ROUND) {
                let part = frames::to_json(&inputs.distinct.slice(from as i64, ROUND)).during(&asking.place)?;
                let part = llm::estimate(&asking.task, &part, &self.settings, &self.ledger).context(&asking.place)?;
                match &mut sum {
                    None => sum = Some(part),
                    Some(sum) => *sum += part,
                }
            }
            if let Some(sum) = sum {
                if let (0, Some(fault)) = (sum.distinct, &sum.fault) {
                    return Err(no_prompt(&asking, fault));
                }
                let cost = sum.cost.map_or("no price".to_owned(), |cost| format!("{cost:.4}"));
                let model = &asking.task.models()[0];
                lines += &format!(
                    "{table}\t{}\t{}\t{model}\t{}\t{}\t{}\t{}\t{}\t{}\t{cost}\n",
                    asking.at + 1,
                    asking.task.name(),
                    inputs.rows.iter().sum::<u64>(),
                    sum.distinct,
                    sum.cached,
                    sum.requests,
                    sum.tokens_in,
                    sum.tokens_out,
                );
            }
            self.answer_step(&asking, inputs, &mut given, Mode::KnownOnly)?;
        }
        Ok(lines)
    }
}
