use super::*;
use score::calendar::DAY;

fn spec(yaml: &str) -> SplitSpec {
    let path = std::path::Path::new("train.yaml");
    spec::parse(yaml, path, &Default::default()).unwrap_or_else(|error| panic!("{error}")).spec
}

fn days(days: impl IntoIterator<Item = i64>) -> Vec<i64> {
    days.into_iter().map(|day| day * DAY).collect()
}

fn counts(split: &Split) -> [u64; 4] {
    Part::ALL.map(|part| split.summary.rows(part))
}

/// Twelve cutoffs a month of 30 days apart, ten rows each.
fn monthly() -> Vec<i64> {
    days((0..120).map(|row| row / 10 * 30))
}

#[test]
fn whole_times_go_to_one_part_in_order() {
    let split = spec("by: time\n").by_time(&monthly(), &LabelKnown::AT_ONCE, "cutoff", None).unwrap();
    assert_eq!(counts(&split), [80, 20, 20, 0]);
    for (time, part) in monthly().iter().zip(&split.parts) {
        let expected = if *time < 240 * DAY {
            Part::Train
        } else if *time < 300 * DAY {
            Part::Valid
        } else {
            Part::Test
        };
        assert_eq!(*part, expected);
    }
    let train = split.summary.of(Part::Train).unwrap();
    assert_eq!(train.times, Some(("1970-01-01".to_owned(), "1970-07-30".to_owned())));
}

#[test]
fn no_label_reaches_into_the_next_part() {
    let times = monthly();
    let split = spec("by: time\n").by_time(&times, &LabelKnown::After(90), "cutoff", None).unwrap();
    let range = |part: Part| {
        let of_part = || times.iter().zip(&split.parts).filter(|(_, p)| **p == part).map(|(time, _)| *time);
        (of_part().min().unwrap(), of_part().max().unwrap())
    };
    assert!(range(Part::Train).1 + 90 * DAY <= range(Part::Valid).0);
    assert!(range(Part::Valid).1 + 90 * DAY <= range(Part::Test).0);
    // Two gaps of two cutoffs each, for labels known 90 days later.
    assert_eq!(counts(&split)[3], 40);
    assert_eq!(counts(&split).iter().sum::<u64>(), 120);
    assert!(split.summary.notes[0].starts_with("40 rows were purged: their labels, known 90 days after 'cutoff'"));
    let kept = spec("{by: time, purge: none}\n").by_time(&times, &LabelKnown::After(90), "cutoff", None).unwrap();
    assert_eq!(counts(&kept)[3], 0);
}

#[test]
fn a_horizon_of_months_is_over_when_the_next_cutoff_comes() {
    let date = |month: u32, day: u32| {
        chrono::NaiveDate::from_ymd_opt(2024, month, day).unwrap().and_time(Default::default()).and_utc()
    };
    let first: Vec<i64> = (1..=12).flat_map(|month| vec![date(month, 1).timestamp_micros(); 10]).collect();
    let known = |spans: &[&str]| LabelKnown::Later(spans.iter().map(|span| span.parse().unwrap()).collect());
    let purged = |label: &LabelKnown| counts(&spec("by: time\n").by_time(&first, label, "cutoff", None).unwrap())[3];
    assert_eq!(purged(&known(&["1mo"])), 0, "not one of a month of 29 or 30 days either");
    assert_eq!((purged(&known(&["2mo"])), purged(&known(&["1mo", "1d"]))), (20, 20));
    let split = spec("by: time\n").by_time(&first, &known(&["1mo", "14d"]), "cutoff", None).unwrap();
    assert!(
        split.summary.notes[0]
            .starts_with("20 rows were purged: their labels, known 1mo and 14d after 'cutoff', reach")
    );
    // A day that a month does not have becomes its last.
    let moments = |day: u32, spans: &[&str]| known(spans).moments(&[date(1, day).timestamp_micros()])[0];
    assert_eq!(moments(31, &["1mo"]), date(2, 29).timestamp_micros());
    assert_eq!(moments(31, &["1mo", "36h"]), date(3, 1).timestamp_micros() + DAY / 2);
    assert_eq!(known(&["9000y"]).moments(&[i64::MAX - 1]), [i64::MAX]);
    let two = spec("by: time\n").by_time(&days([0, 31, 59]), &known(&["3mo"]), "cutoff", None).unwrap_err().to_string();
    assert!(
        two.contains("whose labels (known 3mo later) do not reach into the next part; add earlier cutoffs"),
        "{two}"
    );
}

