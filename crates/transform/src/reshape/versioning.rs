//! Versions of keys from snapshots.

use std::collections::BTreeMap;

use artifact::{PolarsResultExt, REASON};
use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::text::count;
use spec::{Error, Result};
use values::form::Form;

use super::groups::Groups;
use super::{Gathered, Reshaped, Reshaping, Work, shown_key};
use crate::given::Given;
use crate::matching::{Encoded, ordinals};
use crate::plan::Moves;

/// What it means that a later snapshot does not have a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Nothing: the last version still holds.
    #[default]
    Keep,
    /// The version ends at that snapshot.
    Close,
}

#[derive(Clone, Debug)]
pub(crate) struct Versioning {
    pub place: String,
    pub key: Vec<String>,
    pub forms: Vec<Form>,
    pub keys: Schema,
    pub at: String,
    pub form: Form,
    pub tracked: Vec<String>,
    pub tracked_forms: Vec<Form>,
    pub missing: Missing,
    pub taken: Schema,
    pub schema: Schema,
}

impl Reshaping for Versioning {
    fn name(&self) -> &'static str {
        "scd2"
    }

    fn parameters(&self) -> Json {
        json!({"key": self.key, "at": self.at, "columns": self.tracked, "missing": self.missing})
    }

    fn moves(&self) -> Moves {
        let of = || self.key.iter().chain(&self.tracked).chain([&self.at]).cloned();
        // The time of the snapshot may come back as the beginning of the version.
        let is_new = |name: &&PlSmallStr| !self.taken.contains(name) || name.as_str() == self.at;
        let new = self.schema.iter_names().filter(is_new);
        new.fold(Moves { gathers: true, ..Moves::default() }.by(of()), |moves, name| moves.makes(name.as_str(), of()))
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn begin(&self, _: &Given) -> Result<Box<dyn Work>> {
        Ok(Box::new(Snapshots {
            groups: Groups::new(&self.key, self.forms.clone(), &self.keys, &self.place),
            rows: Gathered::new(&self.taken, &self.place),
            refused: Gathered::new(&self.taken, &self.place),
            of: Vec::new(),
            at: Vec::new(),
            plan: self.clone(),
        }))
    }
}

struct Snapshots {
    plan: Versioning,
    groups: Groups,
    rows: Gathered,
    refused: Gathered,
    /// By row: the number of its key, and its time.
    of: Vec<u32>,
    at: Vec<i128>,
}

impl Work for Snapshots {
    fn take(&mut self, rows: DataFrame) -> Result<()> {
        let place = &self.plan.place;
        let times = ordinals(rows.column(&self.plan.at).during(place)?, self.plan.form)?;
        let filled = self.groups.filled(&rows)?;
        let usable: Vec<bool> = filled.iter().zip(&times).map(|(filled, time)| *filled && time.is_some()).collect();
        let usable = BooleanChunked::from_slice(PlSmallStr::EMPTY, &usable);
        self.refused.add(rows.filter(&!&usable).during(place)?)?;
        let kept = rows.filter(&usable).during(place)?;
        self.at.extend(
            times
                .into_iter()
                .zip(usable.iter())
                .filter(|(_, usable)| *usable == Some(true))
                .filter_map(|(time, _)| time),
        );
        self.of.extend(self.groups.number(&kept)?);
        self.rows.add(kept)
    }

