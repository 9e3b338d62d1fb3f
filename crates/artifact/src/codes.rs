//! Columns with few distinct texts, each by its number: dictionaries are written from it, and summaries made.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray, View};

/// The distinct texts of an array in the order in which they first occur, and the number of each row's text; 0 where it
/// is null.
pub(crate) struct Codes<'a> {
    pub values: Vec<&'a str>,
    keys: Vec<u32>,
}

/// With more of them the engine decides.
const MOST: usize = 1 << 14;
/// Up to so many are looked for in any case; more only where less than nine of ten rows so far had a text of their own.
const FEW: usize = 1 << 10;
/// Views of long texts: where each row has a text of its own, the engine decides, too.
const LONG: usize = 64;
/// Views that are remembered without a search, by some of their bits.
const PLACES: usize = 1 << 10;

/// Nothing for texts that hardly repeat, whose dictionary would be larger than they are. The engine would find the same
/// dictionary by hashing and comparing every text; views of short texts, which hold them whole, are distinguished
/// faster.
pub(crate) fn codes(texts: &Utf8ViewArray) -> Option<Codes<'_>> {
    match texts.validity().filter(|_| texts.null_count() > 0) {
        None => numbered(texts, |_| false),
        Some(validity) => numbered(texts, |at| !validity.get_bit(at)),
    }
}

fn numbered(texts: &Utf8ViewArray, is_null: impl Fn(usize) -> bool) -> Option<Codes<'_>> {
    let mut known: HashMap<u128, u32, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
    let mut recent = [(0, u32::MAX); PLACES];
    let mut values: Vec<&str> = Vec::new();
    let mut keys: Vec<u32> = Vec::with_capacity(texts.len());
    let mut long = 0;
    // Runs of one text need no search at all.
    let mut last = (0, u32::MAX);
    for (at, view) in texts.views().iter().enumerate() {
        if is_null(at) {
            keys.push(0);
            continue;
        }
        let bits = view.as_u128();
        if last.0 == bits && last.1 != u32::MAX {
            keys.push(last.1);
            continue;
        }
        let mixed = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = &mut recent[(mixed >> (64 - PLACES.ilog2())) as usize % PLACES];
        if place.0 != bits || place.1 == u32::MAX {
            let key = match known.get(&bits) {
                Some(key) => *key,
                None => {
                    let text = texts.value(at);
                    // The view of a long text is its position: another view may be the same text.
                    let is_long = view.length > View::MAX_INLINE_SIZE;
                    long += usize::from(is_long);
                    let same = if is_long { values.iter().position(|value| *value == text) } else { None };
                    if same.is_none() {
                        values.push(text);
                    }
                    let many = values.len() > MOST || (values.len() > FEW && values.len() * 10 > at * 9);
                    if many || long > LONG {
                        return None;
                    }
                    let key = same.unwrap_or(values.len() - 1) as u32;
                    known.insert(bits, key);
                    key
                }
            };
            *place = (bits, key);
        }
        last = *place;
        keys.push(place.1);
    }
    // A dictionary of values that hardly repeat is larger than they are.
    if values.is_empty() || values.len() * 2 > texts.len() {
        return None;
    }
    Some(Codes { values, keys })
}