#[test]
fn too_few_times_say_how_many_are_needed() {
    let failure =
        |times: &[i64], label| spec("by: time\n").by_time(times, &label, "cutoff", None).unwrap_err().to_string();
    assert_eq!(
        failure(&days([0, 0, 30]), LabelKnown::AT_ONCE),
        "split by time: column 'cutoff' has 2 distinct values, but train, validation and test need at least 3; add \
         cutoffs in features.yaml, or split by group"
    );
    assert_eq!(
        failure(&days([0, 30, 60, 90]), LabelKnown::After(90)),
        "split by time: the 4 values of 'cutoff' from 1970-01-01 to 1970-04-01 leave no room for three parts whose \
         labels (known 90 days later) do not reach into the next part; they must span at least 180 days and lie \
         close enough together: add earlier cutoffs in features.yaml, shorten the horizon, or split by group"
    );
    assert!(failure(&[], LabelKnown::AT_ONCE).contains("has 0 distinct values"));
}

#[test]
fn fine_times_are_cut_near_the_shares() {
    let times: Vec<i64> = (0..100_000).map(|second| second * 1_000_000).collect();
    let [train, valid, test, purged] =
        counts(&spec("by: time\n").by_time(&times, &LabelKnown::AT_ONCE, "at", None).unwrap());
    assert!(train.abs_diff(70_000) < 500 && valid.abs_diff(15_000) < 500, "{train} {valid} {test}");
    assert_eq!((train + valid + test, purged), (100_000, 0));
}

#[test]
fn a_group_falls_into_one_part_whatever_else_is_there() {
    let names: Vec<String> = (0..20_000).map(|n| format!("c{}", n % 10_000)).collect();
    let spec = spec("by: group\n");
    let split = spec.by_group(names.iter().map(String::as_str), 42, "customer_id").unwrap();
    assert_eq!(split.parts[..10_000], split.parts[10_000..]);
    let [train, valid, test, _] = counts(&split);
    assert!(train.abs_diff(14_000) < 300 && valid.abs_diff(3_000) < 300 && test.abs_diff(3_000) < 300);
    let fewer = spec.by_group(names[..5_000].iter().map(String::as_str), 42, "customer_id").unwrap();
    assert_eq!(fewer.parts[..], split.parts[..5_000]);
    let other = spec.by_group(names.iter().map(String::as_str), 43, "customer_id").unwrap();
    assert_ne!(other.parts, split.parts);
}

#[test]
fn chance_meets_the_shares_to_the_row() {
    let split = spec("{by: random, shares: [0.5, 0.3, 0.2]}\n").at_random(1000, None, 1).unwrap();
    assert_eq!(counts(&split), [500, 300, 200, 0]);
    assert_eq!(split.parts, spec("{by: random, shares: [0.5, 0.3, 0.2]}\n").at_random(1000, None, 1).unwrap().parts);
    assert_eq!(
        spec("by: random\n").at_random(2, None, 1).unwrap_err().to_string(),
        "split: the valid part is empty: 2 rows in all; use more rows, or give the part a larger share"
    );
}

#[test]
fn shares_must_be_three_and_whole() {
    for shares in ["[0.5, 0.5]", "[0.5, 0.5, 0.5]", "[1, 0, 0]"] {
        let yaml = format!("{{by: time, shares: {shares}}}\n");
        let failure = spec::parse::<SplitSpec>(&yaml, std::path::Path::new("t.yaml"), &Default::default()).unwrap_err();
        assert!(failure.to_string().contains("three numbers above 0 that add up to 1"), "{failure}");
    }
}

#[test]
fn chance_gives_each_class_its_share_of_every_part() {
    let mut random = Random::new(4, 0);
    for seed in 0..50 {
        let rows = 40 + random.below(400);
        let classes: Vec<f64> = (0..rows).map(|_| f64::from(u8::from(random.below(10) == 0))).collect();
        let split = spec("by: random\n").at_random(rows, Some(&classes), seed).unwrap();
        let plain = spec("by: random\n").at_random(rows, None, seed).unwrap();
        assert_eq!(counts(&split), counts(&plain), "the shares are met to the row as without classes");
        for (part, share) in [(Part::Train, 0.7), (Part::Valid, 0.15), (Part::Test, 0.15)] {
            for class in [0.0, 1.0] {
                let all = classes.iter().filter(|other| **other == class).count() as f64;
                let of_part = split.parts.iter().zip(&classes).filter(|(of, other)| **of == part && **other == class);
                let found = of_part.count() as f64;
                assert!((found - share * all).abs() <= 2.0, "seed {seed}, {part:?}: {found} of {all}");
            }
        }
    }
}

