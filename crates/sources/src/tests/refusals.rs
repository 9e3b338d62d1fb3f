use super::*;

const AB: &str = "source: {file: {path: a.csv}}\ncolumns: {a: int64, b: float64}";

#[test]
fn cells_that_are_not_of_their_type_refuse_the_row() {
    let read = Project::with("a.csv", "a,b\n1,2.5\nx,abc\n3,inf\n4,\n 5 , 6\n").read(AB).unwrap();
    assert_eq!(read.table(), ["1|2.5|2", "4|-|5", "5|6.0|6"]);
    assert_eq!(
        read.refusals(),
        ["x|abc|3|-|a: 'x' is not an int64; b: 'abc' is not a float64", "3|inf|4|-|b: 'inf' is not a float64",]
    );
    let columns: Vec<&str> = read.refused.schema().iter_names().map(PlSmallStr::as_str).collect();
    assert_eq!(columns, ["a", "b", "_file", "_row", RAW, REASON]);
}

#[test]
fn ragged_lines_and_stray_quotes_are_refused_whole() {
    let read = Project::with("a.csv", "a,b\n1,2\n3\n4,5,6\n7,\"8\n9,10\n").read(AB).unwrap();
    assert_eq!(read.table(), ["1|2.0|2", "9|10.0|6"]);
    assert_eq!(
        read.refusals(),
        [
            "-|-|3|3|line 3: 1 field instead of 2",
            "-|-|4|4,5,6|line 4: 3 fields instead of 2",
            "-|-|5|7,\"8|line 5: a quote is opened and never closed",
        ]
    );
}

#[test]
fn a_stray_quote_far_from_the_end_costs_one_row() {
    let mut text = "a,b\n1,\"2\n".to_owned();
    text.push_str(&"3,4\n".repeat(400_000));
    let read = Project::with("a.csv", text).read(AB).unwrap();
    assert_eq!((read.rows.height(), read.refused.height()), (400_000, 1));
}

#[test]
fn bytes_of_another_encoding_are_shown_and_refused() {
    let text = b"a,b\n1,x\n2,\xB0\xA1\n3,y\n";
    let read = Project::with("a.csv", text).read("source: {file: {path: a.csv}}").unwrap();
    assert_eq!(read.table(), ["1|x|2", "3|y|4"]);
    assert_eq!(
        read.refusals(),
        ["-|-|3|2,\\xB0\\xA1|line 3: character 3 is not UTF-8 (name the file's encoding, such as \
         'encoding: latin-1' or 'encoding: cp949')"]
    );
    let text = b"a,b\n1,\xB0\xA1\n2,\xB0,\n3,y\n";
    let read = Project::with("a.csv", text).read("source: {file: {path: a.csv, encoding: cp949}}").unwrap();
    assert_eq!(read.table(), ["1|가|2", "3|y|4"]);
    assert_eq!(read.refusals(), ["-|-|3|2,\\xB0,|line 3: character 3 is not EUC-KR (check 'encoding')"]);
}

#[test]
fn later_misfits_of_inferred_types_are_refused() {
    let mut text = "n\n".to_owned();
    text.push_str(&"1\n".repeat(10_000));
    text.push_str("many\n2\n");
    let read = Project::with("a.csv", text).read("source: {file: {path: a.csv}}").unwrap();
    assert_eq!(read.types()[0], "n int64");
    assert_eq!(
        read.refusals(),
        ["many|10002|-|n: 'many' is not an int64, the type of the rows before it; declare the column under 'columns'"]
    );
}

#[test]
fn dates_name_their_format() {
    let yaml =
        "source: {file: {path: a.csv}}\ncolumns: {d: {type: date, format: '%Y%m%d'}, t: datetime, s: time, b: bool}";
    let text = "d,t,s,b\n20240229,2024-02-29T10:00:00Z,10:30,Y\n20240230,2024-02-29 25:00,x,2\n";
    let read = Project::with("a.csv", text).read(yaml).unwrap();
    assert_eq!(read.table(), ["2024-02-29|2024-02-29 10:00:00|10:30:00|true|2"]);
    assert_eq!(
        read.refusals(),
        ["20240230|2024-02-29 25:00|x|2|3|-|d: '20240230' is not a date written \"%Y%m%d\"; \
          t: '2024-02-29 25:00' is not a datetime; s: 'x' is not a time; b: '2' is not a bool"]
    );
}

#[test]
fn json_records_that_are_none() {
    let text = "{\"a\": 1}\n{\"a\": }\n[1]\n{\"a\": \"x\"}\n";
    let read = Project::with("a.jsonl", text).read("source: {file: {path: a.jsonl}}\ncolumns: {a: int64}").unwrap();
    assert_eq!(read.table(), ["1|1"]);
    assert_eq!(
        read.refusals(),
        [
            "-|2|{\"a\": }|line 2: not JSON: expected value at column 7",
            "-|3|[1]|line 3: an array instead of an object",
            "x|4|-|a: 'x' is not an int64",
        ]
    );
}

#[test]
fn fixed_width_lines_of_other_lengths() {
    let yaml = "source: {file: {path: a.txt, format: fixed_width, widths: [2, 2]}}\ncolumns: {a: int64, b: int64}";
    let read = Project::with("a.txt", "1 2\n3\n4 5 6\n7 8  \n").read(yaml).unwrap();
    assert_eq!(read.table(), ["1|2|1", "3|-|2", "7|8|4"], "a line that ends early has nothing there");
    assert_eq!(read.refusals(), ["-|-|3|4 5 6|line 3: 5 characters, but the widths make 4"]);
    // How many fields there are is known without the first line.
    for first in ["4 5 6\n", "3\n"] {
        let project = Project::with("a.txt", format!("{first}1 2\n7 8\n"));
        let read = project.read("source: {file: {path: a.txt, format: fixed_width, widths: [2, 2]}}").unwrap();
        assert!(read.table().ends_with(&["1|2|2".to_owned(), "7|8|3".to_owned()]), "{first}: {:?}", read.table());
    }
}
