//! Compares the result with the expectation, and shows the cells that differ as a table.

use artifact::{PolarsResultExt, REASON};
use polars::prelude::*;
use spec::text::count;
use spec::{Result, did_you_mean};

use super::cells;
use super::file::{Row, columns_of};
use super::given::cells_of;

/// Longest cell that is shown, in characters: of one that is as expected, and of one that is not.
const EQUAL: usize = 40;
const OTHER: usize = 300;

/// A cell as text; None is an empty one.
type Cell = Option<String>;

/// What differs between the rows of `what` and those expected, whatever their order; nothing if all is as expected. The columns
/// that are compared are those that some expected row names.
pub fn compare(what: &str, expected: &[Row], found: &DataFrame) -> Result<Option<String>> {
    let mut columns = columns_of(expected);
    let known: Vec<&str> = found.get_column_names().into_iter().map(PlSmallStr::as_str).collect();
    if columns.is_empty() {
        columns = known.iter().copied().filter(|name| *name == REASON || !name.starts_with('_')).collect();
    }
    if found.width() > 0
        && let Some(unknown) = columns.iter().find(|column| !known.contains(column))
    {
        let hint = did_you_mean(unknown, known.into_iter().filter(|name| !name.starts_with('_')));
        return Ok(Some(format!("{what} has no column '{unknown}'; {hint}\n")));
    }
    let mut sides: [Vec<Vec<Cell>>; 2] = [vec![Vec::new(); expected.len()], vec![Vec::new(); found.height()]];
    for column in &columns {
        let [wanted, there] = texts(column, &cells_of(expected, column), found).during(what)?;
        sides[0].iter_mut().zip(wanted).for_each(|(row, cell)| row.push(cell));
        sides[1].iter_mut().zip(there).for_each(|(row, cell)| row.push(cell));
    }
    let [wanted, there] = sides;
    let is_equal = |at: usize, one: &Cell, other: &Cell| match columns[at] == REASON {
        true => one.as_ref().zip(other.as_ref()).is_some_and(|(part, reason)| reason.contains(part.as_str())),
        false => one == other,
    };
    let pairs = pair(&wanted, &there, &is_equal);
    Ok(shown(what, &columns, &wanted, &there, &pairs, &is_equal))
}

/// Both columns as texts that are equal where the values are.
fn texts(column: &str, wanted: &[Option<&spec::Scalar>], found: &DataFrame) -> PolarsResult<[Vec<Cell>; 2]> {
    let written = || wanted.iter().map(|cell| cell.map(cells::text)).collect::<Vec<Cell>>();
    let Ok(found) = found.column(column) else { return Ok([written(), Vec::new()]) };
    let there = shown_as(found)?;
    let wanted = match artifact::column_type(found.dtype()) {
        None => match found.dtype() {
            DataType::Decimal(_, places) => {
                written().into_iter().map(|cell| Some(with_places(&cell?, *places))).collect()
            }
            _ => written(),
        },
        Some(of) => {
            let (series, bad) = cells::column(column, wanted, of)?;
            let mut texts = shown_as(&series.cast(found.dtype())?.into_column())?;
            // A value that the column cannot hold is not equal to any of its cells.
            for at in bad {
                let cell = wanted[at as usize].map(cells::text).unwrap_or_default();
                texts[at as usize] = Some(format!("{cell} (not {})", of.name()));
            }
            texts
        }
    };
    Ok([wanted, there])
}

/// A number with as many digits behind the point as a decimal has: 0.3 is 0.30. All else stays as it is.
fn with_places(text: &str, places: usize) -> String {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let part = part.trim_end_matches('0');
    if digits.is_empty() || !is_number(digits) || !is_number(part) || part.len() > places || places == 0 {
        return text.to_owned();
    }
    format!("{whole}.{part:0<places$}")
}

fn shown_as(column: &Column) -> PolarsResult<Vec<Cell>> {
    if let Ok(texts) = column.cast(&DataType::String) {
        // The two zeros are one value.
        let shown = |cell: &str| if column.dtype().is_float() && cell == "-0.0" { "0.0" } else { cell }.to_owned();
        return Ok(texts.str()?.iter().map(|cell| cell.map(shown)).collect());
    }
    let cell = |at| -> PolarsResult<Cell> {
        Ok(match column.get(at)? {
            AnyValue::Null => None,
            value => Some(value.to_string()),
        })
    };
    (0..column.len()).map(cell).collect()
}

/// Which rows belong together: equal ones first, then those with the most equal cells.
fn pair(
    wanted: &[Vec<Cell>],
    there: &[Vec<Cell>],
    is_equal: &impl Fn(usize, &Cell, &Cell) -> bool,
) -> Vec<(Option<usize>, Option<usize>)> {
    let alike = |one: usize, other: usize| {
        let cells = wanted[one].iter().zip(&there[other]).enumerate();
        cells.filter(|(at, (one, other))| is_equal(*at, one, other)).count()
    };
    let mut partner: Vec<Option<usize>> = vec![None; wanted.len()];
    let mut is_free = vec![true; there.len()];
    // Equal rows first, so that one that differs cannot take the partner of another.
    // The only cell of a row need not be equal for the rows to belong together.
    let width = wanted.first().map_or(0, Vec::len);
    for least in (usize::from(width > 1)..=width).rev() {
        for (row, partner) in partner.iter_mut().enumerate().filter(|(_, partner)| partner.is_none()) {
            *partner = (0..there.len()).find(|other| is_free[*other] && alike(row, *other) == least);
            if let Some(other) = partner {
                is_free[*other] = false;
            }
        }
    }
    let left = (0..there.len()).filter(|other| is_free[*other]).map(|other| (None, Some(other)));
    partner.iter().enumerate().map(|(row, other)| (Some(row), *other)).chain(left).collect()
}

