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
    /// All are UUIDs, and of one the version does not begin with the time.
    uuids: bool,
    some_without_order: bool,
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
            uuids: true,
            some_without_order: false,
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
        let version = uuid_version(text);
        self.uuids &= version.is_some();
        self.some_without_order |= version.is_some_and(|version| !ORDERED_UUIDS.contains(&version));
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
        if self.any && self.uuids && self.some_without_order {
            return Some(UUIDS_WITHOUT_ORDER.to_owned());
        }
        (self.skeleton.is_some() && self.runs_differ).then(|| {
            "holds texts with numbers of different lengths, such as 'A-9' and 'A-10', whose order as text is not that of the \
             numbers"
                .to_owned()
        })
    }
}

/// Versions of UUIDs that begin with the time of their making (RFC 9562), so that a later one follows.
const ORDERED_UUIDS: [u8; 2] = *b"67";

/// What a column of other UUIDs holds.
pub(crate) const UUIDS_WITHOUT_ORDER: &str =
    "holds UUIDs of a version that does not grow, such as random ones (version 4), so that new rows would not be found";

/// The version of a UUID, as written in it; nothing for other texts.
fn uuid_version(text: &[u8]) -> Option<u8> {
    let is_dash = |at: usize| [8, 13, 18, 23].contains(&at);
    let is_uuid = text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| if is_dash(at) { *byte == b'-' } else { byte.is_ascii_hexdigit() });
    is_uuid.then(|| text[14])
}

/// Whether a text begins like `2024-01-31`.
pub(crate) fn is_date(text: &[u8]) -> bool {
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
        for texts in [
            &["A1", "B0", "C"][..],
            &["id-09", "id-10"],
            &["2024-01-31", "2024-02-01"],
            &["01HF", "01HG"],
            &["018f3a7e-0000-7abc-8def-000000000001", "018f3a7f-0000-7abc-8def-000000000001"],
            &[],
        ] {
            assert_eq!(of(texts).misleads(), None, "{texts:?}");
        }
        for texts in [
            &["id-9", "id-10"][..],
            &["9", "10", "a"],
            &["7", ""],
            &["31.01.2024", "01.02.2024"],
            &["1/31/24", "12/1/24 10:00"],
            &["2024-1-5", "2024-01-10"],
            &["9b2f5c1e-8a4d-4c3b-9e2f-1a2b3c4d5e6f", "018f3a7e-0000-7abc-8def-000000000001"],
        ] {
            assert!(of(texts).misleads().is_some(), "{texts:?}");
        }
    }
}
