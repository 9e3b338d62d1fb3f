//! Rounds over parts beside one pass over the whole table, for keys of every type: what comes out must be equal, bit for bit.

use std::hash::{DefaultHasher, Hash, Hasher};

use artifact::{FILE, REASON, ROW};
use spec::random::Random;

use super::*;
use crate::steps::tests::{Done, fit, parse, try_run};

/// Keys of all types in which values are equal that look different, or differ although they look equal.
fn table(random: &mut Random, rows: usize) -> DataFrame {
    fn column<T: Clone>(random: &mut Random, rows: usize, of: &[T]) -> Vec<T> {
        (0..rows).map(|_| of[random.below(of.len())].clone()).collect()
    }
    let floats = [Some(0.0), Some(-0.0), Some(f64::NAN), Some(f64::INFINITY), Some(-1.5), Some(1e300), Some(0.1), None];
    let texts = [Some("a"), Some("b"), Some("B"), Some("é"), Some("e\u{301}"), Some(""), None];
    let mut table = df!(
        "f" => column(random, rows, &floats),
        "g" => column(random, rows, &[Some(0.0f32), Some(-0.0), Some(f32::NAN), Some(2.5), None]),
        "d" => column(random, rows, &[Some(100i64), Some(-100), Some(250), None]),
        "day" => column(random, rows, &[Some(19_000i32), Some(-1), Some(0), None]),
        "at" => column(random, rows, &[Some(1_700_000_000_000_000i64), Some(-1), Some(0), None]),
        "b" => column(random, rows, &[Some(true), Some(false), None]),
        "c" => column(random, rows, &texts),
        "t" => column(random, rows, &texts),
        "i" => column(random, rows, &[Some(i64::MIN), Some(-1), Some(0), Some(7), Some(i64::MAX), None]),
        "u" => column(random, rows, &[Some(u64::MAX), Some(1 << 63), Some(0), None]),
        "v" => (0..rows).map(|_| (random.below(5) > 0).then(|| random.below(1000) as f64 / 7.0)).collect::<Vec<_>>(),
        FILE => vec!["in.csv"; rows],
        ROW => (1..=rows as u32).collect::<Vec<u32>>(),
    )
    .unwrap();
    let types = [
        ("d", DataType::Decimal(12, 2)),
        ("day", DataType::Date),
        ("at", DataType::Datetime(TimeUnit::Microseconds, None)),
        ("c", DataType::from_categories(Categories::global())),
        (FILE, DataType::from_categories(Categories::global())),
    ];
    for (name, dtype) in types {
        table.apply(name, |column| column.cast(&dtype).unwrap()).unwrap();
    }
    table
}

/// Deals rows out as engines do, who know texts and whole numbers only.
fn dealt(rows: &DataFrame, key: &[String], parts: usize) -> Vec<DataFrame> {
    let mut hashes = vec![DefaultHasher::new(); rows.height()];
    for name in key {
        let column = rows.column(name).unwrap();
        assert!(column.dtype().is_integer() || column.dtype().is_string(), "{name} is {}", column.dtype());
        let texts = column.cast(&DataType::String).unwrap();
        hashes.iter_mut().zip(texts.str().unwrap().iter()).for_each(|(hash, text)| text.hash(hash));
    }
    let part = |row: usize| match key.is_empty() {
        true => row * parts / rows.height().max(1),
        false => (hashes[row].finish() % parts as u64) as usize,
    };
    let of = |wanted: usize| {
        let mask: BooleanChunked = (0..rows.height()).map(|row| Some(part(row) == wanted)).collect();
        rows.filter(&mask).unwrap()
    };
    (0..parts).map(of).filter(|part| part.height() > 0).collect()
}

fn together(frames: Vec<DataFrame>) -> Option<DataFrame> {
    let mut frames = frames.into_iter();
    let mut all = frames.next()?;
    frames.for_each(|more| {
        all.vstack_mut(&more).unwrap();
    });
    match all.column(ROW) {
        Ok(_) => {
            let options = SortMultipleOptions::default().with_maintain_order(true).with_nulls_last(true);
            Some(all.sort([ROW], options).unwrap())
        }
        Err(_) => Some(all),
    }
}