    fn finish(self: Box<Self>) -> Result<Reshaped> {
        let Snapshots { plan, rows, refused, of, at, .. } = *self;
        let place = plan.place.clone();
        let rows = rows.finish();
        let tracked: Vec<Column> =
            plan.tracked.iter().map(|name| rows.column(name).cloned()).collect::<PolarsResult<_>>().during(&place)?;
        let looks = Looks { encoded: Encoded::of(&tracked, &plan.tracked_forms)? };
        // A row of each snapshot, by its time.
        let mut times: BTreeMap<i128, usize> = BTreeMap::new();
        at.iter().enumerate().for_each(|(row, time)| {
            times.entry(*time).or_insert(row);
        });
        let mut order: Vec<usize> = (0..rows.height()).collect();
        order.sort_by_key(|row| (of[*row], at[*row], *row));
        let mut contradicting: Vec<usize> = Vec::new();
        // The first row of each version, and the row whose time ends it.
        let mut versions: Vec<(usize, Option<usize>)> = Vec::new();
        for key in order.chunk_by(|a, b| of[*a] == of[*b]) {
            let mut open: Option<usize> = None;
            let mut last: Option<usize> = None;
            for row in key.iter().copied() {
                if let Some(before) = last.filter(|before| at[*before] == at[row]) {
                    if !looks.alike(before, row) {
                        contradicting.push(row);
                    }
                    continue;
                }
                let gap = last.and_then(|before| times.range(at[before] + 1..at[row]).next());
                match (open, gap.filter(|_| plan.missing == Missing::Close)) {
                    (Some(first), Some((_, end))) => {
                        versions.push((first, Some(*end)));
                        open = Some(row);
                    }
                    (Some(first), None) if !looks.alike(first, row) => {
                        versions.push((first, Some(row)));
                        open = Some(row);
                    }
                    (Some(_), None) => {}
                    (None, _) => open = Some(row),
                }
                last = Some(row);
            }
            if let (Some(first), Some(last)) = (open, last) {
                let gone = times.range(at[last] + 1..).next().filter(|_| plan.missing == Missing::Close);
                versions.push((first, gone.map(|(_, row)| *row)));
            }
        }
        if !contradicting.is_empty() {
            return Err(contradiction(&plan, &rows, &of, &contradicting)?);
        }
        let mut reshaped = Reshaped::default();
        let rule = format!("{place} by {}", plan.key.join(", "));
        reshaped.balance(&rule, rows.height() as u64, versions.len() as u64);
        let (first, end): (Vec<IdxSize>, Vec<Option<IdxSize>>) =
            versions.iter().map(|(first, end)| (*first as IdxSize, end.map(|end| end as IdxSize))).unzip();
        let first = IdxCa::from_vec(PlSmallStr::EMPTY, first);
        let end = IdxCa::from_iter_options(PlSmallStr::EMPTY, end.into_iter());
        let time = rows.column(&plan.at).during(&place)?;
        let mut made =
            [time.take(&first).during(&place)?, time.take(&end).during(&place)?, end.is_null().into_column()]
                .into_iter();
        let mut columns = Vec::with_capacity(plan.schema.len());
        for name in plan.schema.iter_names() {
            let is_kept = *name != plan.at && plan.taken.contains(name);
            columns.push(match if is_kept { None } else { made.next() } {
                Some(column) => column.with_name(name.clone()),
                None => rows.column(name).and_then(|column| column.take(&first)).during(&place)?,
            });
        }
        reshaped.rows = DataFrame::new(versions.len(), columns).during(&place)?;
        if refused.height() > 0 {
            let mut refused = refused.finish();
            let names = plan.key.iter().chain([&plan.at]).cloned().collect::<Vec<_>>().join(", ");
            let reason = format!("{place}: the key or the time is empty: one of {names}");
            refused.with_column(Column::new(REASON.into(), vec![reason; refused.height()])).during(&place)?;
            reshaped.refused = Some(refused);
        }
        Ok(reshaped)
    }
}

/// How rows look, in the columns whose changes make a version.
struct Looks {
    encoded: Encoded,
}

impl Looks {
    fn alike(&self, one: usize, other: usize) -> bool {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        self.encoded.write_open(one, &mut a);
        self.encoded.write_open(other, &mut b);
        a == b
    }
}

/// Rows of one key and time that differ.
fn contradiction(plan: &Versioning, rows: &DataFrame, of: &[u32], contradicting: &[usize]) -> Result<Error> {
    const EXAMPLES: usize = 3;
    let mut keys: Vec<u32> = contradicting.iter().map(|row| of[*row]).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut examples = Vec::new();
    for row in contradicting.iter().take(EXAMPLES) {
        let key = shown_key(rows, &plan.key, *row).during(&plan.place)?;
        let at = rows.column(&plan.at).and_then(|at| Ok(at.get(*row)?.str_value().into_owned())).during(&plan.place)?;
        examples.push(format!("{key} at {at}"));
    }
    let have = if keys.len() == 1 { "has" } else { "have" };
    let more = if contradicting.len() > EXAMPLES { "; …" } else { "" };
    Ok(Error::refused(format!(
        "{}: {} {have} rows of one time that differ: {}{more}",
        plan.place,
        count(keys.len() as u64, "key"),
        examples.join("; ")
    ))
    .hint("keep one of them, by a step 'dedupe' on the key and the time"))
}