/// The rows that differ, expected above found, and marks under the cells that do.
fn shown(
    what: &str,
    columns: &[&str],
    wanted: &[Vec<Cell>],
    there: &[Vec<Cell>],
    pairs: &[(Option<usize>, Option<usize>)],
    is_equal: &impl Fn(usize, &Cell, &Cell) -> bool,
) -> Option<String> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let (mut differ, mut missing, mut more) = (0, 0, 0);
    let line = |label: String, row: &[Cell], equal: &[bool]| -> Vec<String> {
        let width = |at: usize| if equal.get(at) == Some(&true) { EQUAL } else { OTHER };
        let cells = row.iter().enumerate().map(|(at, shown)| cell(shown, width(at)));
        [label].into_iter().chain(cells).collect()
    };
    for (one, other) in pairs {
        match (one, other) {
            (Some(one), Some(other)) => {
                let (one_row, other_row) = (&wanted[*one], &there[*other]);
                let cells = one_row.iter().zip(other_row).enumerate();
                let equal: Vec<bool> = cells.map(|(at, (one, other))| is_equal(at, one, other)).collect();
                if equal.iter().all(|equal| *equal) {
                    continue;
                }
                differ += 1;
                lines.push(line(format!("- row {}", one + 1), one_row, &equal));
                lines.push(line("+ found".to_owned(), other_row, &equal));
                let marks = equal.iter().enumerate().map(|(at, equal)| match equal {
                    true => String::new(),
                    false => "^".repeat(
                        cell(&one_row[at], OTHER).chars().count().max(cell(&other_row[at], OTHER).chars().count()),
                    ),
                });
                lines.push([String::new()].into_iter().chain(marks).collect());
            }
            (Some(one), None) => {
                missing += 1;
                lines.push(line(format!("- row {} is missing", one + 1), &wanted[*one], &[]));
            }
            (None, Some(other)) => {
                more += 1;
                lines.push(line("+ not expected".to_owned(), &there[*other], &[]));
            }
            (None, None) => {}
        }
    }
    if lines.is_empty() {
        return None;
    }
    let is_or_are = |rows: u64, verb: [&str; 2]| format!("{} {}", count(rows, "row"), verb[usize::from(rows != 1)]);
    let counts = [
        (differ, ["differs", "differ"]),
        (missing, ["is missing", "are missing"]),
        (more, ["is not expected", "are not expected"]),
    ];
    let counts = counts.into_iter().filter(|(rows, _)| *rows > 0).map(|(rows, verb)| is_or_are(rows, verb));
    let header = [String::new()].into_iter().chain(columns.iter().map(|name| (*name).to_owned())).collect();
    lines.insert(0, header);
    Some(format!("{what}: {}\n{}", counts.collect::<Vec<String>>().join(", "), aligned(&lines)))
}

/// A cell as a table shows it: texts with spaces at an end, and those that look like an empty cell, in quotes.
fn cell(cell: &Cell, width: usize) -> String {
    match cell {
        None => "null".to_owned(),
        Some(text) => {
            let plain = !text.is_empty() && text.trim() == text && text != "null" && !text.contains(['\n', '\r', '\t']);
            let text = if plain { text.clone() } else { format!("{text:?}") };
            spec::text::cut(&text, width)
        }
    }
}

fn aligned(lines: &[Vec<String>]) -> String {
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(|at| width(at).unwrap_or_default()).collect();
    let padded = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<String>>().join("  ").trim_end())
    };
    lines.iter().map(padded).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::Column;

    use super::{shown_as, with_places};

    #[test]
    fn the_two_zeros_are_one_value() {
        let zeros = Column::new("x".into(), [Some(-0.0), Some(0.0), Some(-1.5), None]);
        let shown = ["0.0", "0.0", "-1.5"].map(|text| Some(text.to_owned()));
        assert_eq!(shown_as(&zeros).unwrap(), [shown.as_slice(), &[None]].concat());
    }

    #[test]
    fn a_number_has_the_digits_of_a_decimal() {
        let cases = [("0.3", "0.30"), ("10", "10.00"), ("-1.5", "-1.50"), ("0.300", "0.30"), ("7.", "7.00")];
        for (written, shown) in cases {
            assert_eq!(with_places(written, 2), shown);
        }
        for other in ["0.305", "1e3", "", "-", "one", ".5", "1.2.3"] {
            assert_eq!(with_places(other, 2), other);
        }
        assert_eq!(with_places("12", 0), "12");
    }
}
