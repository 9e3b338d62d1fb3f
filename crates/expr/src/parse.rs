//! Text to syntax tree: exactly one expression, nothing behind it.

use std::any::TypeId;

use spec::{Error, Result};
use sqlparser::ast;
use sqlparser::dialect::{Dialect, DuckDbDialect, GenericDialect, Precedence};
use sqlparser::keywords::{ALL_KEYWORDS, Keyword};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Word};

/// Expressions nested deeper than this are refused.
const DEEPEST: usize = 100;

/// The grammar of DuckDB's expressions, without what only statements need.
#[derive(Debug)]
pub(crate) struct Grammar;

impl Dialect for Grammar {
    fn dialect(&self) -> TypeId {
        TypeId::of::<DuckDbDialect>()
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '$' || ch == '_'
    }
    fn is_reserved_for_identifier(&self, word: Keyword) -> bool {
        use Keyword::{CASE, CAST, EXISTS, EXTRACT, INTERVAL, NOT, STRUCT, TRIM, TRY_CAST};
        matches!(word, CASE | CAST | EXISTS | EXTRACT | INTERVAL | NOT | STRUCT | TRIM | TRY_CAST)
    }
    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }
    fn supports_notnull_operator(&self) -> bool {
        true
    }
    fn allow_extract_single_quotes(&self) -> bool {
        true
    }
    fn allow_extract_custom(&self) -> bool {
        true
    }
    fn supports_comma_separated_trim(&self) -> bool {
        true
    }
    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            // As in PostgreSQL and DuckDB: above comparisons.
            Precedence::Between | Precedence::Like => BETWEEN,
            other => GenericDialect {}.prec_value(other),
        }
    }
    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        // Below `+`, not beside `*`.
        (parser.peek_token_ref().token == Token::StringConcat).then_some(Ok(CONCAT))
    }
    fn parse_infix(&self, parser: &mut Parser, left: &ast::Expr, _: u8) -> Option<Result<ast::Expr, ParserError>> {
        // By default the parser takes everything after FROM, an AND among it.
        let is_not = parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]);
        if !is_not && !parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
            return None;
        }
        let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
        let both = |right: ast::Expr| (Box::new(left.clone()), Box::new(right));
        Some(right.map(both).map(|(left, right)| match is_not {
            true => ast::Expr::IsNotDistinctFrom(left, right),
            false => ast::Expr::IsDistinctFrom(left, right),
        }))
    }
}

/// How strongly `||` binds: weaker than `+` (30).
const CONCAT: u8 = 28;
/// How strongly `BETWEEN`, `IN` and `LIKE` bind: stronger than `=` (20).
const BETWEEN: u8 = 26;

/// Parses the one expression that `text` is.
pub(crate) fn parse(text: &str) -> Result<ast::Expr> {
    let failed = |cause: String| Error::cannot_run(format!("'{text}' is not an SQL expression: {cause}"));
    if text.trim().is_empty() {
        return Err(failed("it is empty".to_owned()).hint("write one, such as `quantity * price`"));
    }
    let start = Parser::new(&Grammar).with_recursion_limit(DEEPEST);
    let mut parser = start.try_with_sql(text).map_err(|error| failed(cause(&error)))?;
    let tree = match parser.parse_expr() {
        Ok(tree) => tree,
        Err(error) => return Err(with_hint(failed(cause(&error)), text)),
    };
    match &parser.peek_token_ref().token {
        Token::EOF => Ok(tree),
        Token::Word(word) if word.keyword == Keyword::AS => {
            Err(failed("unexpected 'AS' after the expression".to_owned())
                .hint("the name of the column is the key in the YAML"))
        }
        token => Err(with_hint(failed(format!("unexpected '{token}' after the expression")), text)),
    }
}

/// The parser's words without its name and positions.
pub(crate) fn cause(error: &ParserError) -> String {
    match error {
        ParserError::TokenizerError(cause) | ParserError::ParserError(cause) => {
            let (cause, place) = place_of(cause);
            if cause.starts_with("No infix parser for token ") {
                return format!("unknown operator{place}");
            }
            if let Some((wanted, found)) =
                cause.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found: "))
            {
                let wanted = match wanted {
                    "variant object key name" => "a name",
                    "SELECT, VALUES, or a subquery in the query body" => "SELECT",
                    other => other,
                };
                return match found {
                    "EOF" => format!("where it ends, {wanted} is missing"),
                    found => format!("expected {wanted}, found '{found}'{place}"),
                };
            }
            let unclosed = cause.strip_prefix("Expected close delimiter ");
            if let Some(sign) = unclosed.and_then(|rest| rest.strip_suffix(" before EOF.")) {
                return format!("{sign} is not closed{place}");
            }
            let cause = format!("{}{place}", cause.replace("EOF", "the end"));
            let mut letters = cause.chars();
            let first = letters.next().map(|letter| letter.to_lowercase().to_string()).unwrap_or_default();
            format!("{first}{}", letters.as_str())
        }
        ParserError::RecursionLimitExceeded => format!("it is nested more than {DEEPEST} deep"),
    }
}

