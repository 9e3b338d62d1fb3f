//! Tests of whole tables: by hand, against the plain definitions, and of what is refused.

use std::path::Path;

use polars::prelude::*;

use crate::cutoffs::tests::{Drawn, days, drawn, lines, today};
use crate::{FeatureSet, FeaturesSpec, Proof, build, prove};

mod late;
mod random;

type Tables = Vec<(&'static str, DataFrame)>;

fn open(tables: &Tables) -> impl Fn(&str) -> spec::Result<LazyFrame> + '_ {
    |name| match tables.iter().find(|(known, _)| *known == name) {
        Some((_, table)) => Ok(table.clone().lazy()),
        None => Err(spec::Error::cannot_run(format!("no table '{name}' among the inputs"))),
    }
}

fn read(text: &str) -> spec::Result<FeaturesSpec> {
    spec::parse(text, Path::new("features.yaml"), &spec::Environment::default()).map(|loaded| loaded.spec)
}

const HEAD: &str = "table: trades\nkey: trade_id\ntime: day\nrows: {}\nlabel: {name: price, is: {sql: price}}\n";

fn spec_of(features: &[&str]) -> FeaturesSpec {
    let features: String = features.iter().map(|line| format!("  {line}\n")).collect();
    read(&format!("{HEAD}features:\n{features}")).unwrap_or_else(|error| panic!("{error}"))
}

fn set(spec: &FeaturesSpec, tables: &Tables) -> spec::Result<FeatureSet> {
    build(spec, &open(tables), today())
}

fn built(spec: &FeaturesSpec, tables: &Tables) -> Drawn {
    drawn(set(spec, tables).unwrap_or_else(|error| panic!("{error}")))
}

fn proved(spec: &FeaturesSpec, tables: &Tables, drawn: &Drawn) -> spec::Result<Proof> {
    let (training, scoring) = (drawn.training.clone().lazy(), drawn.scoring.clone().lazy());
    prove(spec, &open(tables), training, scoring, (1_000, 7), today())
}

#[test]
fn tables_of_another_spec_cannot_be_proved() {
    let spec = spec_of(&["area: {sql: area}"]);
    let mut drawn = built(&spec, &tables());
    let whole = drawn.training.clone();
    drawn.training = whole.drop("area").unwrap();
    let says = |what: &str| {
        format!(
            "the published table does not have the columns of the spec: {what}; features.yaml has changed since, or \
             another program wrote the table; run features again"
        )
    };
    assert_eq!(proved(&spec, &tables(), &drawn).unwrap_err().to_string(), says("'area' is missing"));
    drawn.training = whole.clone();
    drawn.training.with_column(whole.column("price").unwrap().clone().with_name("leak".into())).unwrap();
    assert_eq!(proved(&spec, &tables(), &drawn).unwrap_err().to_string(), says("no feature is called 'leak'"));
}

#[test]
fn a_new_row_is_asked_with_its_own_columns() {
    let spec = spec_of(&["area: {sql: area}", "n: {count: {by: district}}", "m: {mean: {of: price, by: district}}"]);
    let prepared = crate::Prepared::open(&spec, &open(&tables()), today()).unwrap();
    let inputs: Vec<&str> = prepared.inputs().iter_names().map(|name| name.as_str()).collect();
    assert_eq!(inputs, ["trade_id", "day", "area", "district"]);
    let now = chrono::DateTime::from_timestamp(1_711_929_600, 0).unwrap();
    // On 1 April, with whole numbers for the area, an unknown district, and a missing one.
    let asked =
        df!("district" => [Some("a"), Some("z"), None], "area" => [80i64, 70, 60], "more" => [1, 2, 3]).unwrap();
    let answer = prepared.for_rows(&asked, now).unwrap();
    assert_eq!(lines(&answer), ["- 2024-04-01 80 4 47.5", "- 2024-04-01 70 0 -", "- 2024-04-01 60 - -"]);
    assert_eq!(prepared.for_rows(&asked.head(Some(0)), now).unwrap().schema(), prepared.outputs());
    let error = |asked: DataFrame| prepared.for_rows(&asked, now).unwrap_err().to_string();
    assert_eq!(
        error(asked.drop("area").unwrap().lazy().rename(["more"], ["araea"], true).collect().unwrap()),
        "column 'area' is missing; did you mean 'araea'?"
    );
    let text = df!("district" => ["a"], "area" => ["large"]).unwrap();
    assert_eq!(error(text), "column 'area' is string, but the table has float64; give it as float64");
    let huge = df!("district" => ["a"], "area" => [9_007_199_254_740_993i64]).unwrap();
    assert_eq!(error(huge), "column 'area' is int64, but the table has float64; give it as float64");
    assert_eq!(
        prepared.for_keys(&asked, None).err().unwrap().to_string(),
        "each row is an example here, so a key alone has no features; ask with the columns of a row"
    );
}

