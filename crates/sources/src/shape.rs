//! Whether texts that are ordered by their bytes are also in the order of what they say.
//!
//! By its bytes `10` comes before `9`, `id-10` before `id-9`, and `01.02.2024` before `31.01.2024`.

/// What the texts of a column have in common.
#[derive(Debug)]
pub(crate) struct TextShapes {
    /// One of them begins like a date: `2024-01-31`.
    pub dates: bool,
    any: bool,
    /// One of them is a number.
    some_numbers: bool,
    digits: bool,
    whole: bool,
    numbers: bool,
    /// Days, months and years in an order that is not that of time: `31.01.2024`.
    turned_dates: bool,
    /// The first text with each run of digits as one `0`; nothing if another differs from it.
    skeleton: Option<Vec<u8>>,
    /// The lengths of the runs of digits in the first text, and whether another text has others.
    runs: Vec<usize>,
    runs_differ: bool,
}

impl Default for TextShapes {
    fn default() -> TextShapes {
        TextShapes {
            dates: false,
            any: false,
            some_numbers: false,
            digits: true,
            whole: true,
            numbers: true,
            turned_dates: true,
            skeleton: None,
            runs: Vec::new(),
            runs_differ: false,
        }
    }
}

impl TextShapes {
    /// Looks at one more text. Returns whether it begins like a date.
    pub(crate) fn add(&mut self, text: &[u8]) -> bool {
        let is_date = is_date(text);
        self.dates |= is_date;
        let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        let is_digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        self.digits &= is_digits(text);
        self.whole &= is_digits(unsigned);
        let is_number = match unsigned.iter().position(|byte| *byte == b'.') {
            Some(point) => is_digits(&unsigned[..point]) && is_digits(&unsigned[point + 1..]),
            None => is_digits(unsigned),
        };
        self.numbers &= is_number;
        self.some_numbers |= is_number;
        self.turned_dates &= is_turned_date(text);
        let (skeleton, runs) = skeleton(text);
        match &self.skeleton {
            None if !self.any => (self.skeleton, self.runs) = (Some(skeleton), runs),
            Some(first) if *first == skeleton => self.runs_differ |= self.runs != runs,
            _ => self.skeleton = None,
        }
        self.any = true;
        is_date
    }

    /// All are digits alone.
    pub(crate) fn are_digits(&self) -> bool {
        self.any && self.digits
    }

    /// All are whole numbers, some with a sign.
    pub(crate) fn are_whole(&self) -> bool {
        self.any && self.whole
    }

    pub(crate) fn are_numbers(&self) -> bool {
        self.any && self.numbers
    }

    pub(crate) fn lengths_differ(&self) -> bool {
        self.runs_differ
    }

    /// Some are numbers, and others are not.
    pub(crate) fn mix_numbers(&self) -> bool {
        self.some_numbers && !self.numbers
    }

    /// Why the order of the bytes is not that of what the texts say, if so.
    pub(crate) fn misleads(&self) -> Option<String> {
        if self.mix_numbers() {
            return Some("holds numbers and other texts, which have no order in common".to_owned());
        }
        if self.any && self.turned_dates {
            return Some(
                "holds dates that do not begin with the year, whose text order is not chronological".to_owned(),
            );
        }
        (self.skeleton.is_some() && self.runs_differ).then(|| {
            "holds texts with numbers of different lengths, such as 'A-9' and 'A-10', whose order as text is not that of the \
             numbers"
                .to_owned()
        })
    }
}

/// Whether a text begins like `2024-01-31`.
fn is_date(text: &[u8]) -> bool {
    text.len() >= 10
        && text[..10]
            .iter()
            .enumerate()
            .all(|(i, byte)| if i == 4 || i == 7 { *byte == b'-' } else { byte.is_ascii_digit() })
}

/// Whether a text begins like `31.01.2024`, `1/31/24` or `31-1-2024`.
fn is_turned_date(text: &[u8]) -> bool {
    let date = text.split(|byte| matches!(byte, b' ' | b'T')).next().unwrap_or_default();
    let Some(separator) = date.iter().find(|byte| !byte.is_ascii_digit()).copied() else { return false };
    if !matches!(separator, b'.' | b'/' | b'-') {
        return false;
    }
    let parts: Vec<&[u8]> = date.split(|byte| *byte == separator).collect();
    let has_digits =
        |part: &[u8], lengths: &[usize]| lengths.contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    matches!(parts.as_slice(), [a, b, year] if has_digits(a, &[1, 2]) && has_digits(b, &[1, 2]) && has_digits(year, &[2, 4]))
}

fn skeleton(text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut skeleton, mut runs, mut was_digit) = (Vec::with_capacity(text.len()), Vec::new(), false);
    for byte in text {
        let is_digit = byte.is_ascii_digit();
        match (is_digit, was_digit, runs.last_mut()) {
            (true, true, Some(run)) => *run += 1,
            (true, _, _) => {
                skeleton.push(b'0');
                runs.push(1);
            }
            (false, _, _) => skeleton.push(*byte),
        }
        was_digit = is_digit;
    }
    (skeleton, runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> TextShapes {
        let mut shapes = TextShapes::default();
        for text in texts {
            shapes.add(text.as_bytes());
        }
        shapes
    }

    #[test]
    fn numbers_are_distinguished_from_codes() {
        assert!(of(&["9", "10"]).are_digits() && of(&["9", "10"]).lengths_differ());
        assert!(of(&["-9", "+10", "3"]).are_whole() && !of(&["-9"]).are_digits());
        assert!(of(&["9.5", "10.25", "-1"]).are_numbers() && !of(&["9.5", "10."]).are_numbers());
        assert!(!of(&[]).are_digits() && !of(&["1e5"]).are_numbers());
    }

    #[test]
    fn texts_in_the_order_of_their_bytes_mislead_no_one() {
        for texts in
            [&["A1", "B0", "C"][..], &["id-09", "id-10"], &["2024-01-31", "2024-02-01"], &["01HF", "01HG"], &[]]
        {
            assert_eq!(of(texts).misleads(), None, "{texts:?}");
        }
        for texts in [
            &["id-9", "id-10"][..],
            &["9", "10", "a"],
            &["7", ""],
            &["31.01.2024", "01.02.2024"],
            &["1/31/24", "12/1/24 10:00"],
            &["2024-1-5", "2024-01-10"],
        ] {
            assert!(of(texts).misleads().is_some(), "{texts:?}");
        }
    }
}
