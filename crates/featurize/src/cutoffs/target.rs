//! Where the rows of a table go when they are sorted by entity, and the columns that follow them there.
//!
//! To write each value straight to its place would touch another line of memory, and mostly another page, for every one: the
//! more rows, the longer each takes. So values go there in two steps. First into buckets of neighbouring entities, in the
//! order of the table, so that each batch of the table writes a short run into each bucket; then, bucket by bucket, to
//! their places, which fit into the processor's cache. Both steps cost the same per row, however many rows there are.

use rayon::prelude::*;
use spec::{Error, Result};

/// Rows of a bucket, up to the rows of one entity more: so many that 16 bits number them even so, unless the entity has many.
const BUCKET: usize = 60_000;

/// Where each row goes.
pub struct Target {
    rows: usize,
    /// Where the rows of each bucket begin; one more at the end.
    buckets: Vec<usize>,
    /// Of each chunk its rows by bucket, and how many each bucket gets.
    chunks: Vec<(Numbers, Vec<u32>)>,
    /// Of each row of each bucket, in the order of the table, its place within the bucket.
    places: Vec<Numbers>,
}

/// Numbers of rows of a part, as wide as they need to be.
enum Numbers {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

impl Numbers {
    /// Those of a part of `rows` rows.
    fn of(numbers: Vec<u32>, rows: usize) -> Numbers {
        match rows <= 1 << 16 {
            true => Numbers::Short(numbers.into_iter().map(|number| number as u16).collect()),
            false => Numbers::Long(numbers),
        }
    }
}

impl Target {
    /// `offsets` are where the rows of each entity begin, and one more at the end; `entities` has those of the rows, chunk by
    /// chunk. The rows of an entity keep their order.
    ///
    /// Errors (refused): more rows than 32 bits count.
    pub fn new(offsets: &[usize], entities: Vec<Vec<u32>>) -> Result<Target> {
        let rows = offsets.last().copied().unwrap_or(0);
        if rows > u32::MAX as usize {
            return Err(Error::refused("over 4 billion rows before the newest cutoff")
                .hint("compute features of one partition of the entities at a time"));
        }
        // The bucket of each entity, and the entity that each bucket begins with.
        let mut bucket_of: Vec<u32> = Vec::with_capacity(offsets.len());
        let mut firsts: Vec<usize> = Vec::new();
        let mut before = None;
        for (entity, offset) in offsets[..offsets.len().saturating_sub(1)].iter().enumerate() {
            if before != Some(offset / BUCKET) {
                before = Some(offset / BUCKET);
                firsts.push(entity);
            }
            bucket_of.push(firsts.len() as u32 - 1);
        }
        let mut buckets: Vec<usize> = firsts.iter().map(|entity| offsets[*entity]).collect();
        buckets.push(rows);
        firsts.push(offsets.len().saturating_sub(1));
        let by_bucket = |entities: &Vec<u32>| {
            let mut counts = vec![0u32; buckets.len() - 1];
            entities.iter().for_each(|entity| counts[bucket_of[*entity as usize] as usize] += 1);
            let mut next = Vec::with_capacity(counts.len());
            let mut sum = 0;
            for count in &counts {
                next.push(sum);
                sum += count;
            }
            let mut order = vec![0u32; entities.len()];
            for (entity, row) in entities.iter().zip(0u32..) {
                let slot = &mut next[bucket_of[*entity as usize] as usize];
                order[*slot as usize] = row;
                *slot += 1;
            }
            let rows = entities.len();
            (Numbers::of(order, rows), counts)
        };
        let chunks = entities.par_iter().map(by_bucket).collect();
        let mut target = Target { rows, buckets, chunks, places: Vec::new() };
        // What is gathered of each row is its entity; the place follows.
        let mut gathered = target.gather(entities, |part: &Vec<u32>, row| part[row]);
        let parts = target.cut(&mut gathered);
        target.places = parts
            .into_par_iter()
            .enumerate()
            .map(|(bucket, entities)| {
                let first = firsts[bucket];
                let mut next: Vec<u32> =
                    offsets[first..firsts[bucket + 1]].iter().map(|offset| (offset - offsets[first]) as u32).collect();
                let place = |entity: &u32| {
                    let slot = &mut next[*entity as usize - first];
                    *slot += 1;
                    *slot - 1
                };
                Numbers::of(entities.iter().map(place).collect(), entities.len())
            })
            .collect();
        Ok(target)
    }

    /// Brings the values of a column to their places.
    pub fn scatter<T: Copy + Default + Send + Sync>(&self, chunks: Vec<Vec<T>>) -> Vec<T> {
        self.scatter_by(chunks, |part, row| part[row])
    }

