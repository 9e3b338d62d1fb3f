//! Functions of texts. Characters are code points.

use std::borrow::Cow;

use crate::kernel::Refusal;
use crate::value::Value;

type Out<'a> = Result<Option<Value<'a>>, Refusal>;

/// The longest text that a function makes.
const LONGEST: usize = 100_000_000;

pub(crate) fn made<'a>(text: impl Into<String>) -> Out<'a> {
    Ok(Some(Value::Text(Cow::Owned(text.into()))))
}

pub(crate) fn text<'v>(value: &'v Value<'_>) -> &'v str {
    match value {
        Value::Text(text) => text.as_ref(),
        _ => "",
    }
}

pub(crate) fn whole(value: &Value<'_>) -> i128 {
    match value {
        Value::Int(wide) => *wide,
        _ => 0,
    }
}

pub(crate) fn length<'a>(row: &[Value<'a>]) -> Out<'a> {
    Ok(Some(Value::Int(text(&row[0]).chars().count() as i128)))
}

pub(crate) fn byte_length<'a>(row: &[Value<'a>]) -> Out<'a> {
    Ok(Some(Value::Int(text(&row[0]).len() as i128)))
}

pub(crate) fn lower<'a>(row: &[Value<'a>]) -> Out<'a> {
    made(text(&row[0]).to_lowercase())
}

pub(crate) fn upper<'a>(row: &[Value<'a>]) -> Out<'a> {
    made(text(&row[0]).to_uppercase())
}

fn trimmed<'a>(row: &[Value<'a>], start: bool, end: bool) -> Out<'a> {
    let letters: Vec<char> = row.get(1).map_or_else(|| vec![' '], |given| text(given).chars().collect());
    let is_given = |letter: char| letters.contains(&letter);
    let mut rest = text(&row[0]);
    if start {
        rest = rest.trim_start_matches(is_given);
    }
    if end {
        rest = rest.trim_end_matches(is_given);
    }
    made(rest)
}

pub(crate) fn trim<'a>(row: &[Value<'a>]) -> Out<'a> {
    trimmed(row, true, true)
}

pub(crate) fn trim_start<'a>(row: &[Value<'a>]) -> Out<'a> {
    trimmed(row, true, false)
}

pub(crate) fn trim_end<'a>(row: &[Value<'a>]) -> Out<'a> {
    trimmed(row, false, true)
}

/// The characters from `from` to before `to`, counted from 0; both may lie outside.
fn cut(text: &str, from: i128, to: i128) -> String {
    let (from, to) = (from.max(0), to.max(0));
    text.chars()
        .skip(usize::try_from(from).unwrap_or(usize::MAX))
        .take(usize::try_from(to - from).unwrap_or(0))
        .collect()
}

pub(crate) fn substring<'a>(row: &[Value<'a>]) -> Out<'a> {
    let of = text(&row[0]);
    let from = whole(&row[1]);
    let from = match from {
        from if from > 0 => from - 1,
        0 => -1,
        from => of.chars().count() as i128 + from,
    };
    let to = match row.get(2) {
        None => i128::from(i64::MAX),
        Some(count) if whole(count) < 0 => {
            return Err(Refusal::new(
                format!("substr of {} characters", whole(count)),
                "a count is 0 or more; reverse(left(x, n)) reads backwards",
            ));
        }
        Some(count) => from + whole(count),
    };
    made(cut(of, from, to))
}

pub(crate) fn left<'a>(row: &[Value<'a>]) -> Out<'a> {
    let of = text(&row[0]);
    let count = whole(&row[1]);
    made(cut(of, 0, if count < 0 { of.chars().count() as i128 + count } else { count }))
}

pub(crate) fn right<'a>(row: &[Value<'a>]) -> Out<'a> {
    let of = text(&row[0]);
    let count = whole(&row[1]);
    let len = of.chars().count() as i128;
    made(cut(of, if count < 0 { -count } else { len - count }, len))
}

pub(crate) fn replace<'a>(row: &[Value<'a>]) -> Out<'a> {
    let (of, old, new) = (text(&row[0]), text(&row[1]), text(&row[2]));
    made(if old.is_empty() { of.to_owned() } else { of.replace(old, new) })
}

pub(crate) fn reverse<'a>(row: &[Value<'a>]) -> Out<'a> {
    made(text(&row[0]).chars().rev().collect::<String>())
}

