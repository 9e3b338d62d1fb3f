//! `repair`: the values on which the rows of a key agree, joined as helpers.

use artifact::PolarsResultExt;
use polars::prelude::*;
use spec::Result;
use spec::text::count;

use super::Carried;
use super::ask::Found;
use crate::agreement::{Agreed, Choice, Groups, Rule, Values, counts};
use crate::changes::as_text;
use crate::plan::Agreement;
use crate::review::Review;
use crate::seen::{Rank, Winner, ranks};
use crate::steps::{By, SourceOrder};

impl Carried {
    /// Finds the value of each key; joins those that some row lacks.
    pub(super) fn agree(&mut self, wanted: &Agreement) -> Result<Found> {
        let place = self.place.clone();
        let rows = self.gathered(&wanted.reads())?;
        let Decided { first, chosen, undecided } = decide(&rows, wanted).during(&place)?;
        if !undecided.is_empty() {
            let rows = ties(&rows, wanted, &undecided).during(&place)?;
            let keys = count(undecided.len() as u64, "key");
            let (are, stay) = if undecided.len() == 1 { ("is", "stays as it is") } else { ("are", "stay as they are") };
            self.reviews.push(Review {
                step: self.step,
                name: "repair".to_owned(),
                found: format!("{keys} {are} undecided and {stay}"),
                is_open: true,
                header: ["column"]
                    .into_iter()
                    .chain(names(&wanted.keys))
                    .chain(["value", "rows"])
                    .map(str::to_owned)
                    .collect(),
                rows,
                shows: wanted.keys.iter().chain(&wanted.columns).cloned().collect(),
            });
        }
        if first.is_empty() {
            return Ok(Found::Nothing);
        }
        let table = agreed(&rows, wanted, first, chosen).during(&place)?;
        // Keys with an empty cell are not in the table.
        self.join(table, &wanted.keys, &wanted.keys, wanted.helpers.clone(), false)?;
        Ok(Found::Joined)
    }

    /// The alive rows in order, as far as these columns go.
    pub(super) fn gathered(&self, columns: &[String]) -> Result<DataFrame> {
        let wanted: Vec<Expr> = columns.iter().map(|name| col(name.as_str())).collect();
        let mut all: Option<DataFrame> = None;
        for batch in self.alive(wanted)? {
            let batch = batch?;
            match &mut all {
                None => all = Some(batch),
                Some(all) => {
                    all.vstack_mut_owned(batch).during(&self.place)?;
                }
            }
        }
        let mut all = match all {
            Some(all) => all,
            None => {
                let schema = self.frame.clone().collect_schema().during(&self.place)?;
                let fields = columns.iter().filter_map(|name| schema.get_field(name));
                DataFrame::empty_with_schema(&fields.collect::<Schema>())
            }
        };
        all.rechunk_mut();
        Ok(all)
    }
}

fn names(columns: &[String]) -> impl Iterator<Item = &str> {
    columns.iter().map(String::as_str)
}

/// What was decided over all keys.
struct Decided {
    /// The first row of each key for which something was decided.
    first: Vec<IdxSize>,
    /// By column: the row whose value each of these keys gets.
    chosen: Vec<Vec<Option<IdxSize>>>,
    /// The rows of each key that is left as it is, and the number of the column.
    undecided: Vec<(usize, Vec<u32>)>,
}

fn decide(rows: &DataFrame, wanted: &Agreement) -> PolarsResult<Decided> {
    let of = |names: &[String]| names.iter().map(|name| rows.column(name).cloned()).collect::<PolarsResult<Vec<_>>>();
    let groups = Groups::new(&of(&wanted.keys)?)?;
    let values: Vec<Values> = of(&wanted.columns)?.iter().map(Values::new).collect::<PolarsResult<_>>()?;
    let rules: Vec<Rule> = wanted.by.iter().map(|by| rule(by, rows)).collect::<PolarsResult<_>>()?;
    let Agreement { fill, min_share, min_rows, .. } = *wanted;
    let choice = Choice { rules: &rules, fill, min_share, min_rows };
    let mut decided = Decided { first: Vec::new(), chosen: vec![Vec::new(); values.len()], undecided: Vec::new() };
    let mut of_key = Vec::with_capacity(values.len());
    for rows in groups.iter() {
        of_key.clear();
        for (at, values) in values.iter().enumerate() {
            let agreed = match choice.decide(rows, values) {
                Agreed::Already => None,
                Agreed::On(row) => Some(IdxSize::from(row)),
                Agreed::Not => {
                    decided.undecided.push((at, rows.to_vec()));
                    None
                }
            };
            of_key.push(agreed);
        }
        if of_key.iter().any(Option::is_some) {
            decided.first.push(IdxSize::from(rows[0]));
            decided.chosen.iter_mut().zip(&of_key).for_each(|(chosen, row)| chosen.push(*row));
        }
    }
    Ok(decided)
}

fn rule(by: &By, rows: &DataFrame) -> PolarsResult<Rule> {
    Ok(match by {
        By::Majority => Rule::Majority,
        By::First => Rule::First,
        By::Newest(column) => Rule::Largest(ranks(rows.column(column)?, Winner::Largest)?),
        By::SourceOrder(SourceOrder { column, order }) => {
            let rank = |source: Option<&str>| -> Rank {
                let place = source.and_then(|source| order.iter().position(|known| known == source));
                ((order.len() - place.unwrap_or(order.len())) as u64, 0)
            };
            Rule::Largest(rows.column(column)?.str()?.iter().map(rank).collect())
        }
    })
}

/// The decided keys, each once, with the values that their rows get.
fn agreed(
    rows: &DataFrame,
    wanted: &Agreement,
    first: Vec<IdxSize>,
    chosen: Vec<Vec<Option<IdxSize>>>,
) -> PolarsResult<DataFrame> {
    let height = first.len();
    let first = IdxCa::from_vec(PlSmallStr::EMPTY, first);
    let keys = wanted.keys.iter().map(|key| rows.column(key)?.take(&first));
    let mut columns: Vec<Column> = keys.collect::<PolarsResult<_>>()?;
    for ((column, helper), chosen) in wanted.columns.iter().zip(&wanted.helpers).zip(chosen) {
        let chosen: IdxCa = chosen.into_iter().collect();
        columns.push(rows.column(column)?.take(&chosen)?.with_name(helper.as_str().into()));
    }
    DataFrame::new(height, columns)
}

/// One line for each value of each key that is left as it is.
fn ties(
    rows: &DataFrame,
    wanted: &Agreement,
    undecided: &[(usize, Vec<u32>)],
) -> PolarsResult<Vec<Vec<Option<String>>>> {
    let texts = |names: &[String]| -> PolarsResult<Vec<StringChunked>> {
        names.iter().map(|name| as_text(rows.column(name)?)).collect()
    };
    let (keys, shown) = (texts(&wanted.keys)?, texts(&wanted.columns)?);
    let columns: Vec<Values> =
        wanted.columns.iter().map(|name| Values::new(rows.column(name)?)).collect::<PolarsResult<_>>()?;
    let cell = |texts: &StringChunked, row: u32| texts.get(row as usize).map(str::to_owned);
    let mut lines = Vec::new();
    for (at, rows) in undecided {
        let mut held = counts(rows, &columns[*at]);
        held.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (row, count) in held {
            let mut line = vec![Some(wanted.columns[*at].clone())];
            line.extend(keys.iter().map(|key| cell(key, row)));
            line.push(cell(&shown[*at], row));
            line.push(Some(count.to_string()));
            lines.push(line);
        }
    }
    Ok(lines)
}