impl Codes<'_> {
    /// The texts with their dictionary.
    pub(crate) fn array(self, texts: &Utf8ViewArray) -> Option<Box<dyn Array>> {
        let keys = PrimitiveArray::from_vec(self.keys).with_validity(texts.validity().cloned());
        let values = Utf8ViewArray::from_slice_values(self.values).boxed();
        Some(DictionaryArray::<u32>::try_from_keys(keys, values, false).ok()?.boxed())
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;
    use crate::RowGroups;

    /// A number that looks random.
    fn scattered(at: u64) -> u64 {
        crate::distinct::mix(at)
    }

    #[test]
    fn codes_are_found_by_their_views() {
        let of = |texts: &[Option<&str>]| {
            let array = Utf8ViewArray::from_slice(texts);
            codes(&array).map(|found| {
                let found = found.array(&array).unwrap();
                let found = found.as_any().downcast_ref::<DictionaryArray<u32>>().unwrap();
                let values = found.values().as_any().downcast_ref::<Utf8ViewArray>().unwrap();
                let text = |key: Option<&u32>| key.map(|key| values.value(*key as usize).to_owned());
                assert!(found.keys().iter().map(text).eq(texts.iter().map(|text| text.map(str::to_owned))));
                values.len()
            })
        };
        assert_eq!(of(&[Some("A"), None, Some("B"), Some("A"), Some(""), Some("B")]), Some(3));
        assert_eq!(of(&[Some("A"), Some("B"), Some("C"), Some("A")]), None, "they hardly repeat");
        assert_eq!(of(&[None, Some("twelve bytes")]), Some(1));
        assert_eq!(of(&[Some("a text of more than twelve bytes"), Some("A"), Some("A"), Some("A")]), Some(2));
        assert_eq!(of(&[Some("A"), Some("a text of more than twelve bytes")]), None);
        assert_eq!(of(&[None, None]), None);
        assert_eq!(of(&[]), None);
        // Each row has its own copy of the text.
        let few: Vec<String> =
            (0..60).map(|number| format!("a text of more than twelve bytes, {}", number % 7)).collect();
        let few: Vec<Option<&str>> = few.iter().map(|text| Some(text.as_str())).collect();
        assert_eq!((of(&few), of(&few.repeat(2))), (Some(7), None));
        let numbers: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
        assert_eq!(of(&numbers.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>()), None);
        // More than a thousand of them, if each comes up often.
        let often: Vec<String> = (0..30_000).map(|number| (number * 7 % 2_000).to_string()).collect();
        assert_eq!(of(&often.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>()), None, "too soon to know");
        let rising: Vec<String> = (0..40_000u64).map(|number| number.isqrt().isqrt().pow(2).to_string()).collect();
        assert_eq!(of(&rising.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>()), Some(15));
        // As many as a shop has products.
        let shop: Vec<String> = (0..20_000).map(|at| (scattered(at) % 2_969).to_string()).collect();
        let found = of(&shop.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
        assert_eq!(found, Some(shop.iter().collect::<std::collections::HashSet<_>>().len()));
        assert!(found > Some(FEW));
        let many: Vec<String> = (0..60_000u64).map(|number| (number * 31 % (number / 20 + 1)).to_string()).collect();
        let plain: std::collections::HashSet<&String> = many.iter().collect();
        let found = of(&many.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
        assert!(plain.len() > FEW && found == Some(plain.len()), "{found:?}");
    }

    #[test]
    fn many_texts_are_written_the_same_with_our_dictionary_and_the_engines() {
        let texts: Vec<Option<String>> =
            (0..40_000).map(|at| (at % 13 > 0).then(|| (scattered(at) % 2_969).to_string())).collect();
        let column = StringChunked::from_slice_options("t".into(), &texts);
        let chunk = column.downcast_iter().next().unwrap();
        assert!(codes(chunk).is_some_and(|found| found.values.len() > FEW));
        let written = |column: &StringChunked, is_ours: bool| {
            let schema = Schema::from_iter([Field::new("t".into(), DataType::String)]);
            let mut bytes = Vec::new();
            match is_ours {
                true => {
                    let mut file = RowGroups::new(&mut bytes, &schema).unwrap();
                    file.write(DataFrame::new(column.len(), vec![column.clone().into_column()]).unwrap()).unwrap();
                    file.finish().unwrap();
                }
                false => {
                    let mut table = DataFrame::new(column.len(), vec![column.clone().into_column()]).unwrap();
                    let writer = ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Snappy);
                    writer.with_row_group_size(Some(1 << 17)).finish(&mut table).unwrap();
                }
            }
            bytes
        };
        let [ours, engines] = [true, false].map(|is_ours| written(&column, is_ours));
        // Footers differ by what the engine notes there; the pages are those before them.
        let pages = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
        assert!(pages(&ours) == pages(&engines), "{} and {} bytes", ours.len(), engines.len());
    }

    #[test]
    fn long_texts_are_written_the_same_with_our_dictionary_and_the_engines() {
        let texts: Vec<String> = (0..7).map(|number| format!("a text of more than twelve bytes, {number}")).collect();
        let at = |row: usize| (!row.is_multiple_of(11)).then_some((row * row % 7) as u32);
        let rows: IdxCa = (0..500).map(at).collect();
        let shared = StringChunked::from_iter_values("t".into(), texts.iter().map(String::as_str)).take(&rows).unwrap();
        let own: Vec<Option<&str>> = rows.iter().map(|row| row.map(|row| texts[row as usize].as_str())).collect();
        let own = StringChunked::from_slice_options("t".into(), &own);
        let is_ours = |column: &StringChunked| codes(column.downcast_iter().next().unwrap()).is_some();
        assert!(is_ours(&shared) && !is_ours(&own));
        let written = |column: StringChunked| {
            let table = DataFrame::new(500, vec![column.into_column()]).unwrap();
            let mut bytes = Vec::new();
            let mut file = RowGroups::new(&mut bytes, table.schema()).unwrap();
            file.write(table).unwrap();
            file.finish().unwrap();
            drop(file);
            bytes
        };
        assert!(written(shared) == written(own));
    }
}
