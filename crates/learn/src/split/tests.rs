use super::*;

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
    let split = spec("by: time\n").by_time(&monthly(), None, "cutoff", None).unwrap();
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
    let split = spec("by: time\n").by_time(&times, Some(90), "cutoff", None).unwrap();
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
    let kept = spec("{by: time, purge: none}\n").by_time(&times, Some(90), "cutoff", None).unwrap();
    assert_eq!(counts(&kept)[3], 0);
}

#[test]
fn too_few_times_say_how_many_are_needed() {
    let failure =
        |times: &[i64], horizon| spec("by: time\n").by_time(times, horizon, "cutoff", None).unwrap_err().to_string();
    assert_eq!(
        failure(&days([0, 0, 30]), None),
        "split by time: column 'cutoff' has 2 distinct values, but train, validation and test need at least 3; add \
         cutoffs in features.yaml, or split by group"
    );
    assert_eq!(
        failure(&days([0, 30, 60, 90]), Some(90)),
        "split by time: the 4 values of 'cutoff' from 1970-01-01 to 1970-04-01 leave no room for three parts whose \
         labels (known 90 days later) do not reach into the next part; they must span at least 180 days and lie \
         close enough together: add earlier cutoffs in features.yaml, shorten the horizon, or split by group"
    );
    assert!(failure(&[], None).contains("has 0 distinct values"));
}

#[test]
fn fine_times_are_cut_near_the_shares() {
    let times: Vec<i64> = (0..100_000).map(|second| second * 1_000_000).collect();
    let [train, valid, test, purged] = counts(&spec("by: time\n").by_time(&times, None, "at", None).unwrap());
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
    let split = spec("by: time\n").by_time(&times, Some(90), "cutoff", None).unwrap();
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
    let split = spec("by: time\n").by_time(&times, Some(30), "cutoff", Some(3)).unwrap();
    assert_eq!(counts(&split), [100, 0, 20, 0]);
    assert_eq!(split.folds.len(), 3);
    let numbers = split.fold_numbers();
    assert_eq!(numbers.iter().flatten().count(), split.judging().len());
    assert!(split.judging().iter().all(|row| split.parts[*row] == Part::Train && numbers[*row].is_some()));
    let summary = split.summary.folds.unwrap();
    assert_eq!(summary.rows.len(), 3);
    let error = spec("by: time\n").by_time(&days([0, 0]), None, "cutoff", Some(2)).unwrap_err().to_string();
    assert!(
        error.starts_with("split by time: column 'cutoff' has 1 distinct value, but train and test need at least 2")
    );
}
