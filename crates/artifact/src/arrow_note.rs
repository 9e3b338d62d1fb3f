//! The note that writers with Arrow leave of the types of their columns, under the key `ARROW:schema`: the schema as a message
//! of Arrow IPC (a flatbuffer), in base64.
//!
//! The engine's reader of such messages panics at types that it does not know, so columns of such types are found, and left
//! out, in the bytes themselves. Layout: <https://flatbuffers.dev/internals/>, and `Message.fbs` and `Schema.fbs` of Arrow.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The key of the note in the footer.
pub(crate) const ARROW_SCHEMA: &str = "ARROW:schema";

/// How deep types may be nested.
const DEEPEST: usize = 64;

pub(crate) struct ArrowNote {
    bytes: Vec<u8>,
    /// Where the message begins: behind a mark of four bytes and its length.
    start: usize,
}

impl ArrowNote {
    /// Nothing if it is not such a note.
    pub fn read(text: &str) -> Option<ArrowNote> {
        let bytes = STANDARD.decode(text).ok()?;
        let start = if bytes.get(..4)? == [0xFF; 4] { 8 } else { 0 };
        let note = ArrowNote { bytes, start };
        note.columns()?.iter().try_for_each(|column| note.name(*column).map(drop)).map(|()| note)
    }

    /// The note as it is in the footer.
    pub fn to_text(&self) -> String {
        STANDARD.encode(&self.bytes)
    }

    /// The columns with types, their own or within them, that the engine's reader does not know.
    pub fn unknown(&self) -> Vec<(String, &'static str)> {
        let columns = self.columns().unwrap_or_default();
        columns.into_iter().filter_map(|column| Some((self.name(column)?, self.unknown_type(column, 0)?))).collect()
    }

