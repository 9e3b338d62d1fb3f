//! A change of a column changes nothing beyond what the lineage names.

use std::path::Path;

use ::spec::random::Random;
use polars::prelude::*;

use super::*;
use crate::build;
use crate::cutoffs::tests::{drawn, today};

type Tables = Vec<(&'static str, DataFrame)>;

fn open(tables: &Tables) -> impl Fn(&str) -> ::spec::Result<LazyFrame> + '_ {
    |name| match tables.iter().find(|(known, _)| *known == name) {
        Some((_, table)) => Ok(table.clone().lazy()),
        None => Err(::spec::Error::cannot_run(format!("no table '{name}' among the inputs"))),
    }
}

fn read(text: &str) -> FeaturesSpec {
    let loaded = ::spec::parse(text, Path::new("features.yaml"), &::spec::Environment::default());
    loaded.unwrap_or_else(|error| panic!("{error}")).spec
}

fn date(name: &str, days: Vec<i32>) -> Column {
    Series::new(name.into(), days).cast(&DataType::Date).unwrap().into()
}

/// 120 events of 12 people in 300 days, and what is known of the people.
fn events(random: &mut Random) -> Tables {
    let rows = 120;
    let day: Vec<i32> = (0..rows).map(|_| 19_000 + random.below(300) as i32).collect();
    let mut later = |most: usize| -> Vec<i32> { day.iter().map(|day| day + random.below(most) as i32).collect() };
    let (loaded, fixed) = (later(20), later(40));
    let mut whole = |most: usize| -> Vec<i64> { (0..rows).map(|_| random.below(most) as i64).collect() };
    let (who, n, lat, lon) = (whole(12), whole(50), whole(8), whole(8));
    let kind: Vec<String> = whole(4).into_iter().map(|kind| format!("k{kind}")).collect();
    let degrees = |of: &[i64], from: f64| of.iter().map(|at| from + *at as f64 / 100.0).collect::<Vec<f64>>();
    let x: Vec<f64> = whole(90).into_iter().map(|x| x as f64 / 4.0).collect();
    let log = DataFrame::new(
        rows,
        vec![
            Column::new("who".into(), who),
            date("day", day),
            date("loaded", loaded),
            date("fixed", fixed),
            Column::new("n".into(), n),
            Column::new("x".into(), x),
            Column::new("kind".into(), kind),
            Column::new("lat".into(), degrees(&lat, 37.0)),
            Column::new("lon".into(), degrees(&lon, 127.0)),
            Column::new("unread".into(), (0..rows as i64).collect::<Vec<_>>()),
            Column::new(FILE.into(), vec!["log.csv"; rows]),
            Column::new(ROW.into(), (0..rows as u32).collect::<Vec<_>>()),
        ],
    );
    let people = 12;
    let traits = DataFrame::new(
        2 * people,
        vec![
            Column::new("id".into(), (0..2 * people as i64).map(|at| at % 12).collect::<Vec<_>>()),
            date("since", (0..2 * people).map(|_| 19_000 + random.below(250) as i32).collect()),
            Column::new("size".into(), (0..2 * people).map(|_| random.below(30) as i64).collect::<Vec<_>>()),
            Column::new("note".into(), (0..2 * people).map(|_| random.below(30) as i64).collect::<Vec<_>>()),
            Column::new(
                "la".into(),
                (0..2 * people).map(|_| 37.0 + random.below(9) as f64 / 100.0).collect::<Vec<_>>(),
            ),
            Column::new(
                "lo".into(),
                (0..2 * people).map(|_| 127.0 + random.below(9) as f64 / 100.0).collect::<Vec<_>>(),
            ),
        ],
    );
    vec![("log", log.unwrap()), ("traits", traits.unwrap())]
}

/// Weekly sales of four series.
fn sales(random: &mut Random) -> Tables {
    let (mut store, mut product, mut region, mut week, mut units, mut price) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    for series in 0..4i64 {
        for at in 0..30 {
            store.push(series / 2);
            product.push(["tea", "coffee"][series as usize % 2]);
            region.push(["north", "south"][series as usize / 2]);
            week.push(18_995 + 7 * at);
            units.push((at < 27).then(|| random.below(50) as f64));
            price.push(1.0 + random.below(20) as f64 / 10.0);
        }
    }
    let extra: Vec<i64> = (0..store.len() as i64).collect();
    let mut table = df!("store" => store, "product" => product, "region" => region, "units" => units, "price" => price, "unread" => extra).unwrap();
    table.with_column(date("week", week)).unwrap();
    vec![("sales", table)]
}