/// What is wrong, and where in the text.
fn place_of(cause: &str) -> (&str, String) {
    let Some((cause, place)) = cause.split_once(" at Line: ") else { return (cause, String::new()) };
    match place.split_once(", Column: ") {
        Some(("1", column)) => (cause, format!(" at character {column}")),
        Some((line, column)) => (cause, format!(" in line {line} at character {column}")),
        None => (cause, String::new()),
    }
}

/// The way out where a word of SQL may be meant as a column.
fn with_hint(error: Error, text: &str) -> Error {
    let count = |sign: char| text.chars().filter(|letter| *letter == sign).count();
    if count('(') > count(')') {
        return error.hint("close the bracket");
    }
    if text.contains("&&") {
        return error.hint("write AND");
    }
    match keyword_as_name(text) {
        Some(word) => error.hint(format!("if '{word}' is a column, write it in double quotes: \"{word}\"")),
        None => error,
    }
}

/// The first word that is a keyword of SQL and is used where a name may be meant: in double quotes, by itself or with others
/// of its kind, it makes the text an expression.
fn keyword_as_name(text: &str) -> Option<String> {
    use Keyword::*;
    const OF_EXPRESSIONS: [Keyword; 40] = [
        AND, OR, NOT, IS, NULL, TRUE, FALSE, IN, BETWEEN, LIKE, ILIKE, ESCAPE, CASE, WHEN, THEN, ELSE, END, CAST,
        TRY_CAST, EXTRACT, FROM, INTERVAL, DISTINCT, OVER, PARTITION, BY, ORDER, ROWS, RANGE, UNBOUNDED, PRECEDING,
        FOLLOWING, CURRENT, ROW, FILTER, WHERE, ASC, DESC, NULLS, AS,
    ];
    let tokens = sqlparser::tokenizer::Tokenizer::new(&Grammar, text).tokenize().ok()?;
    let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let is_keyword = |word: &Word| {
        word.quote_style.is_none()
            && word.keyword != NoKeyword
            && ALL_KEYWORDS.contains(&word.value.to_uppercase().as_str())
    };
    let (mut likely, mut unlikely) = (Vec::new(), Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        if !is_keyword(word) || tokens.get(at + 1) == Some(&Token::LParen) {
            continue;
        }
        if !OF_EXPRESSIONS.contains(&word.keyword) {
            likely.push(at);
            continue;
        }
        let after = tokens.get(at + 1);
        let compared = matches!(
            after,
            Some(Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq | Token::Plus | Token::Mul)
        );
        if compared || (at == 0 && after.is_none()) {
            unlikely.push(at);
        }
    }
    likely.extend(unlikely);
    let reads_with = |quoted: &[usize]| {
        let text = tokens.iter().enumerate().map(|(at, token)| match token {
            Token::Word(word) if quoted.contains(&at) => in_quotes(&word.value),
            token => written(token),
        });
        let text = text.collect::<Vec<String>>().join(" ");
        let parser = Parser::new(&Grammar).with_recursion_limit(DEEPEST).try_with_sql(&text);
        parser.is_ok_and(|mut parser| parser.parse_expr().is_ok() && parser.peek_token_ref().token == Token::EOF)
    };
    let first =
        likely.iter().find(|at| reads_with(&[**at])).or_else(|| likely.first().filter(|_| reads_with(&likely)))?;
    match &tokens[*first] {
        Token::Word(word) => Some(word.value.clone()),
        _ => None,
    }
}

/// A name in double quotes.
pub(crate) fn in_quotes(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A token as it is written: quotes within texts and names are doubled, which its own way to show itself leaves out.
pub(crate) fn written(token: &Token) -> String {
    match token {
        Token::SingleQuotedString(text) => format!("'{}'", text.replace('\'', "''")),
        Token::Word(word) if word.quote_style.is_some() => in_quotes(&word.value),
        other => other.to_string(),
    }
}