#[test]
fn what_clean_made_of_the_label_is_known_no_sooner() {
    let made = |name: &str, reads: &[&str]| artifact::Definition {
        reads: reads.iter().map(|read| (*read).to_owned()).collect(),
        ..artifact::Definition::new(name, "derive", "derive", [])
    };
    let columns = vec![made("area", &["price", "floor"]), made("lat", &["floor"]), made("floor", &["rooms"])];
    let made = artifact::Definitions { columns, ..Default::default() };
    let failure =
        |features: &[&str]| set(&spec_of(features).inheriting(&made), &tables()).err().map(|error| error.to_string());
    assert_eq!(
        failure(&["f: {sql: area}"]).unwrap(),
        "feature 'f' reads 'area' of the row itself: it holds the label, which is not known yet; use an aggregate over \
         earlier rows, such as {mean: {of: area}}"
    );
    assert_eq!(failure(&["f: {mean: {of: area}}", "g: {sql: lat}", "h: {sql: floor}"]), None);
    let spec = read(&format!(
        "{}features: {{f: {{sql: lat}}}}\n",
        HEAD.replace("rows: {}", "known_late: {floor: 3d}\nrows: {}")
    ));
    let error = set(&spec.unwrap().inheriting(&made), &tables()).err().unwrap().to_string();
    assert!(error.starts_with("feature 'f' reads 'lat' of the row itself: by 'known_at' and 'known_late'"), "{error}");
}

#[test]
fn infinite_numbers_are_refused() {
    let mut all = tables();
    all[0].1.with_column(Column::new("odd".into(), [1.0, f64::INFINITY, 2.0, 3.0, 4.0, 5.0, 6.0])).unwrap();
    assert_eq!(
        set(&spec_of(&["f: {mean: {of: odd}}"]), &all).err().unwrap().to_string(),
        "feature 'f': column 'odd' holds an infinite number, which cannot be computed with; take such rows out in \
         clean.yaml, for example by `filter: abs(odd) < 1e300`"
    );
    // SQL says null of it.
    assert!(set(&spec_of(&["f: {mean: {of: odd * 2}}"]), &all).is_ok());
}

fn table(on: &[Option<&str>], columns: Vec<Column>) -> DataFrame {
    let mut all = vec![days("day", on)];
    all.extend(columns);
    DataFrame::new(on.len(), all).unwrap()
}

/// Trades in two districts, out of order, with a tie, a missing district and a price that is not yet known.
fn tables() -> Tables {
    let on = ["2024-03-31", "2024-01-10", "2024-01-10", "2024-02-01", "2024-02-29", "2024-04-15", "2024-02-01"];
    let trades = table(
        &on.map(Some),
        vec![
            Column::new("trade_id".into(), [1i64, 2, 3, 4, 5, 6, 7]),
            Column::new("district".into(), [Some("a"), Some("a"), Some("a"), Some("a"), Some("b"), Some("a"), None]),
            Column::new("price".into(), [Some(100.0), Some(10.0), Some(30.0), Some(50.0), Some(7.0), None, Some(9.0)]),
            Column::new("area".into(), [50.0, 10.0, 10.0, 25.0, 7.0, 80.0, 9.0]),
            Column::new("floor".into(), [1i32, 2, 3, 4, 5, 6, 7]),
            Column::new("lat".into(), [Some(37.5), Some(37.5), None, Some(37.6), Some(37.5), Some(0.0), Some(37.5)]),
            Column::new("lon".into(), [127.0, 127.1, 127.0, 127.0, 127.0, 0.0, 127.0]),
        ],
    );
    let leases = DataFrame::new(
        4,
        vec![
            days("signed", &[Some("2024-01-09"), Some("2024-01-10"), None, Some("2024-02-20")]),
            Column::new("zone".into(), ["a", "a", "a", "b"]),
            Column::new("deposit".into(), [4.0, 8.0, 1e6, 3.0]),
        ],
    )
    .unwrap();
    let stations = df!(
        "name" => ["north", "south", "lost"],
        "latitude" => [Some(37.59), Some(37.5), None],
        "longitude" => [127.0, 127.0, 127.0],
        "deep" => [true, false, true]
    )
    .unwrap();
    let districts = df!("district" => ["b", "a"], "built" => [1990i32, 2001]).unwrap();
    vec![("trades", trades), ("leases", leases), ("stations", stations), ("districts", districts)]
}

