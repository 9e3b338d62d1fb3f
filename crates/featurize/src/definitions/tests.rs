use std::path::Path;

use super::*;

const CUTOFFS: &str = "
table: purchases
entity: customer
time: day
cutoffs: {every: 30d, count: 3}
label: {name: gone, horizon: 90d, is: no_rows, where: NOT returned}
features:
  recency: {recency: {where: NOT returned}}
  spent: {sum: {of: amount, window: 90d}}
  tenure: tenure
  ratio: {sql: spent / (tenure + 1)}
  ratio_of_ratio: {sql: {is: ratio * 2, description: twice}}
  middle: {quantile: {of: price, q: 0.5}}
  segment: {lookup: {of: customers, take: segment, time: since}}
";

const ROWS: &str = "
table: trades
key: trade_id
time: day
rows: {}
label: {name: price, is: {sql: price}}
features:
  area: {sql: area}
  lat: {lookup: {of: complexes, on: complex, take: lat}}
  near: {nearest: {of: stations, at: [lat, lon], theirs: [y, x]}}
  within: {count_within: {of: schools, at: [lat, lon], radius: 1km, where: 'kind = ''primary'''}}
  mean_3m: {mean: {of: price / area, by: [district, kind], window: 3mo, lag: 1mo}}
  lease: {mean: {of: deposit, from: leases, time: signed, by: complex, theirs: building}}
  built: {lookup: {of: complexes, on: complex, take: built, time: since, known_at: 3d}}
  ratio: {sql: lease / mean_3m}
";

fn read(text: &str) -> FeaturesSpec {
    let loaded = spec::parse(text, Path::new("features.yaml"), &spec::Environment::default());
    loaded.unwrap_or_else(|error| panic!("{error}")).spec
}

fn made(text: &str) -> Definitions {
    definitions(&read(text), &|_| None)
}

/// The features (and `label`) whose meaning changes when `from` is written as `to`.
fn moved(text: &str, from: &str, to: &str) -> Vec<String> {
    assert!(text.contains(from), "no '{from}' in {text}");
    let (was, is) = (made(text), made(&text.replace(from, to)));
    let mut moved: Vec<String> = was
        .columns
        .iter()
        .filter(|column| is.column(&column.name).is_none_or(|other| other.hash != column.hash))
        .map(|column| column.name.clone())
        .collect();
    moved.extend(was.changed_label(&is, "label").map(|_| "label".to_owned()));
    moved
}

#[test]
fn a_change_moves_the_feature_and_all_that_read_it() {
    const ALL: &[&str] = &["recency", "spent", "tenure", "ratio", "ratio_of_ratio", "middle", "segment", "label"];
    for (from, to, expected) in [
        ("cutoffs:", "known_at: loaded\ncutoffs:", &ALL[..7]),
        ("window: 90d", "window: 30d", &["spent", "ratio", "ratio_of_ratio"]),
        ("{sum: {of: amount", "{mean: {of: amount", &["spent", "ratio", "ratio_of_ratio"]),
        ("of: amount", "of: price", &["spent", "ratio", "ratio_of_ratio"]),
        ("tenure: tenure", "tenure: {tenure: {window: 365d}}", &["tenure", "ratio", "ratio_of_ratio"]),
        ("{recency: {where: NOT returned}}", "recency", &["recency"]),
        ("spent / (tenure + 1)", "spent / (tenure + 2)", &["ratio", "ratio_of_ratio"]),
        ("ratio * 2", "ratio * 3", &["ratio_of_ratio"]),
        ("q: 0.5", "q: 0.9", &["middle"]),
        ("time: since", "time: until", &["segment"]),
        ("cutoffs:", "known_late: {returned: returned_at}\ncutoffs:", &["recency"]),
        ("horizon: 90d", "horizon: 60d", &["label"]),
        ("is: no_rows", "is: any_rows", &["label"]),
        ("where: NOT returned}\n", "}\n", &["label"]),
        ("cutoffs:", "zone: Europe/Berlin\ncutoffs:", ALL),
        ("entity: customer", "entity: household", ALL),
        ("time: day", "time: shipped", ALL),
        ("table: purchases", "table: orders", ALL),
    ] {
        assert_eq!(moved(CUTOFFS, from, to), expected, "{from} -> {to}");
    }
    for (from, to, expected) in [
        ("area: {sql: area}", "area: {sql: area * 2}", &["area", "mean_3m", "ratio"][..]),
        ("take: lat", "take: latitude", &["lat", "near", "within"]),
        ("theirs: [y, x]", "theirs: [x, y]", &["near"]),
        ("radius: 1km", "radius: 2km", &["within"]),
        ("primary", "secondary", &["within"]),
        ("[district, kind]", "[district]", &["mean_3m", "ratio"]),
        ("lag: 1mo", "lag: 2mo", &["mean_3m", "ratio"]),
        ("from: leases", "from: rents", &["lease", "ratio"]),
        ("time: signed", "time: moved", &["lease", "ratio"]),
        ("theirs: building", "theirs: complex", &["lease", "ratio"]),
        ("known_at: 3d", "known_at: 4d", &["built"]),
        ("{sql: price}", "{sql: price * 2}", &["label"]),
    ] {
        assert_eq!(moved(ROWS, from, to), expected, "{from} -> {to}");
    }
}

