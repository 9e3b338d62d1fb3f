//! Keys under which spellings of one value meet, as OpenRefine defines them (documentation of its clustering methods, "key
//! collision": fingerprint and n-gram fingerprint).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The letters and digits of a text in lower case, without accents, and what stands for each other character that `keeps_space`
/// tells.
fn plain(text: &str, mut other: impl FnMut(char, &mut String)) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|letter| !is_combining_mark(*letter)) {
        match letter.is_alphanumeric() {
            true => plain.extend(letter.to_lowercase()),
            false => other(letter, &mut plain),
        }
    }
    plain
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
