//! Cells that hold an error such as `#N/A` in place of a value: each refuses its row, where its column is read.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use calamine::{Cell, CellErrorType, Data, Range, Xlsx, XlsxError};

use super::formulas;
use super::held::held;

/// What cells hold in place of a value, by row and column, both from 0: for errors that the reader of workbooks does not
/// know by name.
pub(crate) type Errors = BTreeMap<(u32, u32), String>;

/// Errors of spreadsheets as they are shown. Those from `#SPILL!` on came with later versions of Excel.
const SHOWN: [&str; 20] = [
    "#DIV/0!",
    "#N/A",
    "#NAME?",
    "#NULL!",
    "#NUM!",
    "#REF!",
    "#VALUE!",
    "#GETTING_DATA",
    "#GETTING_DATA!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#CONNECT!",
    "#UNKNOWN!",
    "#BUSY!",
    "#EXTERNAL!",
    "#PYTHON!",
    "#TIMEOUT!",
    "#DATA!",
];

/// What a cell whose value cannot be read holds, for an error that concerns no other cell.
fn of_one_cell(error: &XlsxError) -> Option<String> {
    Some(match error {
        XlsxError::CellError(code) => code.clone(),
        XlsxError::ParseFloat(_) => "a number that cannot be read".to_owned(),
        XlsxError::CellTAttribute(kind) => format!("a value of the unknown type '{kind}'"),
        XlsxError::Unrecognized { val, .. } => format!("'{val}', which is not a value of its type"),
        XlsxError::Unexpected(what) if what.contains("shared strings") => {
            "a text that is missing from the workbook".to_owned()
        }
        _ => return None,
    })
}

/// Whether `error` concerns a single cell.
pub(crate) fn is_of_one_cell(error: &XlsxError) -> bool {
    of_one_cell(error).is_some()
}

/// The sheet `name`, in which cells cannot be read.
pub(crate) fn cell_by_cell<R: Read + Seek>(
    workbook: &mut Xlsx<R>,
    name: &str,
) -> Result<(Vec<Cell<Data>>, Errors), XlsxError> {
    // A value that cannot be read does not say where it is. Formulas come in the same order, without values.
    let mut places = Vec::new();
    let mut formulas = workbook.worksheet_cells_reader(name)?;
    while let Some(cell) = formulas.next_formula()? {
        places.push(cell.get_position());
    }
    drop(formulas);
    let mut values = workbook.worksheet_cells_reader(name)?;
    let (mut cells, mut errors) = (Vec::new(), Errors::new());
    for place in places {
        let value = match values.next_cell() {
            Ok(Some(cell)) => Data::from(cell.get_value().clone()),
            Ok(None) => break,
            Err(error) => {
                let Some(held) = of_one_cell(&error) else { return Err(error) };
                errors.insert(place, held);
                Data::Error(CellErrorType::Value)
            }
        };
        if value != Data::Empty {
            cells.push(Cell::new(place, value));
        }
    }
    Ok((cells, errors))
}

/// Makes what `.ods` files keep as the text of an error an error again: the reader does not distinguish the two.
pub(crate) fn mark(cells: &mut Range<Data>, errors: &mut Errors) {
    let Some((top, left)) = cells.start() else { return };
    let texts = cells.used_cells().filter_map(|(row, column, cell)| match cell {
        Data::String(text) if SHOWN.contains(&text.as_str()) || is_code(text) => {
            Some(((top + row as u32, left + column as u32), text.clone()))
        }
        _ => None,
    });
    for (place, text) in texts.collect::<Vec<_>>() {
        cells.set_value(place, Data::Error(CellErrorType::Value));
        errors.insert(place, text);
    }
}

/// LibreOffice's own, such as `Err:502` for an invalid argument.
fn is_code(text: &str) -> bool {
    text.strip_prefix("Err:").is_some_and(|code| code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Makes errors of the formulas of an `.xlsb` that seem to have no result: the reader leaves errors of formulas out, and the
/// format has no formula without a result.
pub(crate) fn of_formulas(
    cells: Range<Data>,
    formulas: &mut formulas::Cells,
    errors: &mut Errors,
    shown: &str,
) -> spec::Result<Range<Data>> {
    if formulas.is_empty() {
        return Ok(cells);
    }
    let (top, left) = cells.start().unwrap_or_default();
    let used = cells.used_cells();
    let mut all: Vec<Cell<Data>> =
        used.map(|(row, column, cell)| Cell::new((top + row as u32, left + column as u32), cell.clone())).collect();
    for place in std::mem::take(formulas) {
        all.push(Cell::new(place, Data::Error(CellErrorType::Value)));
        errors.insert(place, "the error of a formula".to_owned());
    }
    held(all, shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_of_an_xlsb_without_a_result_is_an_error() {
        let cells = Range::from_sparse(vec![Cell::new((1, 1), Data::Float(5.0))]);
        let mut formulas = formulas::Cells::from([(0, 0), (2, 1)]);
        let mut errors = Errors::new();
        let cells = of_formulas(cells, &mut formulas, &mut errors, "a.xlsb").unwrap();
        assert!(formulas.is_empty());
        for place in [(0, 0), (2, 1)] {
            assert_eq!(cells.get_value(place), Some(&Data::Error(CellErrorType::Value)));
            assert_eq!(errors[&place], "the error of a formula");
        }
        assert_eq!(cells.get_value((1, 1)), Some(&Data::Float(5.0)));
    }
}
