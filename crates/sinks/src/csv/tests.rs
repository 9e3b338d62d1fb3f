use polars::prelude::*;

use crate::testing::{ClosedPipe, failure, load_failure, moments, spec, written};

fn csv(options: &str, table: &DataFrame) -> String {
    String::from_utf8(written(&format!("table: t\nformat: csv\ncsv: {{{options}}}\n"), table)).unwrap()
}

#[test]
fn cells_are_quoted_only_where_they_must_be() {
    let table = df!(
        "name" => [Some("plain"), Some("a,b"), Some("say \"hi\""), Some("two\nlines"), Some("cr\rhere"), Some(""), None],
        "größe, €" => [Some(1.5), Some(-0.25), Some(1e20), None, Some(f64::NAN), Some(3.0), Some(0.1)],
    )
    .unwrap();
    assert_eq!(
        csv("", &table),
        "\u{feff}name,\"größe, €\"\nplain,1.5\n\"a,b\",-0.25\n\"say \"\"hi\"\"\",1e+20\n\"two\nlines\",\n\
         \"cr\rhere\",NaN\n\"\",3.0\n,0.1\n"
    );
}

#[test]
fn separator_mark_and_null_are_options() {
    let table = df!("a" => [Some("x;y"), None], "b" => [true, false]).unwrap();
    assert_eq!(csv("separator: ';', bom: false, 'null': NA", &table), "a;b\n\"x;y\";true\nNA;false\n");
    assert_eq!(csv("separator: \"\\t\", bom: false", &table), "a\tb\nx;y\ttrue\n\tfalse\n");
}

#[test]
fn days_and_timestamps_are_iso_8601() {
    assert_eq!(
        csv("bom: false", &moments()),
        "day,moment,zoned,time\n2024-12-31,2024-12-31T18:30:00,2024-12-31T18:30:00Z,18:30:00.000000000\n\
         1969-12-31,1969-12-31T23:59:59.500,1969-12-31T23:59:59.500Z,00:00:00.000000000\n,,,\n"
    );
}

#[test]
fn formulas_are_defused_when_asked() {
    let table = df!("s" => ["=1+1", "-2", "@x", "a=b", "\ttab"], "n" => [-1, 2, 3, 4, 5]).unwrap();
    assert_eq!(csv("bom: false", &table), "s,n\n=1+1,-1\n-2,2\n@x,3\na=b,4\n\ttab,5\n");
    assert_eq!(csv("bom: false, escape_formulas: true", &table), "s,n\n'=1+1,-1\n'-2,2\n'@x,3\na=b,4\n'\ttab,5\n");
}

#[test]
fn names_of_columns_are_defused_like_cells() {
    let table = df!("=HYPERLINK(1)" => [1], "a" => ["＝1"], "@b" => ["\n=1"]).unwrap();
    assert_eq!(csv("bom: false", &table), "=HYPERLINK(1),a,@b\n1,＝1,\"\n=1\"\n");
    assert_eq!(csv("bom: false, escape_formulas: true", &table), "'=HYPERLINK(1),a,'@b\n1,'＝1,\"'\n=1\"\n");
}

#[test]
fn numbers_have_the_marks_of_the_country() {
    let table = df!(
        "x" => [Some(1234567.5), Some(-0.25), None, Some(1e20), Some(f64::NAN)],
        "n" => [Some(-1234i64), Some(999), Some(1000), None, Some(i64::MIN)],
        "y" => [1.5f32, 0.1, 3.0, 1e10, -999.5],
        "s" => ["1.5", "-2", "a", "b", "c"],
    )
    .unwrap();
    assert_eq!(
        csv("bom: false, separator: ';', decimal: ',', thousands: '.'", &table),
        "x;n;y;s\n1.234.567,5;-1.234;1,5;1.5\n-0,25;999;0,1;-2\n;1.000;3,0;a\n1e+20;;10.000.000.000,0;b\n\
         NaN;-9.223.372.036.854.775.808;-999,5;c\n"
    );
    assert_eq!(
        csv("bom: false, decimal: ',', escape_formulas: true", &df!("x" => [-1.5], "s" => ["-1.5"]).unwrap()),
        "x,s\n\"-1,5\",'-1.5\n"
    );
    assert_eq!(
        load_failure("table: t\nformat: csv\ncsv: {thousands: '.'}\n"),
        "export.yaml:3:7: csv.thousands: 'decimal' and 'thousands' are the same character; name both under 'csv'"
    );
}