    /// Leaves out the columns that are not kept. Their bytes stay, but nothing refers to them.
    pub fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        let Some((vector, places)) = self.elements() else { return };
        let columns = places.into_iter().filter_map(|place| self.follow(place));
        let kept: Vec<usize> = columns.filter(|column| self.name(*column).is_some_and(|name| is_kept(&name))).collect();
        self.write(vector, kept.len());
        for (at, column) in kept.into_iter().enumerate() {
            // Offsets count from where they stand, forwards.
            let place = vector + 4 + 4 * at;
            self.write(place, column - place);
        }
    }

    /// Puts UTC in the place of the time zones that are not known: the instants are the same. Returns whether there were such.
    pub fn in_utc(&mut self, is_known: impl Fn(&str) -> bool) -> bool {
        let columns = self.columns().unwrap_or_default();
        let mut zones: Vec<usize> = columns.into_iter().flat_map(|column| self.zones(column, 0)).collect();
        zones.retain(|place| self.text(*place).is_some_and(|zone| !is_known(&zone)));
        if zones.is_empty() {
            return false;
        }
        // Offsets lead forwards, so the new text stands behind all else.
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let text = self.bytes.len();
        self.bytes.extend_from_slice(b"\x03\0\0\0UTC\0");
        zones.into_iter().for_each(|place| self.write(place, text - place));
        if self.start == 8 {
            self.write(4, self.bytes.len() - self.start);
        }
        true
    }

    /// The tables of the columns.
    fn columns(&self) -> Option<Vec<usize>> {
        self.elements()?.1.into_iter().map(|place| self.follow(place)).collect()
    }

    /// The vector of the columns, and the places of its elements.
    fn elements(&self) -> Option<(usize, Vec<usize>)> {
        let message = self.follow(self.start)?;
        let schema = self.follow(self.slot(message, 2)?)?;
        self.vector(self.slot(schema, 1)?)
    }

    fn name(&self, column: usize) -> Option<String> {
        self.text(self.slot(column, 0)?)
    }

    /// The text that a field refers to.
    fn text(&self, field: usize) -> Option<String> {
        let text = self.follow(field)?;
        let start = text + 4;
        let bytes = self.bytes.get(start..start.checked_add(self.u32(text)?)?)?;
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    }

    /// The fields that refer to the time zones of a column and of those within it.
    fn zones(&self, column: usize, depth: usize) -> Vec<usize> {
        const TIMESTAMP: u8 = 10;
        let kind = self.slot(column, 2).and_then(|place| self.bytes.get(place));
        if kind == Some(&TIMESTAMP) {
            let of = self.slot(column, 3).and_then(|place| self.follow(place));
            return of.and_then(|of| self.slot(of, 1)).into_iter().collect();
        }
        let children = self.slot(column, 5).and_then(|field| self.vector(field)).filter(|_| depth < DEEPEST);
        let children = children.map(|(_, children)| children).unwrap_or_default();
        children
            .into_iter()
            .filter_map(|child| self.follow(child))
            .flat_map(|child| self.zones(child, depth + 1))
            .collect()
    }

    fn unknown_type(&self, column: usize, depth: usize) -> Option<&'static str> {
        const LAST: u8 = 26;
        match self.slot(column, 2).and_then(|place| self.bytes.get(place)) {
            Some(22) => return Some("run_end_encoded"),
            Some(25) => return Some("list_view"),
            Some(26) => return Some("large_list_view"),
            Some(newer) if *newer > LAST => return Some("that is newer than this version"),
            _ if depth == DEEPEST => return Some("nested too deep"),
            _ => {}
        }
        let (_, children) = self.vector(self.slot(column, 5)?)?;
        children.into_iter().find_map(|child| self.unknown_type(self.follow(child)?, depth + 1))
    }

    /// The vector that a field refers to, and the places of its elements.
    fn vector(&self, field: usize) -> Option<(usize, Vec<usize>)> {
        let vector = self.follow(field)?;
        let length = self.u32(vector)?;
        let places: Vec<usize> = (0..length.min(self.bytes.len())).map(|at| vector + 4 + 4 * at).collect();
        (length == places.len()).then_some((vector, places))
    }

    /// Where the field of this number of a table is; nothing if the table lacks it.
    fn slot(&self, table: usize, number: usize) -> Option<usize> {
        let back = i32::from_le_bytes(self.bytes.get(table..table.checked_add(4)?)?.try_into().ok()?);
        let fields = usize::try_from(i64::try_from(table).ok()? - i64::from(back)).ok()?;
        let place = 4 + 2 * number;
        let offset = if place < self.u16(fields)? { self.u16(fields + place)? } else { 0 };
        (offset > 0).then_some(table + offset)
    }

    fn follow(&self, place: usize) -> Option<usize> {
        place.checked_add(self.u32(place)?).filter(|target| *target < self.bytes.len())
    }

    fn u16(&self, place: usize) -> Option<usize> {
        let bytes = self.bytes.get(place..place.checked_add(2)?)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?).into())
    }

    fn u32(&self, place: usize) -> Option<usize> {
        let bytes = self.bytes.get(place..place.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    }

    fn write(&mut self, place: usize, number: usize) {
        let bytes = u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        if let Some(four) = self.bytes.get_mut(place..place + 4) {
            four.copy_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, Metadata, TimeUnit};
    use polars_parquet::read::schema::read_schema_from_metadata;
    use polars_parquet::write::schema_to_metadata_key;

    use super::*;

    fn list(of: ArrowDataType) -> ArrowDataType {
        ArrowDataType::LargeList(Box::new(Field::new("item".into(), of, true)))
    }

    fn note() -> ArrowNote {
        let columns = [
            ("a", ArrowDataType::Int64),
            ("v", list(ArrowDataType::Int64)),
            ("s", ArrowDataType::Struct(vec![Field::new("x".into(), list(ArrowDataType::Float64), true)])),
            ("d", ArrowDataType::Duration(TimeUnit::Millisecond)),
        ];
        let schema: ArrowSchema =
            columns.into_iter().map(|(name, dtype)| (name.into(), Field::new(name.into(), dtype, true))).collect();
        ArrowNote::read(&schema_to_metadata_key(&schema).value.unwrap()).unwrap()
    }

    /// What the engine's reader makes of it.
    fn types(note: &ArrowNote) -> Vec<(String, ArrowDataType)> {
        let mut notes: Metadata = [(ARROW_SCHEMA.into(), note.to_text().into())].into();
        let schema = read_schema_from_metadata(&mut notes).unwrap().unwrap();
        schema.iter().map(|(name, field)| (name.to_string(), field.dtype.clone())).collect()
    }

    #[test]
    fn columns_of_unknown_types_are_found_and_left_out() {
        let mut note = note();
        assert_eq!(note.unknown(), Vec::new());
        // LargeList is 21; as tables, all kinds of lists are alike.
        for place in 0..note.bytes.len() {
            let columns = note.columns().unwrap();
            let inner = |column: usize| note.vector(note.slot(column, 5).unwrap()).unwrap().1[0];
            let of_lists = [columns[1], note.follow(inner(columns[2])).unwrap()];
            if of_lists.iter().any(|column| note.slot(*column, 2) == Some(place)) {
                assert_eq!(std::mem::replace(&mut note.bytes[place], 25), 21);
            }
        }
        assert_eq!(note.unknown(), [("v".to_owned(), "list_view"), ("s".to_owned(), "list_view")]);
        note.retain(|name| name != "v" && name != "s");
        let expected = [ArrowDataType::Int64, ArrowDataType::Duration(TimeUnit::Millisecond)];
        let (names, found): (Vec<String>, Vec<ArrowDataType>) = types(&note).into_iter().unzip();
        assert_eq!((names, found.as_slice()), (vec!["a".to_owned(), "d".to_owned()], &expected[..]));
        note.retain(|name| name == "d");
        assert_eq!(types(&note).len(), 1);
    }

    #[test]
    fn zones_that_are_not_known_become_utc() {
        let at = |zone: Option<&str>| ArrowDataType::Timestamp(TimeUnit::Millisecond, zone.map(Into::into));
        let of = |dtype: ArrowDataType| list(dtype);
        let columns =
            [("a", at(Some("+05:30"))), ("b", at(None)), ("c", at(Some("Asia/Seoul"))), ("d", of(at(Some("Z"))))];
        let schema: ArrowSchema =
            columns.into_iter().map(|(name, dtype)| (name.into(), Field::new(name.into(), dtype, true))).collect();
        let mut note = ArrowNote::read(&schema_to_metadata_key(&schema).value.unwrap()).unwrap();
        let is_known = |zone: &str| zone.len() > 6;
        assert!(note.in_utc(is_known));
        let utc = || at(Some("UTC"));
        let expected = [utc(), at(None), at(Some("Asia/Seoul")), of(utc())];
        let (names, found): (Vec<String>, Vec<ArrowDataType>) = types(&note).into_iter().unzip();
        assert_eq!((names.join(" "), found.as_slice()), ("a b c d".to_owned(), &expected[..]));
        let length = note.bytes.len() - 8;
        assert_eq!(note.u32(4), Some(length));
        assert!(!note.in_utc(|zone| is_known(zone) || zone == "UTC"));
    }

    #[test]
    fn any_bytes_are_survived() {
        let whole = note().bytes;
        for place in 0..whole.len() {
            for byte in [0, 1, 0x7F, 0xFF] {
                let mut bytes = whole.clone();
                bytes[place] = byte;
                for length in [bytes.len(), place] {
                    if let Some(mut note) = ArrowNote::read(&STANDARD.encode(&bytes[..length])) {
                        let _ = note.unknown();
                        let _ = note.in_utc(|_| false);
                        note.retain(|name| name == "d");
                        let _ = note.to_text();
                    }
                }
            }
        }
        for text in ["", "AAA=", "no base64"] {
            assert!(ArrowNote::read(text).is_none());
        }
    }
}