fn too_long(count: i128) -> Refusal {
    Refusal::new(format!("a text of {count} characters is too long"), "ask for a shorter one")
}

pub(crate) fn repeat<'a>(row: &[Value<'a>]) -> Out<'a> {
    let (of, count) = (text(&row[0]), whole(&row[1]).max(0));
    let size = count.saturating_mul(of.len() as i128);
    if size > LONGEST as i128 {
        return Err(too_long(size));
    }
    made(of.repeat(if of.is_empty() { 0 } else { count as usize }))
}

fn padded<'a>(row: &[Value<'a>], at_start: bool) -> Out<'a> {
    let (of, count, filler) = (text(&row[0]), whole(&row[1]).max(0), text(&row[2]));
    if count > LONGEST as i128 {
        return Err(too_long(count));
    }
    let (count, len) = (count as usize, of.chars().count());
    if len >= count {
        return made(of.chars().take(count).collect::<String>());
    }
    if filler.is_empty() {
        return Err(Refusal::new("there is nothing to fill with", "name at least one character to fill with"));
    }
    let fill: String = filler.chars().cycle().take(count - len).collect();
    made(if at_start { format!("{fill}{of}") } else { format!("{of}{fill}") })
}

pub(crate) fn pad_left<'a>(row: &[Value<'a>]) -> Out<'a> {
    padded(row, true)
}

pub(crate) fn pad_right<'a>(row: &[Value<'a>]) -> Out<'a> {
    padded(row, false)
}

pub(crate) fn concat<'a>(row: &[Option<Value<'a>>]) -> Out<'a> {
    made(row.iter().flatten().map(text).collect::<String>())
}

pub(crate) fn concat_with<'a>(row: &[Option<Value<'a>>]) -> Out<'a> {
    let Some(Some(separator)) = row.first() else { return Ok(None) };
    made(row[1..].iter().flatten().map(text).collect::<Vec<_>>().join(text(separator)))
}

pub(crate) fn join<'a>(row: &[Value<'a>]) -> Out<'a> {
    made(format!("{}{}", text(&row[0]), text(&row[1])))
}

pub(crate) fn starts_with<'a>(row: &[Value<'a>]) -> Out<'a> {
    Ok(Some(Value::Bool(text(&row[0]).starts_with(text(&row[1])))))
}

pub(crate) fn ends_with<'a>(row: &[Value<'a>]) -> Out<'a> {
    Ok(Some(Value::Bool(text(&row[0]).ends_with(text(&row[1])))))
}

pub(crate) fn contains<'a>(row: &[Value<'a>]) -> Out<'a> {
    Ok(Some(Value::Bool(text(&row[0]).contains(text(&row[1])))))
}

pub(crate) fn position<'a>(row: &[Value<'a>]) -> Out<'a> {
    let (of, part) = (text(&row[0]), text(&row[1]));
    let at = of.find(part).map_or(0, |at| of[..at].chars().count() + 1);
    Ok(Some(Value::Int(at as i128)))
}

pub(crate) fn split_part<'a>(row: &[Value<'a>]) -> Out<'a> {
    let (of, separator, number) = (text(&row[0]), text(&row[1]), whole(&row[2]));
    if separator.is_empty() {
        return Err(Refusal::new("split_part has an empty separator", "name the characters between the parts"));
    }
    let parts: Vec<&str> = of.split(separator).collect();
    let at = match number {
        number if number > 0 => number - 1,
        0 => return Err(Refusal::new("split_part asks for part 0", "parts are counted from 1")),
        number => parts.len() as i128 + number,
    };
    made(usize::try_from(at).ok().and_then(|at| parts.get(at)).copied().unwrap_or_default())
}

/// `LIKE`: `%` is any text, `_` any character; `escape` takes the meaning of the character behind it away.
pub(crate) struct Pattern(Vec<Piece>, bool);

#[derive(PartialEq)]
enum Piece {
    Any,
    One,
    Letter(char),
}

