//! Reads selectors.

use spec::did_you_mean;

use super::{CASELESS, Combinator, Complex, Simple, Test};

/// Selectors within selectors, at most.
const DEEPEST: usize = 16;

/// Pseudo-classes that are known.
const KNOWN: [&str; 18] = [
    "contains",
    "empty",
    "first-child",
    "first-of-type",
    "has",
    "is",
    "last-child",
    "last-of-type",
    "not",
    "nth-child",
    "nth-last-child",
    "nth-last-of-type",
    "nth-of-type",
    "only-child",
    "only-of-type",
    "root",
    "-soup-contains",
    "where",
];

/// A list of selectors between commas.
pub(super) fn list(text: &str) -> Result<Vec<Complex>, String> {
    let mut reader = Reader { text, at: 0 };
    let any = reader.list(false, 0).map_err(|why| format!("'{}' is not a CSS selector: {why}", text.trim()))?;
    match reader.peek() {
        None => Ok(any),
        Some(other) => Err(format!("'{}' is not a CSS selector: '{other}' is out of place", text.trim())),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take_if(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.at += wanted.len_utf8();
        }
        is_there
    }

    /// Skips white space; returns whether there was some.
    fn blanks(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_whitespace()) {
            self.take();
        }
        self.at > start
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.take_if(wanted) {
            true => Ok(()),
            false => Err(match self.peek() {
                Some(other) => format!("'{other}' instead of '{wanted}'"),
                None => format!("'{wanted}' is missing at its end"),
            }),
        }
    }

    /// `relative`: each selector may begin with a combinator.
    fn list(&mut self, relative: bool, depth: usize) -> Result<Vec<Complex>, String> {
        if depth > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} times"));
        }
        let mut any = Vec::new();
        loop {
            any.push(self.complex(relative, depth)?);
            if !self.take_if(',') {
                return Ok(any);
            }
        }
    }

    fn complex(&mut self, relative: bool, depth: usize) -> Result<Complex, String> {
        self.blanks();
        let mut combinator = match self.combinator() {
            Some(_) if !relative => return Err("it begins with a combinator".to_owned()),
            Some(combinator) => combinator,
            None => Combinator::Within,
        };
        let mut parts = Vec::new();
        loop {
            self.blanks();
            parts.push((combinator, self.compound(depth)?));
            let was_blank = self.blanks();
            combinator = match self.combinator() {
                Some(combinator) => combinator,
                None if was_blank && !matches!(self.peek(), None | Some(',' | ')')) => Combinator::Within,
                None => return Ok(Complex(parts)),
            };
        }
    }

    fn combinator(&mut self) -> Option<Combinator> {
        let combinator = match self.peek()? {
            '>' => Combinator::Child,
            '+' => Combinator::Next,
            '~' => Combinator::After,
            _ => return None,
        };
        self.take();
        Some(combinator)
    }

    fn compound(&mut self, depth: usize) -> Result<Vec<Simple>, String> {
        let mut all = Vec::new();
        loop {
            let simple = match self.peek() {
                Some('*') if all.is_empty() => {
                    self.take();
                    Simple::Any
                }
                Some('#') => {
                    self.take();
                    Simple::Id(self.name()?)
                }
                Some('.') => {
                    self.take();
                    Simple::Class(self.name()?)
                }
                Some('[') => self.attribute()?,
                Some(':') => {
                    self.take();
                    self.pseudo(depth, &mut all)?;
                    continue;
                }
                Some(c) if all.is_empty() && is_name(c) => Simple::Type(self.name()?),
                Some('|') => return Err("namespaces are not known here".to_owned()),
                _ if !all.is_empty() => return Ok(all),
                Some(',' | ')') | None => return Err("a selector is missing".to_owned()),
                Some(other) => return Err(format!("'{other}' is out of place")),
            };
            all.push(simple);
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.take();
                    name.push(self.escaped().ok_or("it ends within an escape")?);
                }
                c if is_name(c) => {
                    self.take();
                    name.push(c);
                }
                _ => break,
            }
        }
        let begins_with_digit = self.text[..self.at].ends_with(&name) && name.starts_with(|c: char| c.is_ascii_digit());
        match name.is_empty() || begins_with_digit {
            true if begins_with_digit => Err(format!("the name '{name}' begins with a digit; use [id=\"{name}\"]")),
            true => Err("a name is missing".to_owned()),
            false => Ok(name),
        }
    }

    /// What an escape stands for: a code of one to six hexadecimal digits and the space behind it, or the character itself.
    fn escaped(&mut self) -> Option<char> {
        let digits = self.text[self.at..].bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
        if digits == 0 {
            return self.take();
        }
        let code = u32::from_str_radix(&self.text[self.at..self.at + digits], 16).ok()?;
        self.at += digits;
        if self.peek().is_some_and(|c| c.is_ascii_whitespace()) {
            self.take();
        }
        Some(char::from_u32(code).filter(|c| *c != '\0').unwrap_or('\u{fffd}'))
    }

    fn quoted(&mut self) -> Result<String, String> {
        let quote = self.take().ok_or("a text is missing")?;
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(format!("the quote {quote} is not closed")),
                Some(c) if c == quote => return Ok(text),
                Some('\\') => match self.peek() {
                    Some('\n') => drop(self.take()),
                    _ => text.push(self.escaped().ok_or("it ends within an escape")?),
                },
                Some(c) => text.push(c),
            }
        }
    }

    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Some('"' | '\'') => self.quoted(),
            _ => self.name().map_err(|why| format!("{why}; quote values, as in [href=\"/a\"]")),
        }
    }

    fn attribute(&mut self) -> Result<Simple, String> {
        self.expect('[')?;
        self.blanks();
        let name = self.name()?.to_ascii_lowercase();
        self.blanks();
        let kind = self.peek().filter(|c| "=~|^$*".contains(*c));
        let Some(kind) = kind else {
            self.expect(']')?;
            return Ok(Simple::Attribute { name, test: Test::There, ignore_case: false });
        };
        if kind != '=' {
            self.take();
        }
        self.expect('=')?;
        self.blanks();
        let value = self.value()?;
        self.blanks();
        let mut ignore_case = CASELESS.contains(&name.as_str());
        match self.peek() {
            Some('i' | 'I') => (ignore_case, _) = (true, self.take()),
            Some('s' | 'S') => (ignore_case, _) = (false, self.take()),
            _ => {}
        }
        self.blanks();
        self.expect(']')?;
        let test = match kind {
            '=' => Test::Is(value),
            '~' => Test::Word(value),
            '|' => Test::Dash(value),
            '^' => Test::Starts(value),
            '$' => Test::Ends(value),
            _ => Test::Holds(value),
        };
        Ok(Simple::Attribute { name, test, ignore_case })
    }

    /// Adds what a pseudo-class says to `all`.
    fn pseudo(&mut self, depth: usize, all: &mut Vec<Simple>) -> Result<(), String> {
        if self.peek() == Some(':') {
            return Err(
                "'::text' and '::attr()' are not CSS; write 'attribute' beside 'select' for an attribute".to_owned()
            );
        }
        let name = self.name()?.to_ascii_lowercase();
        let nth = |step, first, from_end, of_type| Simple::Nth { step, first, from_end, of_type };
        let from_end = name.contains("last");
        let of_type = name.ends_with("of-type");
        match name.as_str() {
            "first-child" | "last-child" | "first-of-type" | "last-of-type" => all.push(nth(0, 1, from_end, of_type)),
            "only-child" | "only-of-type" => all.extend([nth(0, 1, false, of_type), nth(0, 1, true, of_type)]),
            "empty" => all.push(Simple::Empty),
            "root" => all.push(Simple::Root),
            "nth-child" | "nth-last-child" | "nth-of-type" | "nth-last-of-type" => {
                self.expect('(')?;
                let end = self.text[self.at..].find(')').ok_or("')' is missing at its end")?;
                let formula = &self.text[self.at..self.at + end];
                let (step, first) =
                    formula_of(formula).ok_or_else(|| format!("'{formula}' is not a place such as 2, odd, or 2n+1"))?;
                self.at += end + 1;
                all.push(nth(step, first, from_end, of_type));
            }
            "not" | "is" | "where" | "has" => {
                self.expect('(')?;
                let any = self.list(name == "has", depth + 1)?;
                self.expect(')')?;
                all.push(match name.as_str() {
                    "not" => Simple::Not(any),
                    "has" => Simple::Has(any),
                    _ => Simple::Is(any),
                });
            }
            "contains" | "-soup-contains" => {
                self.expect('(')?;
                self.blanks();
                if !matches!(self.peek(), Some('"' | '\'')) {
                    return Err("the text of ':contains' stands in quotes".to_owned());
                }
                let text = self.quoted()?;
                self.blanks();
                self.expect(')')?;
                if text.is_empty() {
                    return Err("the text of ':contains' is empty".to_owned());
                }
                all.push(Simple::Contains(text));
            }
            _ => return Err(format!("':{name}' is not known; {}", did_you_mean(&name, KNOWN))),
        }
        Ok(())
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '\\') || !c.is_ascii()
}

/// `An+B`: its A and B.
fn formula_of(text: &str) -> Option<(i64, i64)> {
    let text = text.trim().to_ascii_lowercase();
    match text.as_str() {
        "odd" => return Some((2, 1)),
        "even" => return Some((2, 0)),
        _ => {}
    }
    let number = |text: &str| -> Option<i64> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number)
    };
    let Some((step, first)) = text.split_once('n') else { return Some((0, number(&text)?)) };
    let step = match step {
        "" | "+" => 1,
        "-" => -1,
        step => number(step)?,
    };
    // White space may stand around the sign between the two.
    let first = first.trim();
    let first = match first.split_at_checked(1) {
        None => 0,
        Some((sign @ ("+" | "-"), digits)) if digits.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
            number(&format!("{sign}{}", digits.trim()))?
        }
        Some(_) => return None,
    };
    Some((step, first))
}