fn one(feature: &str) -> Vec<String> {
    let spec = spec_of(&[&format!("f: {feature}")]);
    let drawn = built(&spec, &tables());
    proved(&spec, &tables(), &drawn).unwrap_or_else(|error| panic!("{feature}: {error}"));
    let column = |table: &DataFrame| lines(&table.select(["f"]).unwrap());
    column(&drawn.training).into_iter().chain(column(&drawn.scoring)).collect()
}

/// In the order of the table, the scored trade 6 last: trades 1, 2, 3, 4, 5, 7 and 6.
#[test]
fn every_kind_by_hand() {
    for (feature, expected) in [
        ("{sql: area}", ["50", "10", "10", "25", "7", "9", "80"]),
        ("{sql: CASE WHEN floor <= 2 THEN 1 ELSE 0 END}", ["1", "1", "0", "0", "0", "0", "0"]),
        ("{sql: EXTRACT(MONTH FROM day)}", ["3", "1", "1", "2", "2", "2", "4"]),
        // Of the same day nothing is seen; a trade without a district has no group.
        ("{count: {by: district}}", ["3", "0", "0", "2", "0", "-", "4"]),
        ("{count: {window: 60d}}", ["3", "0", "0", "2", "4", "2", "2"]),
        ("{mean: {of: price, by: district}}", ["30", "-", "-", "20", "-", "-", "47.5"]),
        // With the lag, 31 March looks at 29 December to 29 February, 15 April at 15 January to 15 March.
        ("{mean: {of: price, by: district, window: 2mo}}", ["50", "-", "-", "20", "-", "-", "100"]),
        ("{mean: {of: price, by: district, window: 2mo, lag: 1mo}}", ["30", "-", "-", "-", "-", "-", "50"]),
        ("{sum: {of: price / area, by: [district]}}", ["6", "0", "0", "4", "0", "-", "8"]),
        ("{min: {of: price, by: district}}", ["10", "-", "-", "10", "-", "-", "10"]),
        ("{max: {of: price, where: price < 40}}", ["30", "-", "-", "30", "30", "30", "30"]),
        ("{std: {of: price, by: district}}", ["20", "-", "-", "14.142136", "-", "-", "38.622101"]),
        ("{share: {where: price > 20, by: district}}", ["0.666667", "-", "-", "0.5", "-", "-", "0.75"]),
        ("{median: {of: price, by: district}}", ["30", "-", "-", "20", "-", "-", "40"]),
        ("{quantile: {of: price, by: district, q: 0.25}}", ["20", "-", "-", "15", "-", "-", "25"]),
        ("{first: {of: price, by: district}}", ["10", "-", "-", "10", "-", "-", "10"]),
        ("{last: {of: price, by: district}}", ["50", "-", "-", "30", "-", "-", "100"]),
        ("{last: {of: district}}", ["b", "-", "-", "a", "a", "a", "a"]),
        ("{distinct: {of: district}}", ["2", "0", "0", "1", "1", "1", "2"]),
        ("{recency: {by: district}}", ["59", "-", "-", "22", "-", "-", "15"]),
        ("{tenure: {by: district}}", ["81", "-", "-", "22", "-", "-", "96"]),
        ("{mean_gap: {by: district}}", ["11", "-", "-", "0", "-", "-", "27"]),
        (
            "{mean: {of: deposit, from: leases, time: signed, by: district, theirs: zone}}",
            ["6", "4", "4", "6", "3", "-", "6"],
        ),
        ("{count: {from: leases, time: signed, window: 30d}}", ["0", "1", "1", "2", "1", "2", "0"]),
        ("{lookup: {of: districts, on: district, take: built}}", ["2001", "2001", "2001", "2001", "1990", "-", "2001"]),
        (
            "{nearest: {of: stations, at: [lat, lon], theirs: [latitude, longitude], take: name}}",
            ["south", "south", "-", "north", "south", "south", "north"],
        ),
        (
            "{count_within: {of: stations, at: [lat, lon], theirs: [latitude, longitude], radius: 10.01km}}",
            ["2", "1", "-", "1", "2", "2", "0"],
        ),
        (
            "{count_within: {of: stations, at: [lat, lon], theirs: [latitude, longitude], radius: 20000, where: deep}}",
            ["1", "1", "-", "1", "1", "1", "0"],
        ),
    ] {
        assert_eq!(one(feature), expected, "{feature}");
    }
}