impl Pattern {
    pub fn new(text: &str, escape: Option<char>, any_case: bool) -> Result<Pattern, Refusal> {
        let mut pieces = Vec::new();
        let mut letters = text.chars();
        // Letters become small one by one: the escape character counts as it is written.
        let take = |pieces: &mut Vec<Piece>, letter: char| match any_case {
            true => pieces.extend(small(letter).map(Piece::Letter)),
            false => pieces.push(Piece::Letter(letter)),
        };
        while let Some(letter) = letters.next() {
            match letter {
                letter if Some(letter) == escape => match letters.next() {
                    Some(next) => take(&mut pieces, next),
                    None => {
                        return Err(Refusal::new(
                            "the pattern of LIKE ends with its escape character",
                            "write it twice",
                        ));
                    }
                },
                '%' => pieces.push(Piece::Any),
                '_' => pieces.push(Piece::One),
                letter => take(&mut pieces, letter),
            }
        }
        Ok(Pattern(pieces, any_case))
    }

    pub fn fits(&self, text: &str) -> bool {
        let lower;
        let text = if self.1 {
            lower = text.chars().flat_map(small).collect::<String>();
            &lower
        } else {
            text
        };
        // Steps back to the last % only: what an earlier one took need never change.
        let pieces = &self.0;
        let mut rest = text.chars();
        let mut piece = 0;
        let mut back: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            if pieces.get(piece) == Some(&Piece::Any) {
                piece += 1;
                back = Some((piece, rest.clone()));
                continue;
            }
            let before = rest.clone();
            let fits = match (pieces.get(piece), rest.next()) {
                (None, None) => return true,
                (Some(Piece::One), Some(_)) => true,
                (Some(Piece::Letter(wanted)), Some(letter)) => *wanted == letter,
                _ => false,
            };
            if fits {
                piece += 1;
                continue;
            }
            let Some((after, from)) = &mut back else { return false };
            if before.as_str().is_empty() && from.as_str().is_empty() {
                return false;
            }
            if from.next().is_none() {
                return false;
            }
            piece = *after;
            rest = from.clone();
        }
    }
}

/// A letter without its case, by itself: the sigma at the end of a word is a sigma.
fn small(letter: char) -> impl Iterator<Item = char> {
    letter.to_lowercase().map(|letter| if letter == 'ς' { 'σ' } else { letter })
}

/// A replacement of SQL, with `\1` for a group, in the spelling of the crate `regex`.
pub(crate) fn replacement(new: &str, groups: usize) -> Result<String, Refusal> {
    let mut out = String::new();
    let mut letters = new.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '$' => out.push_str("$$"),
            '\\' => match letters.next() {
                Some('\\') => out.push('\\'),
                Some(digit) if digit.is_ascii_digit() => {
                    if digit as usize - '0' as usize > groups {
                        return Err(Refusal::new(
                            format!("the replacement '{new}' names group {digit}, but the pattern has {groups}"),
                            "put parentheses around the part that is meant",
                        ));
                    }
                    out += &format!("${{{digit}}}");
                }
                _ => {
                    return Err(Refusal::new(
                        format!("the replacement '{new}' has a \\ without a digit"),
                        "write \\\\ for the sign",
                    ));
                }
            },
            letter => out.push(letter),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::new(pattern, None, false).map(|pattern| pattern.fits(text)).unwrap_or_default()
    }

    #[test]
    fn patterns_fit_whole_texts() {
        for (text, pattern, fits) in [
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "_b_", true),
            ("abc", "__", false),
            ("", "%", true),
            ("", "", true),
            ("", "_", false),
            ("aab", "%ab", true),
            ("ababab", "%ab%ab", true),
            ("a\nb", "a%b", true),
            ("가나다", "_나%", true),
            ("a.b", "a.b", true),
            ("axb", "a.b", false),
            ("mississippi", "m%iss%ip%i", true),
            ("mississippi", "m%iss%ix%i", false),
        ] {
            assert_eq!(like(text, pattern), fits, "'{text}' LIKE '{pattern}'");
        }
        let escaped = Pattern::new("a!_b", Some('!'), false).map_err(|refusal| refusal.cause).unwrap();
        assert!(escaped.fits("a_b") && !escaped.fits("axb"));
        assert!(Pattern::new("a!", Some('!'), false).is_err());
        assert!(Pattern::new("A%", None, true).map_err(|refusal| refusal.cause).unwrap().fits("abc"));
        let greek = Pattern::new("ΟΔΟΣ%", None, true).map_err(|refusal| refusal.cause).unwrap();
        assert!(greek.fits("οδος") && greek.fits("Οδός 5".replace('ό', "ο").as_str()));
        let capital = Pattern::new("10X%aX_", Some('X'), true).map_err(|refusal| refusal.cause).unwrap();
        assert!(capital.fits("10%A_") && !capital.fits("10x5axb"));
    }
}
