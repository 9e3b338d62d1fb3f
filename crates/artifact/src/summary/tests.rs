use std::collections::HashSet;

use super::*;

fn summary_of(batches: &[DataFrame]) -> Vec<ColumnSummary> {
    let mut summary = Summary::new(batches[0].schema());
    batches.iter().for_each(|batch| _ = summary.observe(batch));
    summary.finish()
}

#[test]
fn numbers_are_exact_across_batches() {
    let batches = [df!("a" => [1i64, 2, 3]).unwrap(), df!("a" => [Some(4i64), None]).unwrap()];
    let a = &summary_of(&batches)[0];
    assert_eq!((a.count, a.nulls, a.distinct, a.distinct_is_estimate), (5, 1, 4, false));
    assert_eq!((a.min.clone(), a.max.clone()), (Some(1.into()), Some(4.into())));
    // numpy: np.mean([1,2,3,4]), np.std([1,2,3,4])
    assert_eq!(a.mean, Some(2.5));
    assert!((a.std.unwrap() - 1.118_033_988_749_895).abs() < 1e-12);
}

#[test]
fn integers_of_all_sizes_keep_their_digits() {
    let large = [u64::MAX, 1 << 63, (1 << 63) + 1, 7];
    let codes = [9_007_199_254_740_993i64, i64::MIN + 1, 0, 0];
    let s = summary_of(&[df!("u" => large, "i" => codes).unwrap()]);
    assert_eq!((s[0].distinct, s[0].min.clone(), s[0].max.clone()), (4, Some(7.into()), Some(u64::MAX.into())));
    assert_eq!(
        (s[1].min.clone(), s[1].max.clone()),
        (Some((i64::MIN + 1).into()), Some(9_007_199_254_740_993i64.into()))
    );
}

#[test]
fn large_numbers_near_each_other_keep_their_spread_and_what_is_not_finite_does_not_count() {
    let moments: Vec<i64> = (0..100_000).map(|at| 1_700_000_000_000_000 + at % 1_000).collect();
    let odd: Vec<f64> = (0..100_000).map(|at| if at % 10 == 0 { f64::NAN } else { f64::from(at % 7) }).collect();
    let s = summary_of(&[df!("t" => moments, "f" => odd).unwrap()]);
    // Numbers 0 to 999: (1000² - 1) / 12 is their variance.
    assert!((s[0].std.unwrap() - (999_999.0f64 / 12.0).sqrt()).abs() < 1e-6, "{:?}", s[0].std);
    assert_eq!((s[0].distinct, s[1].distinct), (1000, 8));
    assert_eq!((s[1].min.clone(), s[1].max.clone()), (Some(0.0.into()), Some(6.0.into())));
    let mean = (0..100_000).filter(|at| at % 10 > 0).map(|at| f64::from(at % 7)).sum::<f64>() / 90_000.0;
    assert!((s[1].mean.unwrap() - mean).abs() < 1e-12);
}

#[test]
fn texts_are_distinguished_whatever_their_length_and_order() {
    let long = |at: usize| format!("a text that is longer than twelve bytes, number {}", at % 700);
    let text: Vec<Option<String>> = (0..5_000)
        .map(|at| match at % 4 {
            0 => Some(long(at)),
            1 => Some(format!("s{}", at % 90)),
            2 => Some(String::new()),
            _ => None,
        })
        .collect();
    let distinct: HashSet<&str> = text.iter().flatten().map(String::as_str).collect();
    let whole = df!("s" => &text).unwrap();
    let s = &summary_of(&[whole.slice(0, 1_234), whole.slice(1_234, 4_000)])[0];
    assert_eq!((s.distinct, s.nulls), (distinct.len() as u64, 1_250));
    assert_eq!(s.min, Some("".into()));
    assert_eq!(s.max, Some((*distinct.iter().max().unwrap()).into()));
}

#[test]
fn texts_have_a_range_and_shares() {
    let s = &summary_of(&[df!("s" => ["b", "a", "b", "c"]).unwrap()])[0];
    assert_eq!((s.min.clone(), s.max.clone(), s.distinct), (Some("a".into()), Some("c".into()), 3));
    assert_eq!(s.top[0], ("b".to_owned(), 0.5));
}

#[test]
fn many_distinct_values_are_estimated_within_five_percent() {
    let values: Vec<i64> = (0..200_000).collect();
    let a = &summary_of(&[df!("a" => values).unwrap()])[0];
    assert!(a.distinct_is_estimate);
    assert!((a.distinct as f64 / 200_000.0 - 1.0).abs() < 0.05, "{}", a.distinct);
    assert!((a.quantiles.at(0.5).unwrap() - 100_000.0).abs() < 4_000.0, "{:?}", a.quantiles);
}

#[test]
fn an_all_null_column_has_no_range() {
    let a = &summary_of(&[df!("a" => [None::<f64>, None]).unwrap()])[0];
    assert_eq!((a.count, a.nulls, a.distinct, a.min.clone(), a.mean), (2, 2, 0, None, None));
    assert!(a.quantiles.is_empty());
}

#[test]
fn shares_are_of_the_values() {
    let s = &summary_of(&[df!("s" => [Some("b"), None, None, Some("a"), Some("b"), Some("b")]).unwrap()])[0];
    assert_eq!(s.top, [("b".to_owned(), 0.75), ("a".to_owned(), 0.25)]);
}