#[test]
fn what_may_teach_the_released_model_is_known_before_the_test_part() {
    let times = monthly();
    let split = spec("by: time\n").by_time(&times, &LabelKnown::After(90), "cutoff", None).unwrap();
    let test = times.iter().zip(&split.parts).filter(|(_, part)| **part == Part::Test).map(|(time, _)| *time).min();
    for (row, time) in times.iter().enumerate() {
        assert_eq!(split.before_test[row], time + 90 * DAY <= test.unwrap(), "row {row}");
    }
    // Of 40 purged rows, those of the gap between train and validation come back.
    let back = split.before_test.iter().zip(&split.parts).filter(|(before, part)| **before && **part == Part::Purged);
    assert_eq!(back.count(), 20);
}

#[test]
fn folds_by_time_leave_no_validation_part() {
    let times = monthly();
    let split = spec("by: time\n").by_time(&times, &LabelKnown::After(30), "cutoff", Some(3)).unwrap();
    assert_eq!(counts(&split), [100, 0, 20, 0]);
    assert_eq!(split.folds.len(), 3);
    let numbers = split.fold_numbers();
    assert_eq!(numbers.iter().flatten().count(), split.judging().len());
    assert!(split.judging().iter().all(|row| split.parts[*row] == Part::Train && numbers[*row].is_some()));
    let summary = split.summary.folds.unwrap();
    assert_eq!(summary.rows.len(), 3);
    let error =
        spec("by: time\n").by_time(&days([0, 0]), &LabelKnown::AT_ONCE, "cutoff", Some(2)).unwrap_err().to_string();
    assert!(
        error.starts_with("split by time: column 'cutoff' has 1 distinct value, but train and test need at least 2")
    );
}

/// The parts by hand: of all pairs of times those whose parts come nearest to the shares.
fn by_hand(times: &[i64], known: &[i64]) -> Option<Vec<Part>> {
    let mut distinct = times.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let part = |row: usize, valid: i64, test: i64| {
        let (time, known) = (times[row], known[row]);
        if time >= test {
            Part::Test
        } else if known > test || (time < valid && known > valid) {
            Part::Purged
        } else if time >= valid {
            Part::Valid
        } else {
            Part::Train
        }
    };
    let mut best: Option<(f64, Vec<Part>)> = None;
    for valid in &distinct {
        for test in distinct.iter().filter(|test| *test > valid) {
            let parts: Vec<Part> = (0..times.len()).map(|row| part(row, *valid, *test)).collect();
            let left = parts.iter().filter(|part| **part != Part::Purged).count() as f64;
            let share = |of: Part| parts.iter().filter(|part| **part == of).count() as f64 / left;
            let shares = [share(Part::Train), share(Part::Valid), share(Part::Test)];
            let miss: f64 = shares.iter().zip([0.7, 0.15, 0.15]).map(|(share, goal)| (share - goal).powi(2)).sum();
            if !shares.contains(&0.0) && best.as_ref().is_none_or(|(least, _)| miss < least - 1e-12) {
                best = Some((miss, parts));
            }
        }
    }
    best.map(|(_, parts)| parts)
}

