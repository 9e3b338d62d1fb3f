//! A sheet as it is held in memory: the rectangle around all its cells.

use std::io::{Read, Seek};

use calamine::{Cell, Data, DataRef, Range, Xlsb, XlsbError, Xlsx, XlsxError};
use spec::{Error, Result};

use super::formulas::named;

/// The last place of a sheet, `XFD1048576`.
const LAST: (u32, u32) = (1_048_575, 16_383);

/// Most cells of the rectangle, those without a value included: some bytes are needed for each.
const LARGEST: u64 = 100_000_000;

/// The sheet with these cells. Fails if they lie too far apart.
pub(crate) fn held(cells: Vec<Cell<Data>>, shown: &str) -> Result<Range<Data>> {
    let places = || cells.iter().map(Cell::get_position);
    let (rows, columns) = (|| places().map(|(row, _)| row), || places().map(|(_, column)| column));
    let Some(first) = rows().min().zip(columns().min()) else { return Ok(Range::empty()) };
    let last = rows().max().zip(columns().max()).unwrap_or(first);
    if last.0 > LAST.0 || last.1 > LAST.1 {
        let what = format!("{shown}: its cells reach to {}, but a sheet ends with {}", named(last), named(LAST));
        return Err(Error::cannot_run(what).hint("open the workbook in a spreadsheet program and save it again"));
    }
    let count = u64::from(last.0 - first.0 + 1) * u64::from(last.1 - first.1 + 1);
    if count > LARGEST {
        let what = format!("{shown}: its cells lie too far apart, between {} and {}", named(first), named(last));
        return Err(Error::cannot_run(what)
            .hint("delete what stands far away from the table, or copy the table into a new workbook"));
    }
    Ok(Range::from_sparse(cells))
}

/// The cells of a sheet that hold something; none if it is a chart.
pub(crate) fn of_xlsx<R: Read + Seek>(
    workbook: &mut Xlsx<R>,
    name: &str,
) -> std::result::Result<Vec<Cell<Data>>, XlsxError> {
    let mut reader = match workbook.worksheet_cells_reader(name) {
        Err(XlsxError::NotAWorksheet(_)) => return Ok(Vec::new()),
        reader => reader?,
    };
    let mut cells = Vec::new();
    while let Some(cell) = reader.next_cell()? {
        cells.extend(with_value(&cell));
    }
    Ok(cells)
}

/// The same of an `.xlsb`.
pub(crate) fn of_xlsb<R: Read + Seek>(
    workbook: &mut Xlsb<R>,
    name: &str,
) -> std::result::Result<Vec<Cell<Data>>, XlsbError> {
    let mut reader = workbook.worksheet_cells_reader(name)?;
    let mut cells = Vec::new();
    while let Some(cell) = reader.next_cell()? {
        cells.extend(with_value(&cell));
    }
    Ok(cells)
}

fn with_value(cell: &Cell<DataRef<'_>>) -> Option<Cell<Data>> {
    let value = Data::from(cell.get_value().clone());
    (value != Data::Empty).then(|| Cell::new(cell.get_position(), value))
}

/// The places of formulas.
pub(crate) fn formulas_of_xlsx<R: Read + Seek>(
    workbook: &mut Xlsx<R>,
    name: &str,
) -> std::result::Result<Vec<(u32, u32)>, XlsxError> {
    let mut reader = match workbook.worksheet_cells_reader(name) {
        Err(XlsxError::NotAWorksheet(_)) => return Ok(Vec::new()),
        reader => reader?,
    };
    let mut places = Vec::new();
    while let Some(cell) = reader.next_formula()? {
        places.extend((!cell.get_value().is_empty()).then(|| cell.get_position()));
    }
    Ok(places)
}

/// The same of an `.xlsb`.
pub(crate) fn formulas_of_xlsb<R: Read + Seek>(
    workbook: &mut Xlsb<R>,
    name: &str,
) -> std::result::Result<Vec<(u32, u32)>, XlsbError> {
    let mut reader = workbook.worksheet_cells_reader(name)?;
    let mut places = Vec::new();
    while let Some(cell) = reader.next_formula()? {
        places.extend((!cell.get_value().is_empty()).then(|| cell.get_position()));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_lie_too_far_apart_are_not_held() {
        let cell = |row, column| Cell::new((row, column), Data::Int(1));
        assert_eq!(held(vec![cell(4, 2), cell(2, 9)], "a.xlsx").unwrap().get_size(), (3, 8));
        assert!(held(Vec::new(), "a.xlsx").unwrap().is_empty());
        assert_eq!(
            held(vec![cell(0, 0), cell(1_048_575, 16_383)], "a.xlsx").unwrap_err().to_string(),
            "a.xlsx: its cells lie too far apart, between A1 and XFD1048576; delete what stands far away from the table, or copy the \
             table into a new workbook"
        );
        assert_eq!(
            held(vec![cell(0, 0), cell(8, 475_253)], "a.xlsx").unwrap_err().to_string(),
            "a.xlsx: its cells reach to ZZZZ9, but a sheet ends with XFD1048576; open the workbook in a spreadsheet program and save \
             it again"
        );
    }
}
