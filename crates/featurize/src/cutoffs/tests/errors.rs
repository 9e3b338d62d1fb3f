//! What is refused, with the words that say so.

use super::*;

const HEAD: &str = "table: log\nentity: who\ntime: day\ncutoffs: {every: 30d, count: 2}\n\
label: {name: gone, horizon: 30d, is: no_rows}\n";

fn reading(features: &str) -> String {
    read(&format!("{HEAD}features:\n{features}")).unwrap_err().to_string()
}

fn building(spec: &CutoffSpec, table: &DataFrame) -> spec::Error {
    build(spec, table.clone().lazy()).err().expect("an error")
}

fn table() -> DataFrame {
    log(
        Series::new("".into(), [1i64, 1]),
        &["2023-01-01", "2024-01-01"],
        vec![Column::new("amount".into(), [1.0, 2.0]), Column::new("kind".into(), ["x", "y"])],
    )
}

#[test]
fn cutoffs_of_an_entity_are_days() {
    let spec = format!("{HEAD}features:\n  a: count\n").replace("every: 30d", "every: 6h");
    let error = read(&spec).unwrap_err().to_string();
    assert!(
        error.contains("cutoffs every 6h, 2 times: cutoffs of an entity are days; write days, such as 1d"),
        "{error}"
    );
}

#[test]
fn sql_features_see_only_features_further_up() {
    for (features, says) in [
        ("  a: count\n  b: {sql: a + c}\n  c: count\n", "feature 'b': 'c' is not a feature further up"),
        ("  a: count\n  b: {sql: a + gone}\n", "feature 'b': 'gone' is not a feature further up"),
        ("  spend: count\n  b: {sql: spent + 1}\n", "did you mean 'spend'?"),
    ] {
        let error = reading(features);
        assert!(error.starts_with("features.yaml:") && error.contains(says), "{error}");
    }
}

#[test]
fn sql_that_looks_at_other_rows_is_refused_as_a_leak() {
    for leak in ["a - AVG(a)", "SUM(a) OVER (ORDER BY a)", "LAG(a) OVER (ORDER BY cutoff)", "COUNT(*)"] {
        let error = reading(&format!("  a: count\n  b: {{sql: \"{leak}\"}}\n"));
        assert!(
            error.contains(&format!("'{leak}' holds ")) && error.contains("each row is computed on its own"),
            "{error}"
        );
        let error = reading(&format!("  a: {{count: {{where: \"{leak} > 0\"}}}}\n"));
        assert!(error.contains("each row is computed on its own"), "{error}");
    }
}

#[test]
fn misspelt_kinds_and_keys_are_named() {
    let error = reading("  a: cuont\n");
    assert!(error.contains("unknown entity feature 'cuont'; did you mean 'count'?"), "{error}");
    let error = reading("  a: {sum: {of: x, windw: 3d}}\n");
    assert!(error.contains("unknown key 'windw'; did you mean 'window'?"), "{error}");
    let error = reading("  cutoff: count\n");
    assert!(error.contains("'cutoff' cannot name a feature"), "{error}");
    let error = reading("  a: count\n  a: count\n");
    assert!(error.contains("'a' is given twice"), "{error}");
    let error = read(&HEAD.replace("every: 30d, count: 2", "every: 30d")).unwrap_err().to_string();
    assert!(error.contains("cutoffs need both 'every' and 'count', or 'at' alone"), "{error}");
    let error = read(&HEAD.replace("count: 2", "count: 2, count: 3")).unwrap_err().to_string();
    assert!(error.contains("'count' is given twice"), "{error}");
}

#[test]
fn unknown_and_unfit_columns_are_named() {
    let features = |lines: &[&str]| spec_of("[2023-06-01]", "{name: gone, horizon: 30d, is: no_rows}", lines);
    for (line, says) in [
        ("a: {sum: {of: amout}}", "feature 'a': unknown column 'amout'; did you mean 'amount'?"),
        ("a: {count: {where: amunt > 0}}", "feature 'a': where: unknown column 'amunt'; did you mean 'amount'?"),
        (
            "a: {mean: {of: kind}}",
            "feature 'a': column 'kind' is string, which cannot be computed with; name a column of numbers, or use \
             distinct, first, last or most_frequent",
        ),
        (
            "a: {count: {where: amount + 1}}",
            "where 'amount + 1' gives float64; write a condition, such as quantity < 0",
        ),
        (
            "a: {count: {window: 12h}}",
            "feature 'a': 12h needs a time of day, but the time column holds dates; write days, such as 1d",
        ),
        ("who: count", "feature 'who' has the name of the entity or of the label; name it otherwise"),
    ] {
        let error = building(&features(&[line]), &table());
        assert_eq!(error.to_string(), says);
        assert_eq!(error.class(), spec::Class::CannotRun);
    }
    let mut wrong = features(&["a: count"]);
    wrong.time = "kind".to_owned();
    assert_eq!(
        building(&wrong, &table()).to_string(),
        "column 'kind' is string, but the time of a row must be a date or datetime; parse it in clean.yaml, or name \
         another column as 'time'"
    );
    wrong.time = "dayy".to_owned();
    assert_eq!(
        building(&wrong, &table()).to_string(),
        "table 'log': 'time': unknown column 'dayy'; did you mean 'day'?"
    );
    wrong.entity = "amount".to_owned();
    assert!(building(&wrong, &table()).to_string().contains("an entity is a string, category or integer"));
}

#[test]
fn tables_without_rows_times_or_room_are_refused() {
    let spec = spec_of("{every: 30d, count: 2}", "{name: gone, horizon: 90d, is: no_rows}", &["n: count"]);
    let empty = building(&spec, &table().clear());
    assert_eq!(
        empty.to_string(),
        "table 'log' has no rows; see what clean.yaml removes, and that 'day' is the right time column"
    );
    assert_eq!(empty.class(), spec::Class::Refused);
    let mut timeless = table();
    timeless.with_column(days("day", &[None, None])).unwrap();
    assert!(building(&spec, &timeless).to_string().starts_with("table 'log' has no row with a time"));
    let short = log(Series::new("".into(), [1i64, 1]), &["2023-01-01", "2023-02-09"], vec![]);
    assert!(building(&spec, &short).to_string().starts_with(
        "the log spans 40 days (2023-01-01 to 2023-02-09), but label 'gone' needs 90d after the first cutoff"
    ));
}
