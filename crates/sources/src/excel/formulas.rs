//! Formulas whose results were not computed: programs that write workbooks leave that to the spreadsheet, which shows
//! values once it is opened. Read as they are, such cells would be empty or 0.

use std::collections::BTreeSet;
use std::io::Read;

use calamine::{Data, Range};
use flate2::read::DeflateDecoder;

/// Cells by row and column, both from 0.
pub(crate) type Cells = BTreeSet<(u32, u32)>;

/// The cells of `formulas` without a result. `awaits` says that the workbook is to be computed when it is opened: then a 0
/// is not a result either, because it is the placeholder for one.
pub(crate) fn uncomputed(formulas: &[(u32, u32)], values: &Range<Data>, awaits: bool) -> Cells {
    let is_result = |place: &(u32, u32)| match values.get_value(*place) {
        None | Some(Data::Empty) => false,
        Some(Data::Float(value)) => !awaits || *value != 0.0,
        Some(Data::Int(value)) => !awaits || *value != 0,
        Some(_) => true,
    };
    formulas.iter().filter(|place| !is_result(place)).copied().collect()
}

/// The places of formulas.
pub(crate) fn places(formulas: &Range<String>) -> Vec<(u32, u32)> {
    let (top, left) = formulas.start().unwrap_or_default();
    let used = formulas.used_cells().filter(|(_, _, formula)| !formula.is_empty());
    used.map(|(row, column, _)| (top + row as u32, left + column as u32)).collect()
}

/// Whether an `.xlsx` asks to be computed when it is opened, which spreadsheets take out when they save it.
pub(crate) fn awaits_computing(workbook: &[u8]) -> bool {
    let Some(xml) = member(workbook, b"xl/workbook.xml") else { return false };
    let Some((_, rest)) = xml.split_once("<calcPr") else { return false };
    let calculation = rest.split('>').next().unwrap_or_default();
    ["fullCalcOnLoad=\"1\"", "fullCalcOnLoad=\"true\""].iter().any(|flag| calculation.contains(flag))
}

/// A text file inside a ZIP archive, found by its central directory (PKWARE, APPNOTE 6.3.10).
fn member(archive: &[u8], wanted: &[u8]) -> Option<String> {
    const END: &[u8] = b"PK\x05\x06";
    const ENTRY: &[u8] = b"PK\x01\x02";
    /// A workbook's own file is small; what claims to be larger is none.
    const LARGEST: u64 = 16 << 20;
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let bytes = archive.get(at..at.checked_add(bytes)?)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let end = archive.windows(END.len()).rposition(|four| four == END)?;
    let mut at = number(end + 16, 4)?;
    while archive.get(at..at.checked_add(4)?) == Some(ENTRY) {
        let (method, packed) = (number(at + 10, 2)?, number(at + 20, 4)?);
        let (name, extra, comment) = (number(at + 28, 2)?, number(at + 30, 2)?, number(at + 32, 2)?);
        if archive.get(at + 46..at + 46 + name) == Some(wanted) {
            let local = number(at + 42, 4)?;
            let start = local + 30 + number(local + 26, 2)? + number(local + 28, 2)?;
            let packed = archive.get(start..start.checked_add(packed)?)?;
            let mut text = String::new();
            match method {
                0 => packed.take(LARGEST).read_to_string(&mut text).ok()?,
                8 => DeflateDecoder::new(packed).take(LARGEST).read_to_string(&mut text).ok()?,
                _ => return None,
            };
            return Some(text);
        }
        at += 46 + name + extra + comment;
    }
    None
}

/// A cell as spreadsheets name it: `B3`.
pub(crate) fn named((row, column): (u32, u32)) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    format!("{}{}", letters.iter().rev().collect::<String>(), row + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_their_names() {
        assert_eq!([(0, 0), (2, 25), (9, 26), (0, 16_383)].map(named), ["A1", "Z3", "AA10", "XFD1"]);
    }

    #[test]
    fn a_result_is_whatever_stands_there() {
        use calamine::Cell;
        let formulas = places(&Range::from_sparse((1..6).map(|row| Cell::new((row, 2), "A1".to_owned())).collect()));
        let values = [Data::String(String::new()), Data::Float(0.0), Data::Float(2.0), Data::Bool(false)];
        let values = (1..).zip(values).map(|(row, value)| Cell::new((row, 2), value));
        let values = Range::from_sparse(values.collect());
        assert_eq!(uncomputed(&formulas, &values, false), Cells::from([(5, 2)]));
        assert_eq!(uncomputed(&formulas, &values, true), Cells::from([(2, 2), (5, 2)]));
    }

    #[test]
    fn what_is_not_an_archive_awaits_nothing() {
        for bytes in [&b""[..], b"PK\x05\x06", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0"] {
            assert!(!awaits_computing(bytes));
        }
    }
}
