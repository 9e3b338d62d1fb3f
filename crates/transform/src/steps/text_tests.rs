//! Text steps on random texts: none may panic, and a text that a step reports as fine must stay unchanged (`texts::Scratch`
//! compares the two in tests).

use polars::prelude::*;
use proptest::prelude::*;

use super::tests::rows;

/// Steps on the column `t`, and whether a second time changes nothing more.
const STEPS: [(&str, bool); 26] = [
    ("- trim: {columns: [t]}", true),
    ("- normalize_text: {columns: [t]}", true),
    ("- normalize_text: {columns: [t], unicode: nfkc, whitespace: keep}", true),
    ("- normalize_text: {columns: [t], unicode: nfd}", true),
    ("- normalize_text: {columns: [t], unicode: nfkd, case: keep}", true),
    ("- normalize_text: {columns: [t], unicode: keep, case: lower}", false),
    ("- normalize_text: {columns: [t], case: upper}", false),
    ("- normalize_text: {columns: [t], case: title}", false),
    ("- normalize_text: {columns: [t], case: unshout}", false),
    ("- fix_mojibake: {columns: [t]}", false),
    ("- strip_html: {columns: [t]}", false),
    ("- strip_html: {columns: [t], escaped: 2}", false),
    ("- strip_html: {columns: [t], escaped: 3}", false),
    ("- remove_invisible: {columns: [t]}", true),
    ("- collapse_repeats: {columns: [t], letters: 3, symbols: 2, jamo: 2}", true),
    ("- collapse_repeats: {columns: [t], letters: 1, digits: 1, punctuation: 1, symbols: 1, jamo: 1}", true),
    ("- space_punctuation: {columns: [t]}", true),
    ("- mask: {columns: [t], parts: [email], method: redact}", true),
    ("- mask: {columns: [t], parts: [phone], method: redact}", true),
    ("- mask: {columns: [t], parts: [card], method: redact}", true),
    ("- mask: {columns: [t], parts: [email, phone, card], method: redact}", false),
    ("- replace: {columns: [t], literal: 'a', with: ''}", true),
    ("- replace: {columns: [t], regex: '(\\w)(\\W)', with: '${2}${1}'}", false),
    ("- replace: {columns: [t], regex: '^|$|\\b', with: '-'}", false),
    ("- map_values: {columns: [t], values: {'': a}}", false),
    ("- explode: {column: t, separator: ' '}", true),
];

/// Pieces that text rules look for, broken and joined in any way.
const PIECES: &[&str] = &[
    "a",
    "Z",
    "é",
    "e\u{301}",
    "ß",
    "İ",
    "ﬁ",
    "ŉ",
    "Ǆ",
    "가",
    "ㅋ",
    "ㅋㅋㅋ",
    "ᄀ",
    "😀",
    "👨\u{200d}👩",
    "\u{200b}",
    "\u{feff}",
    "\u{ad}",
    "\u{202e}",
    "\u{e0041}",
    "\0",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{a0}",
    "\u{3000}",
    " ",
    "\t",
    "\n",
    "\r\n",
    "@",
    ".",
    "..",
    "-",
    "_",
    "+",
    "(",
    ")",
    "/",
    "'",
    "\"",
    "\\",
    "$1",
    "${1}",
    "0",
    "00",
    "49",
    "555",
    "1234",
    "4111111111111111",
    "４",
    "٣",
    "ann@shop.com",
    "x@y.de",
    "user@例子.公司",
    "jörg@bücher.de",
    "010-1234-5678",
    "(555) 123-4567",
    "+49 30 123456",
    "<",
    ">",
    "<b>",
    "</p>",
    "<br/>",
    "<!--",
    "-->",
    "<![CDATA[",
    "<script>",
    "&",
    "&amp;",
    "&lt;",
    "&#0;",
    "&#x110000;",
    "&#55296;",
    "&nbsp",
    ";",
    "&copy",
    "Ã",
    "¤",
    "Ã¤",
    "â€™",
    "ï»¿",
    "Â",
    "!",
    "!!!",
    "?",
    ",",
    ":",
    "…",
    "，",
    "。",
    ":)",
    "3.5",
    "www.shop.com",
    "MUITO BOM",
    "DVD",
    "=",
    "#",
    "%",
];

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_too_odd(texts in proptest::collection::vec(proptest::option::of(text()), 1..60)) {
        let row: Vec<u32> = (1..=texts.len() as u32).collect();
        let table = df!("t" => &texts, "_row" => row).unwrap();
        for (step, settles) in STEPS {
            let once = rows(&table, step);
            if settles {
                let twice = rows(&once, step);
                prop_assert!(twice.equals_missing(&once), "{}\n{}\n{}", step, once, twice);
            }
        }
    }
}