#[test]
fn distances_are_metres_on_the_sphere() {
    let metres = one("{nearest: {of: stations, at: [lat, lon], theirs: [latitude, longitude]}}");
    let metres: Vec<Option<f64>> = metres.iter().map(|metres| metres.parse().ok()).collect();
    // A hundredth of a degree of latitude is R * pi / 18000 metres; a tenth of longitude at 37.5 degrees 8821.6.
    assert_eq!((metres[0], metres[2]), (Some(0.0), None));
    assert!((metres[3].unwrap() - 6_371_008.8 * std::f64::consts::PI / 18_000.0).abs() < 1e-3, "{metres:?}");
    assert!((metres[1].unwrap() - 8_821.6).abs() < 1.0, "{metres:?}");
}

fn every_kind() -> FeaturesSpec {
    let mut features = vec!["area_1: {sql: area + 1}".to_owned(), "big: {sql: area > 20}".to_owned()];
    features.push("far: {nearest: {of: stations, at: [lat, lon], theirs: [latitude, longitude]}}".to_owned());
    features.push(
        "station: {nearest: {of: stations, at: [lat, lon], theirs: [latitude, longitude], take: name}}".to_owned(),
    );
    features.push(
        "near: {count_within: {of: stations, at: [lat, lon], theirs: [latitude, longitude], radius: 9km}}".to_owned(),
    );
    features.push("built: {lookup: {of: districts, on: district, take: built}}".to_owned());
    let windows = [
        ("", "by: district"),
        ("_all", "window: 3mo"),
        ("_lag", "by: [district, big], window: 20d, lag: 1mo"),
        ("_lease", "from: leases, time: signed, by: district, theirs: zone, window: 30d"),
    ];
    for (suffix, rows) in windows {
        let of = if suffix == "_lease" { "deposit" } else { "price" };
        for kind in ["count", "recency", "tenure", "mean_gap"] {
            features.push(format!("{kind}{suffix}: {{{kind}: {{{rows}}}}}"));
        }
        for kind in ["sum", "mean", "min", "max", "std", "first", "last", "distinct"] {
            features.push(format!("{kind}{suffix}: {{{kind}: {{of: {of}, {rows}, where: {of} > 3}}}}"));
        }
        features.push(format!("share{suffix}: {{share: {{where: {of} > 5, {rows}}}}}"));
    }
    features.push("last_station: {last: {of: station, by: district}}".to_owned());
    features.push("change: {sql: mean / mean_lag - 1}".to_owned());
    let features: Vec<&str> = features.iter().map(String::as_str).collect();
    spec_of(&features)
}