/// Whatever the parts, their sum is the summary of the whole.
#[test]
fn parts_add_up_to_the_whole() {
    let mut random = testkit::Random::seeded(23);
    for round in 0..60 {
        let rows = 2 + random.below(400) as usize;
        let some = |random: &mut testkit::Random, value: i64| (random.below(5) > 0).then_some(value);
        let whole: Vec<Option<i64>> = (0..rows)
            .map(|_| {
                let value = random.next_u64() as i64 >> random.below(50);
                some(&mut random, value)
            })
            .collect();
        let small: Vec<Option<i64>> = (0..rows)
            .map(|_| {
                let value = random.below(9) as i64;
                some(&mut random, value)
            })
            .collect();
        let days =
            polars::prelude::Column::new("d".into(), small.iter().map(|v| v.map(|v| v as i32)).collect::<Vec<_>>());
        let mut table = df!(
            "i" => &whole,
            "u" => small.iter().map(|v| v.map(|v| u64::MAX - v as u64)).collect::<Vec<_>>(),
            "f" => small.iter().map(|v| v.map(|v| v as f64 / 4.0)).collect::<Vec<_>>(),
            "b" => small.iter().map(|v| v.map(|v| v > 4)).collect::<Vec<_>>(),
            "s" => small.iter().map(|v| v.map(|v| format!("text {v}"))).collect::<Vec<_>>(),
        )
        .unwrap();
        table.with_column(days.cast(&DataType::Date).unwrap()).unwrap();
        let mut cuts: Vec<usize> = (0..random.below(5)).map(|_| random.below(rows as u64) as usize).collect();
        cuts.extend([0, rows]);
        cuts.sort_unstable();
        let parts: Vec<Vec<ColumnSummary>> =
            cuts.windows(2).map(|pair| summary_of(&[table.slice(pair[0] as i64, pair[1] - pair[0])])).collect();
        for (at, wanted) in summary_of(&[table.clone()]).iter().enumerate() {
            let of_column: Vec<&ColumnSummary> = parts.iter().map(|part| &part[at]).collect();
            let found = ColumnSummary::merged(&of_column).unwrap();
            let name = format!("round {round}, column {}", wanted.name);
            assert_eq!((found.count, found.nulls), (wanted.count, wanted.nulls), "{name}");
            assert_eq!((&found.min, &found.max), (&wanted.min, &wanted.max), "{name}");
            assert!(found.distinct <= wanted.distinct, "{name}");
            assert!(found.distinct == wanted.distinct || found.distinct_is_at_least, "{name}");
            for (found, wanted) in [(found.mean, wanted.mean), (found.std, wanted.std)] {
                let near = |(a, b): (f64, f64)| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
                assert!(
                    found.zip(wanted).is_none_or(near) && found.is_some() == wanted.is_some(),
                    "{name}: {found:?} {wanted:?}"
                );
            }
            assert_eq!(found.top.len(), wanted.top.len(), "{name}");
            for (value, share) in &wanted.top {
                let same = found.top.iter().find(|(known, _)| known == value).unwrap();
                assert!((same.1 - share).abs() < 1e-9, "{name}: {value}");
            }
        }
    }
    let (a, b) = (summary_of(&[df!("x" => [1i64]).unwrap()]), summary_of(&[df!("x" => ["a"]).unwrap()]));
    assert_eq!(ColumnSummary::merged(&[&a[0], &b[0]]), None, "a number is not a text");
    assert_eq!(ColumnSummary::merged(&[]), None);
}

/// What a writer gathers on the way, some of it beside the encoding of row groups, is what the batches say.
#[test]
fn a_written_table_is_summed_up_as_its_batches_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = testkit::Random::seeded(29);
    // Less than a row group, and several of them: the latter are written by a thread.
    for (number, rows) in [700usize, 90_000, 300_000].into_iter().enumerate() {
        let mut text = |distinct: u64, length: usize| -> Vec<Option<String>> {
            (0..rows)
                .map(|_| (random.below(9) > 0).then(|| format!("{:01$}", random.below(distinct), length)))
                .collect()
        };
        let mut table = df!(
            "few" => text(7, 1), "long" => text(40, 30), "many" => text(3_000, 5), "all" => text(1 << 60, 19),
            "none" => vec![None::<&str>; rows], "number" => (0..rows as i64).collect::<Vec<_>>(),
        )
        .unwrap();
        let few = table.column("few").unwrap().cast(&DataType::from_categories(Categories::global())).unwrap();
        table.with_column(few.with_name("category".into())).unwrap();
        let path = folder.path().join(format!("{number}.parquet"));
        let mut writer = crate::TableWriter::create(&path, table.schema()).unwrap();
        let mut plain = Summary::new(table.schema());
        let mut from = 0;
        while from < rows {
            let batch = table.slice(from as i64, 1 + random.below(60_000) as usize);
            from += batch.height();
            plain.observe(&batch);
            writer.write(batch).unwrap();
        }
        let written = writer.finish().unwrap();
        assert_eq!(written.summary.as_ref().unwrap().finish(), plain.finish(), "{rows} rows");
    }
}