#[test]
fn another_way_of_writing_is_no_change() {
    for (from, to) in [
        ("spent / (tenure + 1)", "spent/( tenure+1 )"),
        ("tenure: tenure", "tenure: {tenure: {}}"),
        ("description: twice", "description: two times"),
        ("{sql: {is: ratio * 2, description: twice}}", "{sql: ratio * 2}"),
        ("recency: {recency: {where: NOT returned}}", "recency: {recency: {where: not returned}}"),
        ("cutoffs: {every: 30d, count: 3}", "cutoffs: {every: 60d, count: 9}"),
        ("name: gone", "name: left"),
        ("horizon: 90d", "horizon: 90d, delay: 14d"),
    ] {
        assert_eq!(moved(CUTOFFS, from, to), [""; 0], "{from} -> {to}");
    }
    for (from, to) in [
        ("on: complex", "on: [complex]"),
        ("radius: 1km", "radius: 1000"),
        ("key: trade_id", "key: number"),
        ("price / area", "price/area"),
        ("is: {sql: price}", "is: {sql: price}, known_with: [price, discount]"),
    ] {
        assert_eq!(moved(ROWS, from, to), [""; 0], "{from} -> {to}");
    }
    // A column's name is not SQL: its case counts.
    assert_eq!(moved(CUTOFFS, "of: amount", "of: Amount"), ["spent", "ratio", "ratio_of_ratio"]);
}

#[test]
fn what_clean_made_of_a_column_belongs_to_its_features() {
    let cleaned = |table: &'static str, column: &'static str| {
        move |asked: &str| {
            let columns = vec![Definition::new(column, "derive", "derive", [])];
            (asked == table).then(|| Definitions { columns, ..Definitions::default() })
        }
    };
    let moved = |text: &str, table: &'static str, column: &'static str| -> Vec<String> {
        let (was, is) = (made(text), definitions(&read(text), &cleaned(table, column)));
        let names = was.columns.iter().map(|column| column.name.as_str());
        let mut moved: Vec<String> =
            names.filter(|name| !was.changed(&is, [*name]).is_empty()).map(str::to_owned).collect();
        moved.extend(was.changed_label(&is, "label").map(|_| "label".to_owned()));
        moved
    };
    assert_eq!(moved(CUTOFFS, "purchases", "amount"), ["spent", "ratio", "ratio_of_ratio"]);
    assert_eq!(moved(CUTOFFS, "purchases", "returned"), ["recency", "label"]);
    assert_eq!(moved(CUTOFFS, "purchases", "customer").len(), 8, "the entity is part of every feature");
    assert_eq!(moved(CUTOFFS, "purchases", "colour"), [""; 0]);
    assert_eq!(moved(CUTOFFS, "elsewhere", "amount"), [""; 0]);
    assert_eq!(moved(ROWS, "leases", "deposit"), ["lease", "ratio"]);
    assert_eq!(moved(ROWS, "leases", "building"), ["lease", "ratio"]);
    assert_eq!(moved(ROWS, "stations", "y"), ["near"]);
    assert_eq!(moved(ROWS, "schools", "kind"), ["within"]);
    assert_eq!(moved(ROWS, "trades", "price"), ["mean_3m", "ratio", "label"]);
}