#[test]
fn the_tables_carry_key_time_features_and_label_and_balance() {
    let spec = read(&format!(
        "{}features: {{area: {{sql: area}}, mean: {{mean: {{of: price}}}}}}",
        HEAD.replace("rows: {}", "rows: {where: price > 8}\nscore: {where: price IS NULL}")
    ))
    .unwrap();
    let mut tables = tables();
    let trades = tables[0].1.clone().lazy().with_columns([
        lit("trades.csv").alias("_file"),
        (col("trade_id") + lit(1)).alias("_row"),
        when(col("trade_id").eq(lit(3))).then(lit(NULL)).otherwise(col("day")).alias("day"),
    ]);
    tables[0].1 = trades.collect().unwrap();
    let set = set(&spec, &tables).unwrap();
    let books: Vec<(&str, u64)> = set.books.entries.iter().map(|entry| (entry.rule.as_str(), entry.rows)).collect();
    assert_eq!(
        books,
        [("became 4 training and 1 scoring rows", 5), ("no time", 1), ("no example: seen by later rows only", 1)]
    );
    let drawn = drawn(set);
    assert_eq!(drawn.training.get_column_names(), ["trade_id", "day", "area", "mean", "price", "_file", "_row"]);
    assert_eq!(drawn.scoring.get_column_names(), ["trade_id", "day", "area", "mean", "_file", "_row"]);
    // Trade 5 is not an example, but later trades see it.
    assert_eq!(
        lines(&drawn.training),
        [
            "1 2024-03-31 50 19 100 trades.csv 2",
            "2 2024-01-10 10 - 10 trades.csv 3",
            "4 2024-02-01 25 10 50 trades.csv 5",
            "7 2024-02-01 9 10 9 trades.csv 8"
        ]
    );
    assert_eq!(lines(&drawn.scoring), ["6 2024-04-15 80 35.2 trades.csv 7"]);
}

#[test]
fn a_date_parts_training_from_scoring() {
    let spec =
        read(&format!("{}features: {{n: count}}", HEAD.replace("rows: {}", "rows: {}\nscore: {from: 2024-02-29}")));
    let drawn = built(&spec.unwrap(), &tables());
    assert_eq!(lines(&drawn.training.select(["trade_id", "n"]).unwrap()), ["2 0", "3 0", "4 2", "7 2"]);
    assert_eq!(lines(&drawn.scoring.select(["trade_id", "n"]).unwrap()), ["1 5", "5 4", "6 6"]);
}

#[test]
fn the_dictionary_tells_meaning_columns_window_and_lag() {
    let spec = spec_of(&[
        "avg: {mean: {of: price, by: district, window: 3mo, lag: 1mo, description: earlier level}}",
        "far: {nearest: {of: stations, at: [lat, lon], theirs: [latitude, longitude]}}",
    ]);
    let dictionary = set(&spec, &tables()).unwrap().dictionary;
    for line in [
        "| `avg` | float64 | earlier level: mean of `price`, over earlier rows with the same `district` | `price`, \
         `district`, `day` | 3mo | 1mo |  |",
        "| `far` | float64 | metres to the nearest row of `stations` (haversine) | `lat`, `lon`, `stations.latitude`, \
         `stations.longitude` |  |  |  |",
        "| training rows | 6 (2024-01-10 to 2024-03-31) |",
        "| `price` | float64 | `price` of the row | `price` |",
    ] {
        assert!(dictionary.contains(line), "{dictionary}");
    }
}

#[test]
fn a_proof_finds_what_knows_the_future() {
    let spec = every_kind();
    let honest = built(&spec, &tables());
    let proof = proved(&spec, &tables(), &honest).unwrap();
    let features = honest.scoring.width() - 2;
    assert_eq!(proof, Proof { pairs: 7, values: 7 * features + 6, perturbed: 7 * (features - 1) });
    for column in ["far", "near", "built", "count", "mean", "std", "last", "distinct_all", "price"] {
        let planted = when(col("trade_id").eq(lit(1))).then(col(column) + lit(1)).otherwise(col(column));
        let leaky = honest.training.clone().lazy().with_columns([planted.alias(column)]).collect().unwrap();
        let error = proved(&spec, &tables(), &Drawn { training: leaky, scoring: honest.scoring.clone() }).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("trade_id 1, day 2024-03-31, '{column}': published is ")), "{text}");
        assert_eq!(error.class(), spec::Class::Refused);
    }
    // A mean that includes the row itself.
    let all = col("price").mean().over([col("day")]).unwrap();
    let leaky = honest.training.clone().lazy().with_columns([all.alias("mean_all")]).collect().unwrap();
    let error = proved(&spec, &tables(), &Drawn { training: leaky, scoring: honest.scoring.clone() }).unwrap_err();
    assert!(error.to_string().contains("'mean_all': published is"), "{error}");
    let fewer = Drawn { training: honest.training.head(Some(3)), scoring: honest.scoring };
    let error = proved(&spec, &tables(), &fewer).unwrap_err().to_string();
    assert!(error.starts_with("3 rows were published, but table 'trades' gives 6; the clean table changed"), "{error}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| built(&every_kind(), &tables()).training)
    };
    assert!(with(1).equals_missing(&with(3)));
}

