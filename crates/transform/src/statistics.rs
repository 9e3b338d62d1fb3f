//! Statistics of one column over the alive rows, computed in the order of the table so that equal inputs give
//! equal bits.

use artifact::{ONE_KEY, PolarsResultExt, keys_of_groups};
use polars::prelude::*;
use spec::Result;

use crate::keys::Nulls;

/// The column of values, next to those of the groups.
pub(crate) const VALUE: &str = "_step_value";

/// How many rows have a value.
pub(crate) const COUNT: &str = "_step_count";

/// The finite values of batches of one column of Float64, in order: 8 bytes per row. Errors name the `place`.
pub(crate) fn numbers(batches: impl Iterator<Item = Result<DataFrame>>, place: &str) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for batch in batches {
        finite(&batch?.columns()[0], &mut all).during(place)?;
    }
    Ok(all)
}

/// The values of batches of one column of whole numbers, in order: 16 bytes per row. None if no cell is empty.
pub(crate) fn whole_numbers_with_gaps(
    batches: impl Iterator<Item = Result<DataFrame>>,
    place: &str,
) -> Result<Option<Vec<i128>>> {
    let (mut all, mut gaps) = (Vec::new(), 0);
    for batch in batches {
        let batch = batch?;
        let values = &batch.columns()[0];
        gaps += values.null_count();
        match values.dtype() {
            DataType::UInt64 => all.extend(values.u64().during(place)?.iter().flatten().map(i128::from)),
            _ => {
                let values = values.strict_cast(&DataType::Int64).during(place)?;
                all.extend(values.i64().during(place)?.iter().flatten().map(i128::from));
            }
        }
    }
    Ok((gaps > 0).then_some(all))
}

/// A statistic of whole numbers.
#[derive(Debug, PartialEq)]
pub(crate) enum Whole {
    /// It is whole.
    At(i128),
    /// It lies between two whole numbers, near this.
    Near(f64),
}

/// `sum / count`, exactly.
fn divided(sum: i128, count: i128) -> Whole {
    match sum % count {
        0 => Whole::At(sum / count),
        rest => Whole::Near((sum / count) as f64 + rest as f64 / count as f64),
    }
}

/// The arithmetic mean of whole numbers; none of no values.
pub(crate) fn whole_mean(values: Vec<i128>) -> Option<Whole> {
    (!values.is_empty()).then(|| divided(values.iter().sum(), values.len() as i128))
}

/// The median of whole numbers, that of an even number of values between the two in the middle; none of no values.
pub(crate) fn whole_median(mut values: Vec<i128>) -> Option<Whole> {
    let last = values.len().checked_sub(1)?;
    let (_, low, above) = values.select_nth_unstable(last / 2);
    let low = *low;
    match last % 2 {
        0 => Some(Whole::At(low)),
        _ => Some(divided(low + above.iter().copied().min().unwrap_or(low), 2)),
    }
}

/// The finite values of the column [`VALUE`] per distinct combination of `groups`: one row of the table and one list each.
pub(crate) fn numbers_by_group(
    batches: impl Iterator<Item = Result<DataFrame>>,
    groups: &[String],
    nulls: Nulls,
    place: &str,
) -> Result<(DataFrame, Vec<Vec<f64>>)> {
    let mut gathered: Option<DataFrame> = None;
    for batch in batches {
        let mut batch = batch?;
        if let Some(rows) = nulls.comparable(&batch.columns()[..groups.len()]).during(place)? {
            batch = batch.filter(&BooleanChunked::from_slice(PlSmallStr::EMPTY, &rows)).during(place)?;
        }
        match &mut gathered {
            None => gathered = Some(batch),
            Some(all) => {
                all.vstack_mut(&batch).during(place)?;
            }
        }
    }
    let Some(gathered) = gathered else { return Ok((DataFrame::empty(), Vec::new())) };
    let grouped = gathered.lazy().group_by_stable(keys_of_groups(groups)).agg([col(VALUE)]);
    let grouped = grouped.collect().and_then(|grouped| grouped.drop(ONE_KEY)).during(place)?;
    let column = grouped.column(VALUE).during(place)?;
    let mut lists = Vec::with_capacity(grouped.height());
    for row in 0..grouped.height() {
        let mut values = Vec::new();
        if let AnyValue::List(list) = column.get(row).during(place)? {
            finite(&list.into_column(), &mut values).during(place)?;
        }
        lists.push(values);
    }
    let groups = grouped.drop(VALUE).during(place)?;
    Ok((groups, lists))
}

fn finite(column: &Column, into: &mut Vec<f64>) -> PolarsResult<()> {
    into.extend(column.f64()?.iter().flatten().filter(|value| value.is_finite()));
    Ok(())
}

/// The arithmetic mean (Neumaier's compensated sum); none of no values.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    let scale = scale(values);
    (!values.is_empty()).then(|| sum(values.iter().map(|value| value * scale)) / values.len() as f64 / scale)
}