/// The same as [`try_run`], in so many parts. Nothing where nothing is done in parts.
fn in_parts(table: &DataFrame, steps: &str, parts: usize) -> Result<Option<Done>> {
    let (steps, given) = (parse(steps)?, Given::default());
    let mut rounds = Rounds::plan(table.schema(), &steps, &given)?;
    if rounds.count() == 0 {
        return Ok(None);
    }
    let (mut state, mut answers) = (table.clone(), Vec::new());
    let (mut refused, mut books) = (Vec::new(), Vec::new());
    let mut rows = Vec::new();
    for round in 0..rounds.count() {
        let (mut states, mut said, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for part in dealt(&state, &rounds.key(round), parts) {
            match rounds.carry(round, part)? {
                Made::State { rows, aside } => {
                    states.push(rows);
                    for batch in aside {
                        refused.extend(batch.refused);
                        books.extend(batch.removed);
                    }
                }
                Made::Said { rows, in_order: true } => said.push(rows),
                Made::Said { rows, in_order: false } => counts.push(rows),
                Made::Rows(batches) => {
                    for batch in batches {
                        let batch = batch?;
                        rows.push(batch.rows);
                        refused.extend(batch.refused);
                        books.extend(batch.removed);
                    }
                }
            }
        }
        match rounds.end(round) {
            End::State => state = together(states).unwrap(),
            End::Question => {
                let said = together(said).into_iter().chain(counts);
                answers.push(rounds.answer(round, said.map(Ok))?);
                rounds = rounds.with_answers(answers.clone());
            }
            End::Rows => {}
            End::Rest | End::Groups => {
                let cleaned = rounds.rest(together(states).unwrap().lazy())?;
                for batch in cleaned.batches {
                    let batch = batch?;
                    rows.push(batch.rows);
                    refused.extend(batch.refused);
                    books.extend(batch.removed);
                }
                let all = DataFrame::empty_with_schema(&cleaned.schema);
                let rows = rows.drain(..).fold(all, |mut all, more| {
                    all.vstack_mut(&more).unwrap();
                    all
                });
                if let Some(schema) = &cleaned.refused {
                    refused = refused.iter().map(|rows| fit(rows, schema)).collect();
                }
                return Ok(Some(done(rows, refused, books)));
            }
        }
    }
    Ok(together(rows).map(|rows| done(rows, refused, books)))
}

fn done(rows: DataFrame, refused: Vec<DataFrame>, books: Vec<Removed>) -> Done {
    let mut removed: Vec<(String, u64)> = Vec::new();
    for Removed { rule, rows, .. } in books {
        match removed.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, count)) => *count += rows,
            None => removed.push((rule, rows)),
        }
    }
    Done { rows, refused: together(refused), removed, added: 0, changes: None }
}

/// Floats as their bits.
fn bits(rows: &DataFrame) -> DataFrame {
    let columns = rows.columns().iter().map(|column| match column.dtype() {
        DataType::Float64 => {
            let bits: UInt64Chunked = column.f64().unwrap().iter().map(|value| value.map(f64::to_bits)).collect();
            bits.with_name(column.name().clone()).into_column()
        }
        DataType::Float32 => {
            let bits: UInt32Chunked = column.f32().unwrap().iter().map(|value| value.map(f32::to_bits)).collect();
            bits.with_name(column.name().clone()).into_column()
        }
        _ => column.clone(),
    });
    DataFrame::new(rows.height(), columns.collect()).unwrap()
}

