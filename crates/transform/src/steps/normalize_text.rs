//! `normalize_text` makes texts uniform: one Unicode form, single blanks, one case.
//!
//! ```yaml
//! - normalize_text: {columns: [city], unicode: nfc, whitespace: collapse, case: title}
//! ```

use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::Result;

use super::each::each;
use super::{Apply, is_text};
use crate::plan::Plan;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalizeText {
    /// The text columns. Default: all.
    #[serde(default)]
    columns: Vec<String>,
    /// The Unicode normal form. Default: nfc, in which an `é` is one character however it was typed.
    #[serde(default)]
    unicode: Unicode,
    /// What becomes of runs of white space. Default: collapse.
    #[serde(default)]
    whitespace: Whitespace,
    /// The case of letters. Default: keep.
    #[serde(default)]
    case: Case,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Unicode {
    #[default]
    Nfc,
    Nfd,
    /// As nfc; ligatures, full-width letters and their like become plain.
    Nfkc,
    Nfkd,
    Keep,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Whitespace {
    /// One blank for each run, none at the ends.
    #[default]
    Collapse,
    Keep,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Case {
    #[default]
    Keep,
    Lower,
    Upper,
    /// The first letter of each word is upper, the others lower case.
    Title,
    /// Texts all in capitals, of two words and eight letters at least, become sentences: the first letter of each is
    /// upper, the others lower case. Texts in mixed case stay, so that `DVD` and `iPhone` do.
    Unshout,
}

impl Apply for NormalizeText {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let form = match self.unicode {
            Unicode::Nfc => Some(UnicodeForm::NFC),
            Unicode::Nfd => Some(UnicodeForm::NFD),
            Unicode::Nfkc => Some(UnicodeForm::NFKC),
            Unicode::Nfkd => Some(UnicodeForm::NFKD),
            Unicode::Keep => None,
        };
        let columns = plan.pick(&self.columns, "string", is_text)?;
        let normal = |name: &String| {
            let mut text = col(name.as_str());
            if let Some(form) = &form {
                text = unicode(text, form.clone());
            }
            if self.whitespace == Whitespace::Collapse {
                text = each(text, is_collapsed, collapse);
            }
            match self.case {
                Case::Keep => text,
                Case::Lower => text.str().to_lowercase(),
                Case::Upper => text.str().to_uppercase(),
                Case::Title => each(text, |_| false, title),
                Case::Unshout => each(text, |text| !is_shouted(text), sentences),
            }
        };
        plan.set(columns.iter().map(normal).collect())
    }
}

/// ASCII is normal in every form, so most batches pass untouched.
fn unicode(text: Expr, form: UnicodeForm) -> Expr {
    text.map(
        move |column| {
            let texts = column.str()?;
            if texts.iter().flatten().all(str::is_ascii) {
                return Ok(column);
            }
            Ok(texts.str_normalize(form.clone()).into_column())
        },
        |_, field| Ok(field.clone()),
    )
}

fn is_collapsed(text: &str) -> bool {
    let mut before = ' ';
    for c in text.chars() {
        if c.is_whitespace() && (c != ' ' || before == ' ') {
            return false;
        }
        before = c;
    }
    text.is_empty() || before != ' '
}

fn collapse(text: &str, into: &mut String) {
    for word in text.split_whitespace() {
        if !into.is_empty() {
            into.push(' ');
        }
        into.push_str(word);
    }
}

fn title(text: &str, into: &mut String) {
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            into.extend(c.to_lowercase());
        } else {
            into.extend(c.to_uppercase());
        }
        // An apostrophe is part of its word: O'neil, don't.
        in_word = c.is_alphanumeric() || (in_word && matches!(c, '\'' | '’'));
    }
}

fn is_shouted(text: &str) -> bool {
    let mut capitals = 0;
    for c in text.chars() {
        if c.is_lowercase() {
            return false;
        }
        capitals += usize::from(c.is_uppercase());
    }
    capitals >= 8 && text.split_whitespace().filter(|word| word.chars().any(char::is_uppercase)).nth(1).is_some()
}

fn sentences(text: &str, into: &mut String) {
    let mut begins = true;
    for c in text.chars() {
        if begins && c.is_alphabetic() {
            into.push(c);
            begins = false;
        } else {
            into.extend(c.to_lowercase());
        }
        begins |= matches!(c, '.' | '!' | '?' | '\n');
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::rows;
    use polars::prelude::df;

    #[test]
    fn unicode_blanks_and_case() {
        let table = df!("a" => [Some("  Cafe\u{301}  au\tlait "), Some("x"), None, Some(" ")]).unwrap();
        let expected = df!("a" => [Some("Café au lait"), Some("x"), None, Some("")]).unwrap();
        assert_eq!(rows(&table, "- normalize_text"), expected);
    }

    #[test]
    fn each_case() {
        let table = df!("a" => ["strasse ÉTÉ don't x-ray"]).unwrap();
        for (case, expected) in [
            ("lower", "strasse été don't x-ray"),
            ("upper", "STRASSE ÉTÉ DON'T X-RAY"),
            ("title", "Strasse Été Don't X-Ray"),
        ] {
            let out = rows(&table, &format!("- normalize_text: {{case: {case}}}"));
            assert_eq!(out, df!("a" => [expected]).unwrap());
        }
    }

    #[test]
    fn compatibility_forms_become_plain() {
        let table = df!("a" => ["ﬁn １２"], "b" => ["ﬁn  "]).unwrap();
        let expected = df!("a" => ["fin 12"], "b" => ["ﬁn  "]).unwrap();
        assert_eq!(rows(&table, "- normalize_text: {columns: [a], unicode: nfkc, whitespace: keep}"), expected);
    }

    #[test]
    fn only_what_is_all_capitals_is_unshouted() {
        let table = df!("a" => [
            "MUITO BOM! CHEGOU ANTES DO PRAZO",
            "MUITO BOM, DVD ok",
            "DVD OK",
            "SCHNELL GELIEFERT: 3 STÜCK",
            "재밌다 OK GREAT FILM",
        ])
        .unwrap();
        let expected = df!("a" => [
            "Muito bom! Chegou antes do prazo",
            "MUITO BOM, DVD ok",
            "DVD OK",
            "Schnell geliefert: 3 stück",
            "재밌다 ok great film",
        ])
        .unwrap();
        assert_eq!(rows(&table, "- normalize_text: {case: unshout}"), expected);
    }
}