/// What finite values are multiplied by so that neither their sum nor their squares leave float64: a power of two, which
/// rounds none of them, but for those that are nothing beside the largest.
fn scale(values: &[f64]) -> f64 {
    match values.iter().any(|value| value.abs() > 1e140) {
        true => 2f64.powi(-600),
        false => 1.0,
    }
}

/// The standard deviation of the population (divisor n), as `scipy.stats.zscore` takes it.
pub(crate) fn deviation(values: &[f64]) -> Option<f64> {
    let (scale, mean) = (scale(values), mean(values)?);
    let distance = |value: &f64| value * scale - mean * scale;
    Some((sum(values.iter().map(|value| distance(value).powi(2))) / values.len() as f64).sqrt() / scale)
}

fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

/// The quantile at `p` in [0, 1] by linear interpolation, as `numpy.quantile` takes it. Reorders the values.
pub(crate) fn quantile(values: &mut [f64], p: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let place = last as f64 * p;
    let at = (place.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable_by(at, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    let share = place - at as f64;
    Some(match high - low {
        apart if apart.is_finite() => low + apart * share,
        _ => low * (1.0 - share) + high * share,
    })
}

/// The value of the one column that occurs most often; of several the smallest. None of an all-empty column.
pub(crate) fn mode(
    batches: impl Iterator<Item = Result<DataFrame>>,
    column: &str,
    place: &str,
) -> Result<Option<AnyValue<'static>>> {
    let mut batches = batches.map(|batch| batch?.drop_nulls::<String>(None).during(place)).peekable();
    match batches.peek() {
        None => Ok(None),
        Some(_) => most_frequent(counted_together(batches, column, place)?, column, place),
    }
}

/// Each value of the one column of batches, an empty cell among them, with its number of rows in [`COUNT`].
pub(crate) fn counted_together(
    batches: impl Iterator<Item = Result<DataFrame>>,
    column: &str,
    place: &str,
) -> Result<DataFrame> {
    let mut counts: Option<DataFrame> = None;
    for batch in batches {
        // A plain literal would be narrower.
        let one = lit(1u64).cast(DataType::UInt64).alias(COUNT);
        let of_batch = batch?.lazy().select([col(column), one]);
        let together = match counts {
            None => of_batch,
            Some(counts) => concat([counts.lazy(), of_batch], UnionArgs::default()).during(place)?,
        };
        // The engine in memory cannot group by a decimal alone.
        counts = Some(artifact::collect(together.group_by([col(column)]).agg([col(COUNT).sum()]), place)?);
    }
    Ok(counts.unwrap_or_default())
}

/// The value with the largest number of rows; of several the smallest. Empty cells do not count, nor does NaN.
pub(crate) fn most_frequent(counts: DataFrame, column: &str, place: &str) -> Result<Option<AnyValue<'static>>> {
    let order = SortMultipleOptions::default().with_order_descending_multi([true, false]);
    let is_float = counts.column(column).is_ok_and(|values| values.dtype().is_float());
    let is_value = if is_float { col(column).is_not_nan() } else { lit(true) };
    let counts = counts.lazy().filter(col(column).is_not_null().and(is_value));
    let sorted = counts.sort([COUNT, column], order).collect().during(place)?;
    if sorted.height() == 0 {
        return Ok(None);
    }
    Ok(Some(sorted.column(column).and_then(|values| values.get(0).map(AnyValue::into_static)).during(place)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f64; 8] = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];

    #[test]
    fn quantiles_are_numpys() {
        // numpy.quantile([3,1,4,1,5,9,2,6], [0, .25, .5, .75, .9, 1])
        for (p, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.5), (0.75, 5.25), (0.9, 6.9), (1.0, 9.0)] {
            assert!((quantile(&mut VALUES.to_vec(), p).unwrap() - expected).abs() < 1e-12);
        }
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [7.0], 0.75), Some(7.0));
    }

    #[test]
    fn mean_and_deviation_are_numpys() {
        // numpy.mean, numpy.std of the same values
        assert_eq!(mean(&VALUES), Some(3.875));
        assert!((deviation(&VALUES).unwrap() - 2.570_870_475_150_391_7).abs() < 1e-12);
        assert_eq!((mean(&[]), deviation(&[])), (None, None));
        // A naive sum gives 0.
        assert_eq!(mean(&[1.0, 1e100, 1.0, -1e100]), Some(0.5));
        // The sum, the squares and the distance of these leave float64.
        assert_eq!(mean(&[1.5e308, 1.5e308]), Some(1.5e308));
        assert_eq!(deviation(&[1e300, -1e300]), Some(1e300));
        assert_eq!(quantile(&mut [-1.5e308, 1.5e308], 0.75), Some(7.5e307));
    }
}