/// Whether it was done in parts.
fn same(table: &DataFrame, steps: &str, parts: usize) -> bool {
    let here = try_run(table, steps, &Given::default());
    let apart = in_parts(table, steps, parts);
    let (here, apart) = match (here, apart) {
        (Ok(here), Ok(Some(apart))) => (here, apart),
        (_, Ok(None)) => return false,
        (Err(here), Err(apart)) => {
            assert_eq!(here.to_string(), apart.to_string(), "{steps}");
            return false;
        }
        (here, apart) => panic!("{steps}\n{here:?}\n{apart:?}"),
    };
    assert!(bits(&here.rows).equals_missing(&bits(&apart.rows)), "{steps}\n{}\n{}", here.rows, apart.rows);
    // The stage gives them the columns of all passes.
    let text = |refused: &Option<DataFrame>| {
        let told = refused.as_ref().map(|rows| rows.select([ROW, "f", "v", REASON]).unwrap());
        told.map(|rows| {
            bits(&rows)
                .into_struct("refused".into())
                .into_series()
                .iter()
                .map(|row| row.to_string())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(text(&here.refused), text(&apart.refused), "{steps}");
    let sorted = |mut books: Vec<(String, u64)>| {
        books.sort();
        books
    };
    assert_eq!(sorted(here.removed), sorted(apart.removed), "{steps}");
    true
}

#[test]
fn keys_of_every_type_give_the_same_in_parts() {
    let mut random = Random::new(17, 3);
    let keys = ["f", "g", "d", "day", "at", "b", "c", "t", "i", "u"];
    let mut done = 0;
    for round in 0..200 {
        let rows = [1, 9, 40, 200][random.below(4)];
        let table = table(&mut random, rows);
        let key = |random: &mut Random| keys[random.below(keys.len())];
        let by = match random.below(3) {
            0 => format!("{}, {}", key(&mut random), keys[round % keys.len()]),
            _ => keys[round % keys.len()].to_owned(),
        };
        let by = match by.split_once(", ") {
            Some((one, other)) if one == other => one.to_owned(),
            _ => by,
        };
        let first = [
            "",
            "- filter: v IS NULL OR v > 20\n",
            "- dedupe: {keys: [t]}\n",
            "- fill_null: {columns: [v], with: mean}\n",
        ];
        // Of groups with a number `s`.
        let behind = [
            "",
            "- derive: {third: s / 3}\n- rename: {third: s, s: third}\n",
            "- filter: s IS NULL OR s > 100\n- clip: {columns: [s], max: 500}\n",
            "- cast: {columns: {s: string}}\n- cast: {columns: {s: int64}}\n- derive: {last: s + 1}\n",
            "- drop_null: {columns: [s]}\n- dedupe: {keys: [s]}\n- derive: {last: s + 1}\n",
            "- fill_null: {columns: [s], with: {value: 0}}\n- fill_null: {columns: [s], with: mean}\n",
        ];
        let behind = behind[random.below(behind.len())];
        let steps = match random.below(7) {
            0 => format!("- dedupe: {{keys: [{by}]}}"),
            1 => format!("- dedupe: {{keys: [{by}], keep: last, by: v}}"),
            2 => format!("- dedupe: {{keys: [{by}], nulls: equal, count: copies}}"),
            3 if !by.contains('d') => {
                format!("- outliers: {{columns: [v], method: {{iqr: {{factor: 1}}}}, group_by: [{by}], action: clip}}")
            }
            4 => format!("- aggregate: {{by: [{by}]}}"),
            5 => format!(
                "- aggregate: {{by: [{by}], nulls: drop, measures: {{n: COUNT(*), s: SUM(v), m: AVG(v), k: COUNT(DISTINCT t), \
                 q: MEDIAN(v), w: ARG_MAX(t, v)}}}}\n- derive: {{share: s / n}}\n{behind}"
            ),
            _ => format!(
                "- sql: SELECT {by}, SUM(v) AS s, STDDEV(v) AS e FROM this GROUP BY {by} HAVING COUNT(*) > 1\n{behind}"
            ),
        };
        let steps = format!("{}{steps}\n", first[random.below(first.len())]);
        done += u32::from(same(&table, &steps, 1 + random.below(6)));
    }
    assert!(done > 130, "{done} of 200 were done in parts");
}

#[test]
fn groups_are_made_in_parts_and_come_in_the_order_of_their_first_rows() {
    let mut random = Random::new(5, 5);
    let table = table(&mut random, 300);
    let plan = |steps: &str| Rounds::plan(table.schema(), &parse(steps).unwrap(), &Given::default()).unwrap();
    let rounds = plan("- aggregate: {by: [t], measures: {n: COUNT(*)}}");
    assert_eq!(
        (rounds.count(), rounds.key(0), rounds.end(0), rounds.why_rest()),
        (1, vec!["t".to_owned()], End::Groups, None)
    );
    assert!(
        same(&table, "- cast: {columns: {t: int64}}\n- aggregate: {by: [f, t], measures: {n: COUNT(*)}}", 3),
        "refused rows"
    );
    // What looks at one of them follows there; what compares them has no place to come back to.
    let rounds = plan("- aggregate: {by: [f], measures: {n: COUNT(*)}}\n- filter: n > 1\n- rename: {n: count}");
    assert_eq!((rounds.count(), rounds.end(1), rounds.why_rest()), (2, End::Groups, None));
    for compares in ["dedupe: {keys: [n]}", "fill_null: {columns: [n], with: mean}", "aggregate: {by: [n]}"] {
        let rounds =
            plan(&format!("- aggregate: {{by: [t], measures: {{n: COUNT(*)}}}}\n- filter: n > 1\n- {compares}"));
        let name = compares.split(':').next().unwrap();
        let why =
            format!("step 3 '{name}' comes behind step 1 'aggregate', which leaves rows without '_file' and '_row'");
        assert_eq!((rounds.count(), rounds.end(0), rounds.why_rest()), (1, End::Groups, Some(why.as_str())));
    }
    // Without keys, with rows that are refused for their keys, and by other keys than a dedupe before.
    for (steps, why) in [
        ("- aggregate: {measures: {n: COUNT(*)}}", "step 1 'aggregate' makes other rows from the whole table"),
        ("- aggregate: {by: [t], nulls: refuse}", "step 1 'aggregate' makes other rows from the whole table"),
        (
            "- dedupe: {keys: [i]}\n- aggregate: {by: [t]}",
            "step 2 'aggregate' compares rows by other columns than step 1 'dedupe'",
        ),
    ] {
        assert_eq!(plan(steps).why_rest(), Some(why));
        same(&table, steps, 4);
    }
}

#[test]
fn categories_are_told_apart_by_their_texts_however_deep_they_lie() {
    let of = |name: &str, values: [&str; 3]| {
        let dtype = DataType::from_categories(Categories::new(name.into(), "".into(), CategoricalPhysical::U32));
        let column = Column::new("c".into(), values).cast(&dtype).unwrap();
        let rows = DataFrame::new(3, vec![column]).unwrap();
        let nested = rows.clone().into_struct("s".into()).into_series().into_column();
        [rows.columns()[0].clone(), nested]
    };
    let (one, other) = (of("one", ["x", "y", "z"]), of("other", ["z", "x", "y"]));
    for (one, other) in one.iter().zip(&other) {
        let keys = |column: &Column| keys(&[as_text(column).unwrap()]).unwrap();
        let (one, other) = (keys(one), keys(other));
        assert_eq!([one[0], one[1], one[2]], [other[1], other[2], other[0]]);
    }
}