#[test]
fn aggregates_mean_the_rows_that_they_look_at() {
    let rows = |table: &'static str| {
        move |asked: &str| {
            let rows = Some(Definition::new("rows", "filter", "filter", []));
            (asked == table).then(|| Definitions { rows, ..Definitions::default() })
        }
    };
    let moved = |text: &str, table: &'static str| -> Vec<String> {
        let (was, is) = (made(text), definitions(&read(text), &rows(table)));
        let names = was.columns.iter().map(|column| column.name.as_str());
        let mut moved: Vec<String> =
            names.filter(|name| !was.changed(&is, [*name]).is_empty()).map(str::to_owned).collect();
        moved.extend(was.changed_label(&is, "label").map(|_| "label".to_owned()));
        moved
    };
    assert_eq!(moved(ROWS, "leases"), ["lease", "ratio"]);
    assert_eq!(moved(ROWS, "stations"), ["near"]);
    assert_eq!(moved(ROWS, "trades"), ["mean_3m", "ratio"], "the features and the label of the row itself stay");
    assert!(moved(CUTOFFS, "purchases").contains(&"label".to_owned()));
}

#[test]
fn a_label_that_is_known_late_changes_what_reads_it() {
    assert_eq!(moved(ROWS, "is: {sql: price}", "is: {sql: price}, delay: 30d"), ["mean_3m", "ratio"]);
}

#[test]
fn the_order_of_features_means_nothing() {
    let of = |text: &str| definitions(&read(text), &|_| None);
    let head = "table: t\ntime: day\nrows: {}\nlabel: {name: y, is: {sql: y}}\nfeatures:\n";
    let was = of(&format!("{head}  a: {{sql: x}}\n  b: {{sql: z}}\n  c: {{sql: a + b}}\n"));
    let is = of(&format!("{head}  b: {{sql: z}}\n  a: {{sql: x}}\n  c: {{sql: a + b}}\n"));
    assert_eq!(was.changed(&is, ["a", "b", "c"]), [""; 0]);
}

#[test]
fn definitions_are_a_spec_again() {
    let zone = CUTOFFS.replace("cutoffs:", "zone: Asia/Seoul\ncutoffs:");
    for text in [CUTOFFS, ROWS, &zone] {
        let was = made(text);
        let spec = read(&text.replace("{sql: spent / (tenure + 1)}", "recency").replace("{sql: area}", "{sql: floor}"));
        assert_ne!(definitions(&spec, &|_| None), was);
        let back = with_features(&spec, &was).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(definitions(&back, &|_| None), was);
    }
    let is = |name: &str| made(CUTOFFS).column(name).unwrap().is.clone();
    assert_eq!(is("spent"), "{sum: {of: amount, window: 90d}}");
    assert_eq!(is("recency"), r#"{recency: {where: "NOT returned"}}"#);
    assert_eq!(
        made(CUTOFFS).changed(&made(&zone), ["tenure"]),
        ["'tenure' is {tenure: {}} # days of Asia/Seoul now, was {tenure: {}}"]
    );
    let odd = Definitions { columns: vec![Definition::new("x", "{nothing: 1}", "", [])], ..made(CUTOFFS) };
    let error = with_features(&read(CUTOFFS), &odd).unwrap_err().to_string();
    assert!(error.starts_with("the definitions of x cannot be read any more: "), "{error}");
}

#[test]
fn texts_come_back_as_they_were() {
    for text in ["plain", "90d", "true", "No", "nan", "1", "a b", "it's \"x\": {y}", "", "naïve", "3mo", "~"] {
        let read: Value = serde_yaml::from_str(&flow(&Value::from(text))).unwrap();
        assert_eq!(read, Value::from(text), "{text}");
    }
}
