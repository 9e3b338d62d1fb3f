//! Parts of a table made one again, in the order of the table.

use std::path::{Path, PathBuf};

use artifact::{PolarsResultExt, scan_files, stream};
use polars::prelude::*;
use spec::{Error, Result};

/// Numbers rows in the order in which they come out. Each part ascends.
pub type Places = Box<dyn FnMut(&DataFrame) -> Result<Vec<i64>> + Send>;

/// The rows of all parts, ascending by their places; of equal places those of the earlier part first.
pub struct Merged {
    parts: Vec<Source>,
    places: Places,
    /// Whether a place may come more than once.
    repeats: bool,
    last: Option<i64>,
    /// Where the batches begin that come out, descending.
    begins: Vec<i64>,
    /// What is left of what was merged.
    left: Option<(DataFrame, Vec<i64>)>,
    is_over: bool,
}

/// One part, as far as it was read.
struct Source {
    rows: Box<dyn Iterator<Item = Result<DataFrame>> + Send>,
    now: DataFrame,
    places: Vec<i64>,
}

impl Merged {
    /// The batches begin at the places in `begins`, ascending, as those of one machine do: summaries of rows depend on it in their
    /// last digits. Without any they are as they come. `repeats`: several rows may have one place, as those of a change log; otherwise that is an error.
    pub fn new(parts: &[PathBuf], places: Places, repeats: bool, begins: &[i64]) -> Result<Merged> {
        let source = |path: &PathBuf| {
            let rows = Box::new(stream(scan_files(&[Path::new(path)])?, "parts")?);
            Ok(Source { rows, now: DataFrame::empty(), places: Vec::new() })
        };
        let parts = parts.iter().map(source).collect::<Result<_>>()?;
        let begins = begins.iter().rev().copied().collect();
        Ok(Merged { parts, places, repeats, last: None, begins, left: None, is_over: false })
    }