const CUTOFFS: &str = "
table: log
entity: who
time: day
known_at: loaded
known_late: {x: fixed}
cutoffs: {every: 30d, count: 4}
entities: {active_within: 200d}
label: {name: gone, horizon: 30d, is: {sum: {of: n}}, where: \"kind <> 'k1'\"}
features:
  rows: count
  sum: {sum: {of: n, window: 90d}}
  mean: {mean: {of: x, where: \"kind = 'k2'\"}}
  kinds: {distinct: {of: kind}}
  share: {share: {where: n > 20}}
  last: {last: {of: kind}}
  often: {most_frequent: {of: kind, window: 120d}}
  recency: recency
  size: {lookup: {of: traits, theirs: id, take: size, time: since}}
  ratio: {sql: sum / (rows + 1)}
  twice: {sql: ratio * size}
";

const ROWS: &str = "
table: log
key: who
time: day
rows: {where: n > 3}
score: {where: \"kind = 'k3'\"}
label: {name: worth, is: {sql: x * 2}}
features:
  own: {sql: n * 2}
  more: {sql: own + lat}
  count: {count: {by: kind}}
  mean: {mean: {of: n, by: who, window: 90d}}
  some: {sum: {of: n, by: kind, where: lat > 37.03, lag: 5d}}
  size: {lookup: {of: traits, on: who, theirs: id, take: size, time: since}}
  near: {nearest: {of: traits, at: [lat, lon], theirs: [la, lo]}}
  around: {count_within: {of: traits, at: [lat, lon], theirs: [la, lo], radius: 2km, where: size > 10}}
";

const SERIES: &str = "
table: sales
time: week
series: {by: [store, product], every: 1w, horizon: 2, gaps: keep, known_ahead: [price], known_ahead_missing: keep}
label: {name: sold, is: {sql: units}}
features:
  lag: {lag: {of: units, periods: 1}}
  value: {mean: {of: units * price, window: 6w}}
  dear: {sum: {of: units, window: 6w, where: price > 1.5}}
  together: {max: {of: units, by: region}}
  ratio: {sql: price / lag}
  age: tenure
  christmas: {holidays: {country: US}}
";

/// The columns that identify a row.
fn keys(spec: &FeaturesSpec) -> Vec<&'static str> {
    match spec {
        FeaturesSpec::Cutoffs(_) => vec!["who", CUTOFF],
        FeaturesSpec::Rows(_) => vec![ROW],
        FeaturesSpec::Series(_) => vec!["series", CUTOFF, "week", "horizon"],
    }
}

/// Shuffles one column after the other and looks at what changed. Returns how many columns did.
fn perturbed(text: &str, tables: &Tables, random: &mut Random) -> usize {
    let spec = read(text);
    let lineage = lineage(&spec, &open(tables)).unwrap_or_else(|error| panic!("{error}"));
    let was = drawn(build(&spec, &open(tables), today()).unwrap_or_else(|error| panic!("{error}")));
    let mut seen = 0;
    for (at, (table, frame)) in tables.iter().enumerate() {
        for name in frame.get_column_names().into_iter().map(|name| name.as_str()).filter(|name| !name.starts_with('_'))
        {
            let mut order: Vec<IdxSize> = (0..frame.height() as IdxSize).collect();
            random.shuffle(&mut order);
            let shuffled = frame.column(name).unwrap().take(&IdxCa::from_vec("".into(), order)).unwrap();
            let mut changed = tables.clone();
            changed[at].1.with_column(shuffled).unwrap();
            // Two rows of a series in one week, or a place that is taken, are refused.
            let Ok(set) = build(&spec, &open(&changed), today()) else { continue };
            let is = drawn(set);
            let column = ColumnOf::new(*table, name);
            for (was, is) in [(&was.training, &is.training), (&was.scoring, &is.scoring)] {
                seen += compare(&lineage, &column, (was, is), &keys(&spec));
            }
        }
    }
    seen
}

fn compare(lineage: &Lineage, column: &ColumnOf, (was, is): (&DataFrame, &DataFrame), keys: &[&str]) -> usize {
    let same = |name: &str| was.column(name).unwrap().equals_missing(is.column(name).unwrap());
    if was.height() != is.height() || !keys.iter().all(|key| same(key)) {
        assert!(lineage.rows.contains(column), "{column} decides on rows: {lineage:#?}");
        return 0;
    }
    let differing: Vec<&str> =
        was.get_column_names().into_iter().map(|name| name.as_str()).filter(|name| !same(name)).collect();
    for name in &differing {
        assert!(lineage.columns[*name].contains(column), "{name} changes with {column}: {lineage:#?}");
    }
    differing.len()
}

#[test]
fn a_column_changes_nothing_beyond_its_lineage() {
    let mut random = Random::from_state(11);
    for (text, tables, at_least) in
        [(CUTOFFS, events as fn(&mut Random) -> Tables, 60), (ROWS, events, 60), (SERIES, sales, 20)]
    {
        let mut seen = 0;
        for _ in 0..6 {
            let tables = tables(&mut random);
            seen += perturbed(text, &tables, &mut random);
        }
        assert!(seen >= at_least, "only {seen} columns changed:\n{text}");
    }
}

#[test]
fn a_lineage_names_what_is_read_and_no_more() {
    let tables = events(&mut Random::from_state(1));
    let lineage = lineage(&read(CUTOFFS), &open(&tables)).unwrap();
    let names = |of: &Columns| of.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&lineage.columns["rows"]), ["log.day", "log.loaded", "log.who"]);
    assert_eq!(names(&lineage.columns["mean"]), ["log.day", "log.fixed", "log.kind", "log.loaded", "log.who", "log.x"]);
    assert_eq!(names(&lineage.columns["ratio"]), ["log.day", "log.loaded", "log.n", "log.who"]);
    assert!(names(&lineage.columns["twice"]).contains(&"traits.size".to_owned()));
    assert!(!lineage.columns.values().flatten().any(|column| column.column == "unread"));
    let links: Vec<(&str, &str)> = lineage.links.iter().map(|link| (&*link.table, &*link.on[0].1)).collect();
    assert_eq!(links, [("log", "who"), ("traits", "id")]);
    // Rows that became known late are before the cutoff, too, and are not behind the row.
    assert!(lineage.links[0].partial);
    let of_windows = |features: &str| {
        let text = CUTOFFS.split("features:").next().unwrap().replace("known_at: loaded\n", "");
        let lineage = super::lineage(&read(&format!("{text}features:\n{features}")), &open(&tables)).unwrap();
        lineage.links[0].partial
    };
    assert!(!of_windows("  rows: count\n  week: {count: {window: 7d}}\n"));
    assert!(of_windows("  week: {count: {window: 7d}}\n"));
    let of_rows = super::lineage(&read(ROWS), &open(&tables)).unwrap();
    assert_eq!(of_rows.links[0], RowLink::by_provenance("log"));
}
