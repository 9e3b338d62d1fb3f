//! Expressions as texts that are compared: what spaces and the case of keywords leave.

use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

/// The words of a text in SQL: names of columns and functions, and keywords.
pub fn words(sql: &str) -> Vec<String> {
    let words = tokens(sql).unwrap_or_default().into_iter();
    let words = words.filter_map(|token| match token {
        Token::Word(word) => Some(word.value),
        _ => None,
    });
    words.collect()
}

/// Keywords that mean the same in every case; other words may name columns.
const KEYWORDS: [&str; 16] = [
    "AND", "OR", "NOT", "CASE", "WHEN", "THEN", "ELSE", "END", "IS", "NULL", "IN", "BETWEEN", "LIKE", "TRUE", "FALSE",
    "AS",
];

/// An expression as the sequence of its words and signs: two that differ in spaces or in the case of keywords are one.
pub fn normal(sql: &str) -> String {
    let Some(tokens) = tokens(sql) else { return sql.to_owned() };
    let parts = tokens.into_iter().filter_map(|token| match token {
        Token::Whitespace(_) => None,
        Token::Word(word) if word.quote_style.is_none() => {
            let upper = word.value.to_uppercase();
            Some(if KEYWORDS.contains(&upper.as_str()) { upper } else { word.value })
        }
        other => Some(other.to_string()),
    });
    parts.collect::<Vec<String>>().join(" ")
}

fn tokens(sql: &str) -> Option<Vec<Token>> {
    Tokenizer::new(&GenericDialect {}, sql).tokenize().ok()
}