#[test]
fn labels_that_become_known_row_by_row_purge_row_by_row() {
    let mut random = Random::new(24, 0);
    let mut refused = 0;
    for round in 0..300 {
        let (rows, span) = (5 + random.below(60), 3 + random.below(12));
        let times = days((0..rows).map(|_| random.below(span) as i64));
        // Some are known at once, some late, some never.
        let lag = |random: &mut Random| match random.below(4) {
            0 => 0,
            1 => 1000,
            _ => random.below(4) as i64,
        };
        let moments: Vec<i64> = times.iter().map(|time| time + lag(&mut random) * DAY - 1).collect();
        let known: Vec<i64> = moments.iter().zip(&times).map(|(moment, time)| *moment.max(time)).collect();
        let label = LabelKnown::At { column: "told".to_owned(), moments };
        match (spec("by: time\n").by_time(&times, &label, "at", None), by_hand(&times, &known)) {
            (Ok(split), Some(parts)) => {
                assert_eq!(split.parts, parts, "round {round}");
                let test =
                    times.iter().zip(&parts).filter(|(_, part)| **part == Part::Test).map(|(time, _)| *time).min();
                let before: Vec<bool> = times
                    .iter()
                    .zip(&known)
                    .map(|(time, known)| *time < test.unwrap() && *known <= test.unwrap())
                    .collect();
                assert_eq!(split.before_test, before, "round {round}");
                if parts.contains(&Part::Purged) {
                    assert!(split.summary.notes[0].contains("their labels, known at 'told', reach into the next part"));
                }
            }
            (Err(error), parts) => {
                refused += 1;
                assert_eq!(error.class(), spec::Class::Refused);
                // Parts of a few rows are not parts to choose or judge by.
                let few = |of: Part| parts.iter().flatten().filter(|part| **part == of).count() < 10;
                assert!(parts.is_none() || [Part::Train, Part::Valid, Part::Test].into_iter().any(few), "{error}");
            }
            (ours, theirs) => panic!("round {round}: {ours:?} {theirs:?}"),
        }
    }
    assert!((1..200).contains(&refused), "{refused}");
}

#[test]
fn folds_learn_from_no_label_that_is_told_later() {
    let mut random = Random::new(25, 0);
    let mut judged = 0;
    for _ in 0..200 {
        let rows = 40 + random.below(100);
        let times = days((0..rows).map(|_| random.below(20) as i64));
        let moments: Vec<i64> = times.iter().map(|time| time + random.below(6) as i64 * DAY).collect();
        let label = LabelKnown::At { column: "told".to_owned(), moments: moments.clone() };
        let Ok(split) = spec("by: time\n").by_time(&times, &label, "at", Some(3)) else { continue };
        let train = split.rows_of(Part::Train);
        for fold in &split.folds {
            let begins = fold.valid.iter().map(|at| times[train[*at]]).min().unwrap();
            let known: Vec<usize> =
                (0..train.len()).filter(|at| times[train[*at]] < begins && moments[train[*at]] <= begins).collect();
            assert_eq!(fold.train, known);
            judged += 1;
        }
    }
    assert!(judged > 300, "{judged}");
}

#[test]
fn what_purging_leaves_is_shared_as_asked() {
    // A thousand rows over 375 days.
    let times: Vec<i64> = (0..1000).map(|row| row * 375 * DAY / 1000).collect();
    for (days, left) in [(0, 1000.0), (30, 840.0), (60, 680.0), (90, 520.0), (120, 360.0)] {
        let split = spec("by: time\n").by_time(&times, &LabelKnown::After(days), "at", None).unwrap();
        let [train, valid, test, purged] = counts(&split).map(|rows| rows as f64);
        assert!((train + valid + test - left).abs() < 12.0, "{days} days: {train} {valid} {test} {purged}");
        for (rows, share) in [(train, 0.7), (valid, 0.15), (test, 0.15)] {
            assert!((rows / (1000.0 - purged) - share).abs() < 0.01, "{days} days: {train} {valid} {test} {purged}");
        }
        let note = split.summary.notes.get(1).cloned().unwrap_or_default();
        assert_eq!(note.starts_with("purging leaves few rows: "), days == 120, "{days}: {note}");
    }
    let error = spec("by: time\n").by_time(&times, &LabelKnown::After(180), "at", None).unwrap_err().to_string();
    assert!(
        error.starts_with("split: purging leaves the valid part ")
            && error.contains(" of 1000 rows, because labels are known 180 days after 'at'; bring"),
        "{error}"
    );
    let folded = spec("by: time\n").by_time(&times, &LabelKnown::After(90), "at", Some(3)).unwrap();
    let [train, valid, test, purged] = counts(&folded).map(|rows| rows as f64);
    assert!(valid == 0.0 && (test / (1000.0 - purged) - 0.15).abs() < 0.01, "{train} {test} {purged}");
}

#[test]
fn too_few_groups_are_counted() {
    let groups = (0..200).map(|row| if row % 2 == 0 { "a" } else { "b" });
    let error = spec("by: group\n").by_group(groups, 42, "shop").unwrap_err().to_string();
    assert!(error.starts_with("split: the 2 groups of 'shop' leave a part empty: "), "{error}");
}