    /// Reads more where a part has nothing in memory, and leaves out those that are at their end.
    fn refill(&mut self) -> Result<()> {
        let mut at = 0;
        while at < self.parts.len() {
            let part = &mut self.parts[at];
            if !part.places.is_empty() {
                at += 1;
                continue;
            }
            match part.rows.next() {
                None => drop(self.parts.remove(at)),
                Some(rows) => {
                    part.now = rows?;
                    part.places = (self.places)(&part.now)?;
                    let ascends = match self.repeats {
                        true => part.places.is_sorted(),
                        false => part.places.is_sorted_by(|one, other| one < other),
                    };
                    if !ascends {
                        return Err(disorder());
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<(DataFrame, Vec<i64>)>> {
        self.refill()?;
        // Up to here nothing can come from a part that is not in memory.
        let Some(bound) = self.parts.iter().filter_map(|part| part.places.last().copied()).min() else {
            return Ok(None);
        };
        let (mut rows, mut places): (Option<DataFrame>, Vec<i64>) = (None, Vec::new());
        for part in &mut self.parts {
            let count = part.places.partition_point(|place| *place <= bound);
            if count == 0 {
                continue;
            }
            let taken = part.now.slice(0, count);
            part.now = part.now.slice(count as i64, part.places.len() - count);
            places.extend(part.places.drain(..count));
            match &mut rows {
                None => rows = Some(taken),
                Some(rows) => drop(rows.vstack_mut(&taken).during("parts")?),
            }
        }
        let Some(rows) = rows else { return Ok(None) };
        let mut at: Vec<IdxSize> = (0..places.len() as IdxSize).collect();
        let sorted = places.is_sorted();
        if !sorted {
            at.sort_by_key(|at| places[*at as usize]);
            places.sort_unstable();
        }
        let first = places.first().copied();
        let begins_early = self.last >= first && self.last.is_some() && !(self.repeats && self.last == first);
        if begins_early || (!self.repeats && places.windows(2).any(|two| two[0] == two[1])) {
            return Err(disorder());
        }
        self.last = places.last().copied();
        let rows = match sorted {
            true => rows,
            false => rows.take(&IdxCa::from_vec(PlSmallStr::EMPTY, at)).during("parts")?,
        };
        Ok(Some((rows, places)))
    }

    /// The next batch that one machine would make.
    fn batch(&mut self) -> Result<Option<DataFrame>> {
        loop {
            let (first, last) = match &self.left {
                Some((_, places)) => (places.first().copied(), places.last().copied()),
                None => (None, None),
            };
            // The batch of the first row ends where the next one begins.
            while self.begins.last().is_some_and(|begin| first.is_some_and(|first| *begin <= first)) {
                self.begins.pop();
            }
            let end = self.begins.last().copied();
            let is_whole = match (end, last) {
                (Some(end), Some(last)) => last >= end,
                _ => false,
            };
            if is_whole || self.is_over {
                let Some((rows, mut places)) = self.left.take() else { return Ok(None) };
                let count = end.map_or(places.len(), |end| places.partition_point(|place| *place < end));
                if count < places.len() {
                    let rest = rows.slice(count as i64, places.len() - count);
                    self.left = Some((rest, places.split_off(count)));
                }
                let mut rows = rows.slice(0, count);
                rows.rechunk_mut();
                return Ok(Some(rows));
            }
            match self.step()? {
                None => self.is_over = true,
                Some((rows, places)) => match &mut self.left {
                    None => self.left = Some((rows, places)),
                    Some((left, known)) => {
                        left.vstack_mut(&rows).during("parts")?;
                        known.extend(places);
                    }
                },
            }
        }
    }
}

impl Iterator for Merged {
    type Item = Result<DataFrame>;
    fn next(&mut self) -> Option<Result<DataFrame>> {
        match self.begins.is_empty() && self.left.is_none() {
            true => self.step().map(|step| step.map(|(rows, _)| rows)).transpose(),
            false => self.batch().transpose(),
        }
    }
}

fn disorder() -> Error {
    Error::cannot_run("the parts do not fit together: a row is in two of them, or out of order")
        .hint("run again; nothing was published")
}

#[cfg(test)]
mod tests {
    use artifact::TableWriter;

    use super::*;

    fn merged(parts: &[Vec<i64>], repeats: bool) -> Result<Vec<i64>> {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let rows = df!("n" => part).unwrap();
            let target = folder.path().join(format!("{at}.parquet"));
            let mut writer = TableWriter::create(&target, rows.schema()).unwrap();
            writer.write(rows).unwrap();
            let written = writer.finish().unwrap();
            std::fs::copy(written.path(), &target).unwrap();
            paths.push(target);
        }
        let places: Places = Box::new(|rows| Ok(rows.column("n").unwrap().i64().unwrap().iter().flatten().collect()));
        let mut all = Vec::new();
        for rows in Merged::new(&paths, places, repeats, &[])? {
            all.extend(rows?.column("n").unwrap().i64().unwrap().iter().flatten());
        }
        Ok(all)
    }

    #[test]
    fn parts_come_together_in_order_however_the_rows_lie() {
        let mut random = spec::random::Random::new(7, 0);
        for case in 0..20u64 {
            let count = 1 + case as usize % 7;
            let mut parts = vec![Vec::new(); count];
            let rows = if case == 19 { 200_000 } else { 50 * case as i64 };
            // Rows in turn, in stretches, and most of them in one part.
            for row in 0..rows {
                let part = match case % 3 {
                    0 => row as usize * count / rows as usize,
                    1 => random.below(count),
                    _ => {
                        if random.below(10) > 0 {
                            0
                        } else {
                            count - 1
                        }
                    }
                };
                parts[part].push(row);
            }
            assert_eq!(merged(&parts, false).unwrap(), (0..rows).collect::<Vec<i64>>(), "{case}");
        }
        assert_eq!(merged(&[vec![1, 1, 3], vec![1, 2]], true).unwrap(), [1, 1, 1, 2, 3]);
    }

    #[test]
    fn batches_begin_where_those_of_one_machine_do() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = [vec![1i64, 4, 9], vec![2, 5, 30], vec![31]]
            .iter()
            .enumerate()
            .map(|(at, part)| {
                let target = folder.path().join(format!("{at}.parquet"));
                let rows = df!("n" => part).unwrap();
                let mut writer = TableWriter::create(&target, rows.schema()).unwrap();
                writer.write(rows).unwrap();
                std::fs::copy(writer.finish().unwrap().path(), &target).unwrap();
                target
            })
            .collect();
        let places: Places = Box::new(|rows| Ok(rows.column("n").unwrap().i64().unwrap().iter().flatten().collect()));
        let batches = Merged::new(&paths, places, false, &[0, 4, 10, 20, 31]).unwrap();
        let batches: Vec<Vec<i64>> =
            batches.map(|rows| rows.unwrap().column("n").unwrap().i64().unwrap().iter().flatten().collect()).collect();
        assert_eq!(batches, [vec![1, 2], vec![4, 5, 9], vec![30], vec![31]]);
    }

    #[test]
    fn a_row_in_two_parts_or_out_of_order_is_an_error() {
        for parts in [vec![vec![1, 2], vec![2, 3]], vec![vec![2, 1]], vec![vec![1, 1]]] {
            let error = merged(&parts, false).unwrap_err().to_string();
            assert!(error.starts_with("the parts do not fit together: a row is in two"), "{error}");
        }
    }
}