fn failure(features: &[&str]) -> String {
    match set(&spec_of(features), &tables()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("built"),
    }
}

#[test]
fn features_of_the_row_itself_may_not_read_the_label() {
    let says = "reads 'price' of the row itself: it holds the label, which is not known yet; use an aggregate over \
                earlier rows, such as {mean: {of: price}}";
    for leak in [
        "f: {sql: price / area}",
        "f: {count: {by: price}}",
        "f: {lookup: {of: districts, on: price, theirs: built, take: built}}",
        "f: {nearest: {of: stations, at: [price, lon], theirs: [latitude, longitude]}}",
    ] {
        assert_eq!(failure(&[leak]), format!("feature 'f' {says}"), "{leak}");
    }
    for leak in [
        "f: {lookup: {of: trades, on: trade_id, take: price}}",
        "f: {nearest: {of: trades, at: [lat, lon], take: price}}",
        "f: {last: {of: price, from: trades, time: day}}",
    ] {
        assert_eq!(
            failure(&[leak]),
            "feature 'f': table 'trades' holds the examples themselves, later ones and their labels among them; use an \
             aggregate over earlier rows without 'from'"
        );
    }
    let also = HEAD.replace("is: {sql: price}", "is: {sql: price}, known_with: [price, area]");
    let spec = read(&format!("{also}features: {{f: {{sql: area}}}}")).unwrap();
    assert!(set(&spec, &tables()).err().unwrap().to_string().starts_with("feature 'f' reads 'area' of the row itself"));
    let none = HEAD.replace("is: {sql: price}", "is: {sql: price}, known_with: [area]");
    let spec = read(&format!("{none}features: {{f: {{sql: floor}}}}")).unwrap();
    assert_eq!(
        set(&spec, &tables()).err().unwrap().to_string(),
        "label 'price': 'known_with' holds no column that 'is' reads; name at least one of: price"
    );
}

#[test]
fn unknown_names_have_neighbours() {
    for (features, says) in [
        (
            vec!["f: {sql: flor + 1}"],
            "feature 'f': 'flor' is neither a column of table 'trades' nor a feature further up; did you mean 'floor'?",
        ),
        (
            vec!["f: {mean: {of: price, by: distrct}}"],
            "feature 'f': 'distrct' is neither a column of table 'trades' nor a feature further up; did you mean \
             'district'?",
        ),
        (
            vec!["f: {mean: {of: depsit, from: leases, time: signed}}"],
            "feature 'f': table 'leases': unknown column 'depsit'; did you mean 'deposit'?",
        ),
        (
            vec!["f: {lookup: {of: districts, on: district, take: bilt}}"],
            "feature 'f': table 'districts': unknown column 'bilt'; did you mean 'built'?",
        ),
        (vec!["f: {count: {from: lease, time: signed}}"], "feature 'f': no table 'lease' among the inputs"),
        (
            vec!["m: {mean: {of: price}}", "f: {mean: {of: m}}"],
            "feature 'f': 'm' is itself computed from earlier rows; name columns, or features of the row itself",
        ),
        (
            vec!["floor: {sql: floor + 1}"],
            "feature 'floor' has the name of a column of table 'trades', but is another value; name it otherwise",
        ),
        (
            vec!["f: {mean: {of: district}}"],
            "feature 'f': 'district' is string, which cannot be computed with; name numbers, or use distinct, first or \
             last",
        ),
        (
            vec!["f: {count: {from: leases, time: signed, by: floor, theirs: zone}}"],
            "feature 'f': 'floor' is int32, but 'zone' of table 'leases' is string; cast one of them in clean.yaml",
        ),
        (
            vec!["f: {count: {window: 5h}}"],
            "feature 'f': 5h needs a time of day, but the time column holds dates; write days, such as 1d",
        ),
    ] {
        assert_eq!(failure(&features), says);
    }
}

