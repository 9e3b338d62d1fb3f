//! Keys under which spellings of one value meet, as OpenRefine defines them (documentation of its clustering methods, "key
//! collision": fingerprint and n-gram fingerprint).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The letters and digits of a text in lower case, without accents, and what stands for each other character that `other` tells.
///
/// Only what the alphabets of Europe set above or below a letter is an accent. In other scripts a mark is part of the word: it makes
/// `バリ` of `ハリ`, and is the vowel of `दिल` and `दाल`. A point, a comma or a slash between two digits is part of the number: `1.5`
/// is not `15`, nor `½` `12`.
fn plain(text: &str, mut other: impl FnMut(char, &mut String)) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut before = ' ';
    let mut letters = text.nfkd().filter(|letter| !is_accent(*letter)).peekable();
    while let Some(letter) = letters.next() {
        let is_between = before.is_numeric() && letters.peek().is_some_and(|next| next.is_numeric());
        match letter {
            // The end of a word has a form of its own.
            'ς' => plain.push('σ'),
            '.' | ',' | '/' | '\u{2044}' if is_between => plain.push(if letter == '\u{2044}' { '/' } else { letter }),
            _ if letter.is_alphanumeric() || is_combining_mark(letter) => plain.extend(letter.to_lowercase()),
            _ => other(letter, &mut plain),
        }
        before = letter;
    }
    plain
}

/// A mark of the blocks of diacritical marks, which Latin, Greek and Cyrillic letters have.
fn is_accent(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// The words of a text, each once, sorted: in lower case, without accents and punctuation. `O'Neil, Anna` and `anna ONEIL` have the
/// same.
pub(crate) fn fingerprint(text: &str) -> String {
    let plain = plain(text, |letter, plain| {
        if letter.is_whitespace() {
            plain.push(' ');
        }
    });
    let mut words: Vec<&str> = plain.split_whitespace().collect();
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

/// All runs of `size` characters of a text, each once, sorted: in lower case, without accents, punctuation and spaces. A text that is
/// shorter is its own run.
pub(crate) fn ngrams(text: &str, size: usize) -> String {
    let plain: Vec<char> = plain(text, |_, _| ()).chars().collect();
    if plain.len() <= size {
        return plain.into_iter().collect();
    }
    let mut runs: Vec<String> = plain.windows(size).map(|run| run.iter().collect()).collect();
    runs.sort_unstable();
    runs.dedup();
    runs.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_meet() {
        assert_eq!(fingerprint("  São   Paulo, SP "), "paulo sao sp");
        assert_eq!(fingerprint("SP Sao-Paulo"), "saopaulo sp");
        assert_eq!(fingerprint("O'Neil, Anna"), fingerprint("anna ONEIL anna"));
        assert_eq!(fingerprint("?!"), "");
        assert_eq!(fingerprint("東京 都"), "東京 都");
        assert_eq!(fingerprint("Ἀθῆναι ΟΔΟΣ"), fingerprint("αθηναι οδός"));
    }

    #[test]
    fn marks_that_are_letters_and_numbers_that_differ_stay_apart() {
        for [one, other] in [
            // Paris, Bali and a needle.
            ["パリ", "バリ"],
            ["バリ", "ハリ"],
            // A heart and a lentil.
            ["दिल", "दाल"],
            ["கடல்", "கூடல்"],
            ["ไก่", "ไก"],
            ["1.5 l", "15 l"],
            ["1.5 l", "5.1 l"],
            ["½ inch", "12 inch"],
            ["3/4", "34"],
        ] {
            assert_ne!(fingerprint(one), fingerprint(other), "{one}, {other}");
            assert_ne!(ngrams(one, 2), ngrams(other, 2), "{one}, {other}");
        }
        // However they were typed.
        assert_eq!(fingerprint("ハ\u{309a}リ"), fingerprint("パリ"));
        assert_eq!(fingerprint("½ inch"), fingerprint("Inch, 1/2"));
        assert_eq!(fingerprint("St. Louis, MO."), "louis mo st");
        assert_eq!(fingerprint("Rome, 1.5,"), "1.5 rome");
    }

    #[test]
    fn runs_of_characters_meet() {
        // OpenRefine's own example: Paris has the 2-grams ariparis.
        assert_eq!(ngrams("Paris", 2), "arispari");
        assert_eq!(ngrams("Krzysztof", 1), ngrams("Krzystzof", 1));
        assert_eq!(ngrams("New York", 2), ngrams("newyork", 2));
        assert_eq!(ngrams("a", 2), "a");
        assert_eq!(ngrams("--", 2), "");
    }
}
