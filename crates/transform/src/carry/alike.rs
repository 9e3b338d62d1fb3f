//! `dedupe` by several keys or by likeness: which rows are one, numbered, and which of them stays.

use artifact::{FILE, PolarsResultExt, ROW};
use polars::prelude::*;
use spec::text::count;
use spec::{Error, Result};

use super::Carried;
use super::ask::Found;
use crate::agreement::Groups;
use crate::alike::{self, Clusters, Field, Likeness, Pair, by_key, by_likeness};
use crate::changes::as_text;
use crate::keys::Nulls;
use crate::plan::{Alike, Compared, POSITION};
use crate::review::Review;
use crate::seen::Contest;

/// Pairs that a review holds at most.
const SHOWN: usize = 100_000;

impl Carried {
    pub(super) fn alike(&mut self, wanted: &Alike) -> Result<Found> {
        let place = self.place.clone();
        let reads = wanted.reads();
        let provenance = [FILE, ROW].into_iter().filter(|name| self.schema.contains(name)).map(str::to_owned);
        let all: Vec<String> = reads
            .iter()
            .cloned()
            .chain(provenance.filter(|name| !reads.contains(name)))
            .chain([POSITION.to_owned()])
            .collect();
        let rows = self.gathered(&all)?;
        let mut clusters = Clusters::new(rows.height());
        let mut pairs = Vec::new();
        for key in &wanted.any {
            pairs.extend(by_key(&columns(&rows, key).during(&place)?, &mut clusters).during(&place)?);
        }
        if let Some(compared) = &wanted.compared {
            pairs.extend(self.compare(&rows, compared, &mut clusters)?);
        }
        let numbers = clusters.numbers();
        self.report_pairs(&rows, &reads, &numbers, pairs).during(&place)?;
        let found = || -> PolarsResult<Found> {
            let positions = rows.column(POSITION)?.idx()?.rechunk().into_owned();
            let by = wanted.by.as_ref().map(|by| rows.column(by)).transpose()?;
            let key = UInt32Chunked::from_vec(PlSmallStr::EMPTY, numbers.clone()).into_column();
            let mut contest = Contest::new(wanted.winner, Nulls::Equal, false);
            contest.observe(&positions, by, &[key])?;
            let (losers, _) = contest.finish();
            let mut sizes = vec![0; numbers.iter().max().map_or(0, |last| *last as usize + 1)];
            numbers.iter().for_each(|number| sizes[*number as usize] += 1);
            let last = positions.max().map_or(0, |last| last as usize + 1);
            // Rows that stay although they are duplicates have the size of their group, too.
            let (mut counts, mut by_position) = (vec![0; last], vec![0; last]);
            for (position, number) in positions.iter().zip(numbers) {
                let at = position.unwrap_or_default() as usize;
                (counts[at], by_position[at]) = (sizes[number as usize], number);
            }
            Ok(Found::Contest(losers, counts, by_position))
        };
        found().during(&place)
    }

    fn compare(&self, rows: &DataFrame, compared: &Compared, clusters: &mut Clusters) -> Result<Vec<Pair>> {
        let place = &self.place;
        let blocks = compared.blocks.iter().map(|key| Groups::new(&columns(rows, key)?));
        let blocks: Vec<Groups> = blocks.collect::<PolarsResult<_>>().during(place)?;
        let mut apart = vec![0; rows.height()];
        if !compared.across.is_empty() {
            let same = Groups::new(&columns(rows, &compared.across).during(place)?).during(place)?;
            for (number, of_value) in (1..).zip(same.iter()) {
                of_value.iter().for_each(|row| apart[*row as usize] = number);
            }
        }
        let fields =
            compared.fields.iter().map(|(name, measure, weight)| Field::new(rows.column(name)?, *measure, *weight));
        let fields = fields.collect::<PolarsResult<_>>().during(place)?;
        let likeness = Likeness { fields, ignore_empty: compared.ignore_empty };
        let limits = alike::Limits { threshold: compared.threshold, report: compared.report, most: alike::MOST };
        let found = by_likeness(&blocks, &apart, &likeness, limits, clusters);
        found.map_err(|alike::TooMany { rows }| {
            Error::cannot_run(format!(
                "{place}: more than {} pairs of rows to compare: the largest block has {}",
                alike::MOST,
                count(rows as u64, "row")
            ))
            .hint("block by more columns, so that fewer rows agree on each key")
        })
    }

    /// Each pair with its score, and where its rows and cells are.
    fn report_pairs(
        &mut self,
        rows: &DataFrame,
        shown: &[String],
        numbers: &[u32],
        pairs: Vec<Pair>,
    ) -> PolarsResult<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        let origin: Vec<&str> = [FILE, ROW].into_iter().filter(|name| rows.get_column_index(name).is_some()).collect();
        let names: Vec<&str> = origin.iter().copied().chain(shown.iter().map(String::as_str)).collect();
        let texts: Vec<StringChunked> =
            names.iter().map(|name| as_text(rows.column(name)?)).collect::<PolarsResult<_>>()?;
        let header = ["cluster", "score", "is_one"].map(str::to_owned).into_iter();
        let header = header.chain(names.iter().flat_map(|name| [format!("{name}_1"), format!("{name}_2")])).collect();
        let line = |pair: &Pair| -> Vec<Option<String>> {
            let cluster = pair.is_one.then(|| numbers[pair.first as usize].to_string());
            // A score with four digits is enough to compare pairs; those that agree on a key have none.
            let start = [cluster, pair.score.map(|score| format!("{score:.4}")), Some(pair.is_one.to_string())];
            let cell = |texts: &StringChunked, row: u32| texts.get(row as usize).map(str::to_owned);
            let cells = texts.iter().flat_map(|texts| [cell(texts, pair.first), cell(texts, pair.second)]);
            start.into_iter().chain(cells).collect()
        };
        let (one, other): (Vec<&Pair>, Vec<&Pair>) = pairs.iter().partition(|pair| pair.is_one);
        let mut found = format!("{} of rows found to be one", count(one.len() as u64, "pair"));
        if !other.is_empty() {
            found += &format!(", {} nearly so", other.len());
        }
        if pairs.len() > SHOWN {
            found += &format!("; the first {SHOWN} are shown");
        }
        self.reviews.push(Review {
            step: self.step,
            name: "dedupe".to_owned(),
            found,
            is_open: false,
            header,
            rows: pairs.iter().take(SHOWN).map(line).collect(),
            shows: shown.to_vec(),
        });
        Ok(())
    }
}

fn columns(rows: &DataFrame, names: &[String]) -> PolarsResult<Vec<Column>> {
    names.iter().map(|name| rows.column(name).cloned()).collect()
}