#[test]
fn what_is_missing_is_said_where_it_stands() {
    for (text, says) in [
        ("f: {mean: {by: district}}", "feature 'f': mean needs 'of'"),
        ("f: {quantile: {of: price}}", "feature 'f': quantile needs 'q', a number from 0 to 1"),
        ("f: {median: {of: price, q: 0.9}}", "feature 'f': median takes no 'q'; write quantile"),
        ("f: {count: {known_at: 3d}}", "'known_at' and 'known_late' are of another table; name it as 'from', or write"),
        ("f: {count: {of: price}}", "feature 'f': count looks at rows, not values; leave out 'of'"),
        ("f: share", "feature 'f': share needs 'where'"),
        ("f: {count: {theirs: zone}}", "'time' and 'theirs' are of another table; name it as 'from'"),
        ("f: {count_within: {of: s, at: [a, b], radius: near}}", "'near' is not a length; write metres such as 1000"),
        ("f: {meann: {of: price}}", "did you mean 'mean'?"),
        ("f: {mean: {of: price, windw: 3mo}}", "unknown key 'windw'; did you mean 'window'?"),
        ("f: {sql: AVG(area)}", "each row is computed on its own"),
    ] {
        let error = read(&format!("{HEAD}features:\n  {text}\n")).unwrap_err().to_string();
        assert!(error.starts_with("features.yaml:") && error.contains(says), "{error}");
    }
    let both = read("table: t\ntime: d\nrows: {}\ncutoffs: {every: 30d, count: 1}\n").unwrap_err().to_string();
    assert!(both.contains("'cutoffs' does not go with 'rows'; write either entity and cutoffs"), "{both}");
    let late = read("table: t\ntime: d\nfeatures: {n: count}\nrows: {}\n").unwrap_err().to_string();
    assert!(late.contains("write 'entity' and 'cutoffs', 'rows', or 'series' above 'features'"), "{late}");
    let none = read("table: t\ntime: d\nrows: {}\nfeatures: {n: count}\n").unwrap_err().to_string();
    assert!(none.contains("missing key 'label'"), "{none}");
}

#[test]
fn places_off_the_globe_and_keys_that_are_there_twice_are_refused() {
    let swapped = "f: {nearest: {of: stations, at: [lon, lat], theirs: [latitude, longitude]}}";
    assert_eq!(
        failure(&[swapped]),
        "feature 'f': 5 of 7 rows of table 'trades' lie off the globe, first lon 127, lat 37.5: latitude and longitude \
         are evidently swapped; write [lat, lon], or swap such rows back in clean.yaml"
    );
    let spec = spec_of(&["f: {nearest: {of: stations, at: [lat, lon], theirs: [latitude, longitude]}}"]);
    let mut tables = tables();
    let wide = tables[2].1.clone().lazy().with_columns([lit(1000.0).alias("longitude")]).collect().unwrap();
    tables[2].1 = wide;
    let error = set(&spec, &tables).err().unwrap();
    assert_eq!(
        error.to_string(),
        "feature 'f': 2 of 3 rows of table 'stations' lie off the globe, first latitude 37.59, longitude 1000; let \
         clean.yaml take such rows out, with `in_range: {column: latitude, min: -90, max: 90}` and -180 to 180 for \
         longitude"
    );
    assert_eq!(error.class(), spec::Class::Refused);
    tables[3].1 = df!("district" => ["b", "a", "b"], "built" => [1i32, 2, 3]).unwrap();
    let spec = spec_of(&["f: {lookup: {of: districts, on: district, take: built}}"]);
    assert_eq!(
        set(&spec, &tables).err().unwrap().to_string(),
        "feature 'f': table 'districts' holds district \"b\" twice (rows 1 and 3), so 'built' is ambiguous; \
         dedupe 'districts' in clean.yaml, or name the columns that make it one row"
    );
}

#[test]
fn a_huge_value_leaves_no_trace_in_later_windows() {
    let on = ["2024-01-01", "2024-01-02", "2024-02-01", "2024-02-02"].map(Some);
    let trades = table(
        &on,
        vec![Column::new("trade_id".into(), [1i64, 2, 3, 4]), Column::new("price".into(), [1e300, 1e-3, 2e-3, 1.0])],
    );
    let spec = spec_of(&["f: {sum: {of: price, window: 31d}}"]);
    let drawn = built(&spec, &vec![("trades", trades)]);
    let sums: Vec<Option<f64>> = drawn.training.column("f").unwrap().f64().unwrap().iter().collect();
    assert_eq!(sums, [Some(0.0), Some(1e300), Some(1e300 + 1e-3), Some(1e-3 + 2e-3)]);
}