#[test]
fn an_empty_table_is_its_header() {
    let table = df!("a" => Vec::<i64>::new(), "b" => Vec::<String>::new()).unwrap();
    assert_eq!(csv("", &table), "\u{feff}a,b\n");
}

#[test]
fn a_null_in_a_single_column_is_still_a_row() {
    assert_eq!(csv("bom: false", &df!("a" => [Some(1), None, Some(3)]).unwrap()), "a\n1\n\"\"\n3\n");
}

#[test]
fn a_null_and_an_empty_text_in_a_single_column_are_not_mixed_up() {
    for texts in [[Some("a"), Some(""), None], [None, Some(""), Some("a")]] {
        assert_eq!(
            failure("table: t\nformat: csv\n", &df!("a" => texts).unwrap()),
            "out: row 2, column 'a': the value is written '\"\"', which is also the text for a null; choose another 'null' under \
             'csv'"
        );
        assert!(csv("bom: false, 'null': NA", &df!("a" => texts).unwrap()).contains("NA\n"));
    }
    assert_eq!(csv("bom: false", &df!("a" => [Some("x"), None]).unwrap()), "a\nx\n\"\"\n");
    assert_eq!(csv("bom: false", &df!("a" => ["x", ""]).unwrap()), "a\nx\n\"\"\n");
}

#[test]
fn a_reader_that_went_away_is_distinguished() {
    let table = df!("a" => [1]).unwrap();
    let error = crate::write(
        &spec("table: t\nformat: csv\n"),
        table.schema(),
        std::iter::once(Ok(table.clone())),
        &mut ClosedPipe,
        "stdout",
    );
    assert!(error.unwrap_err().is_closed_pipe());
}

#[test]
fn lists_are_refused_with_the_way_out() {
    let table = df!("a" => [1, 1], "b" => [1, 2]).unwrap().lazy().group_by([col("a")]).agg([col("b")]);
    assert_eq!(
        failure("table: t\nformat: csv\n", &table.collect().unwrap()),
        "out: column 'b' holds list[i32], which CSV cannot show; leave it out by 'columns', or export as parquet"
    );
}

#[test]
fn nothing_is_written_like_a_null() {
    let fails =
        |null: &str, table: &DataFrame| failure(&format!("table: t\nformat: csv\ncsv: {{'null': {null}}}\n"), table);
    let codes =
        df!("code" => [Some("FR"), None, Some("NA")], "n" => [1i64, 2, 0], "x" => [0.5, f64::NAN, 2.0]).unwrap();
    assert_eq!(
        fails("NA", &codes),
        "out: row 3, column 'code': the value is written 'NA', which is also the text for a null; choose another \
         'null' under 'csv'"
    );
    assert!(fails("'0'", &codes).starts_with("out: row 3, column 'n': the value is written '0'"));
    assert!(fails("'2.00'", &codes).starts_with("out: row 2, column 'n'"));
    assert!(fails("NaN", &codes).starts_with("out: row 2, column 'x'"));
    assert!(fails("'1969-12-31'", &moments()).starts_with("out: row 2, column 'day'"));
    assert!(fails("'true'", &df!("b" => [false, true]).unwrap()).starts_with("out: row 2, column 'b'"));
    assert_eq!(csv("bom: false, 'null': n/a", &codes), "code,n,x\nFR,1,0.5\nn/a,2,NaN\nNA,0,2.0\n");
}

#[test]
fn a_marker_that_breaks_the_line_is_refused() {
    for null in ["'a,b'", "'a\"b'", "\"a\\nb\""] {
        let error = load_failure(&format!("table: t\nformat: csv\ncsv: {{'null': {null}}}\n"));
        assert!(error.starts_with("export.yaml:3:7: csv.null: 'a"), "{error}");
        assert!(error.contains("holds the separator, a quote or a line break; choose a text"), "{error}");
    }
}