    /// The same for chunks of any kind, of which `value` gives a row's value.
    pub fn scatter_by<C, T: Copy + Default + Send + Sync>(
        &self,
        chunks: Vec<C>,
        value: impl Fn(&C, usize) -> T,
    ) -> Vec<T> {
        let mut values = self.gather(chunks, value);
        let parts = self.cut(&mut values);
        parts.into_par_iter().zip(&self.places).for_each_init(Vec::new, |before, (part, places)| {
            before.clear();
            before.extend_from_slice(part);
            match places {
                Numbers::Short(places) => put(before, part, places.iter().map(|place| usize::from(*place))),
                Numbers::Long(places) => put(before, part, places.iter().map(|place| *place as usize)),
            }
        });
        values
    }

    /// The values of a column by bucket, in the order of the table.
    fn gather<C, T: Copy + Default>(&self, chunks: Vec<C>, value: impl Fn(&C, usize) -> T) -> Vec<T> {
        let mut values = vec![T::default(); self.rows];
        let mut next = self.buckets.clone();
        for (part, (order, counts)) in chunks.into_iter().zip(&self.chunks) {
            let of = |row: usize| value(&part, row);
            match order {
                Numbers::Short(order) => deal(order, counts, &mut next, &mut values, |row| of(usize::from(*row))),
                Numbers::Long(order) => deal(order, counts, &mut next, &mut values, |row| of(*row as usize)),
            }
        }
        values
    }

    fn cut<'a, T>(&self, mut values: &'a mut [T]) -> Vec<&'a mut [T]> {
        let mut parts = Vec::with_capacity(self.buckets.len());
        for pair in self.buckets.windows(2) {
            let (part, rest) = values.split_at_mut(pair[1] - pair[0]);
            parts.push(part);
            values = rest;
        }
        parts
    }
}

/// Puts each value at its place.
fn put<T: Copy>(values: &[T], to: &mut [T], places: impl Iterator<Item = usize>) {
    values.iter().zip(places).for_each(|(value, place)| to[place] = *value);
}

/// Appends to each bucket the values of its rows of a chunk.
fn deal<R, T>(order: &[R], counts: &[u32], next: &mut [usize], values: &mut [T], value: impl Fn(&R) -> T) {
    let mut order = order;
    for (count, next) in counts.iter().zip(next) {
        let (run, rest) = order.split_at(*count as usize);
        let slots = &mut values[*next..*next + run.len()];
        slots.iter_mut().zip(run).for_each(|(slot, row)| *slot = value(row));
        *next += run.len();
        order = rest;
    }
}

#[cfg(test)]
mod tests {
    use spec::random::Random;

    use super::*;

    /// Entities of uneven sizes in a random order, in chunks of uneven sizes.
    fn chunks(rows: usize) -> Vec<Vec<u32>> {
        let mut random = Random::new(7, rows as u64);
        let few = random.below(3) + 1;
        let entity = |random: &mut Random| if random.below(4) == 0 { random.below(few) } else { random.below(5_000) };
        let mut chunks = Vec::new();
        let mut left = rows;
        while left > 0 {
            let size = (random.below(100_000) + 1).min(left);
            chunks.push((0..size).map(|_| entity(&mut random) as u32).collect());
            left -= size;
        }
        chunks
    }

    #[test]
    fn values_come_to_their_places_as_a_stable_sort_puts_them() {
        for rows in [0, 1, 10, 70_000, 300_000, 1_000_000] {
            let chunks = chunks(rows);
            let all = chunks.concat();
            let mut offsets = vec![0; 5_001];
            all.iter().for_each(|entity| offsets[*entity as usize + 1] += 1);
            (1..offsets.len()).for_each(|i| offsets[i] += offsets[i - 1]);
            let mut expected: Vec<(u32, u64)> = all.iter().copied().zip(0..).collect();
            expected.sort_by_key(|(entity, _)| *entity);
            let mut number = 0u64..;
            let numbers: Vec<Vec<u64>> =
                chunks.iter().map(|chunk| number.by_ref().take(chunk.len()).collect()).collect();
            let target = Target::new(&offsets, chunks).unwrap();
            let expected: Vec<u64> = expected.into_iter().map(|(_, number)| number).collect();
            assert!(target.scatter(numbers) == expected, "{rows} rows");
        }
    }

    #[test]
    fn no_entities_have_no_places() {
        assert!(Target::new(&[0], Vec::new()).unwrap().scatter(Vec::<Vec<u8>>::new()).is_empty());
    }
}
