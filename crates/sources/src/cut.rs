//! What cutters of all text formats have in common: they cut one record off the front of a buffer.

use spec::Result;

use crate::absent::Absent;
use crate::text::Cell;

/// What a cutter found at the front of the buffer.
#[derive(Debug, PartialEq)]
pub(crate) enum Cut {
    /// A record that ends before `end`; its cells are in the [`Fields`].
    Record { end: usize },
    /// A line without anything in it.
    Blank { end: usize },
    /// A record that cannot be cut into cells, and why.
    Broken { end: usize, why: String },
    /// The record continues beyond the buffer.
    More,
}

/// The cells of one record.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub cells: Vec<Cell>,
    /// Cells whose text differs from the file's, for want of quotes or escapes; grows over a whole batch.
    pub side: Vec<u8>,
    /// The record may span lines.
    pub multiline: bool,
}

/// Knows one text format.
pub(crate) trait Cutter: Send {
    /// Cuts the record at `bytes[at..]`, which is not empty. `end` says that nothing follows the buffer.
    /// After an error, which the caller places, the file cannot be read on.
    fn cut(&mut self, bytes: &[u8], at: usize, end: bool, fields: &mut Fields) -> Result<Cut>;

    /// What to do with a record that has grown beyond all bounds.
    fn overlong(&mut self, bytes: &[u8], at: usize) -> Option<Cut> {
        let _ = (bytes, at);
        None
    }

    /// Names of the cells, for formats that name them in every record.
    fn keys(&self) -> Option<&[String]> {
        None
    }

    /// Names that no cell may have, for formats that name them in every record.
    fn left_out(&self) -> &[String] {
        &[]
    }

    /// From now on no new names are taken up.
    fn settle(&mut self) {}

    /// What the records showed of declared columns, for formats that name values in every record.
    fn absent(&self) -> Option<&Absent> {
        None
    }

    /// Whether the input may end here, after the last record.
    fn finish(&self) -> Result<()> {
        Ok(())
    }
}

/// Where the line at `at` ends: (end of its text, start of the next line). `None`: not in this buffer.
pub(crate) fn line_end(bytes: &[u8], at: usize, end: bool) -> Option<(usize, usize)> {
    const ENDS: Stops<2> = Stops::new([b'\n', b'\r']);
    match ENDS.first(bytes, at) {
        stop if stop == bytes.len() => end.then_some((stop, stop)),
        stop => after_terminator(bytes, stop, end).map(|next| (stop, next)),
    }
}

/// The start of the line after the terminator at `stop`: LF, CR LF or CR.
#[inline]
pub(crate) fn after_terminator(bytes: &[u8], stop: usize, end: bool) -> Option<usize> {
    if bytes[stop] == b'\n' {
        return Some(stop + 1);
    }
    match bytes.get(stop + 1) {
        Some(b'\n') => Some(stop + 2),
        Some(_) => Some(stop + 1),
        None => end.then_some(stop + 1),
    }
}

/// Bytes at any of which a search ends, looked for eight at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stops<const N: usize>([u8; N]);

impl<const N: usize> Stops<N> {
    pub(crate) const fn new(stops: [u8; N]) -> Stops<N> {
        Stops(stops)
    }

    #[inline(always)]
    pub(crate) fn has(&self, byte: u8) -> bool {
        self.0.contains(&byte)
    }

    /// The first of them from `at` on; the length of `bytes` if there is none.
    ///
    /// A byte of a word is zero where subtracting one borrows and its highest bit was not set: of the lowest such byte that is
    /// certain (Warren, "Hacker's Delight", 6-1).
    #[inline(always)]
    pub(crate) fn first(&self, bytes: &[u8], at: usize) -> usize {
        const ONES: u64 = u64::MAX / 255;
        let mut at = at;
        while let Some((word, _)) = bytes[at..].split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*word);
            let mut found = 0;
            for stop in self.0 {
                let differs = word ^ (ONES * u64::from(stop));
                found |= differs.wrapping_sub(ONES) & !differs;
            }
            found &= ONES << 7;
            if found != 0 {
                return at + found.trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        bytes[at..].iter().position(|byte| self.has(*byte)).map_or(bytes.len(), |more| at + more)
    }
}

/// Line ends within `bytes`.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    // A carriage return counts where no line feed follows it.
    let returns = bytes.iter().enumerate().filter(|(i, byte)| **byte == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
    (feeds + returns.count()) as u64
}

#[cfg(test)]
mod tests {
    use spec::random::Random;

    use super::*;

    #[test]
    fn the_first_stop_is_found_wherever_it_is() {
        let mut random = Random::new(3, 1);
        let stops = Stops::new([b',', b'\n', 0x80]);
        // Neighbours of the stops, and bytes that differ from them by their highest bit.
        let letters = [b',', b'-', b'+', b'\n', b'\x0b', b'\t', 0x80, 0x81, 0x7f, 0x00, 0x01, 0xff, 0xac, 0x8a];
        for round in 0..20_000 {
            let rare = random.below(4) > 0;
            let letter = |random: &mut Random| match letters[random.below(letters.len())] {
                stop if rare && stops.has(stop) && random.below(12) > 0 => b'x',
                letter => letter,
            };
            let bytes: Vec<u8> = (0..random.below(40)).map(|_| letter(&mut random)).collect();
            let at = random.below(bytes.len() + 1);
            let plain = (at..bytes.len()).find(|at| [b',', b'\n', 0x80].contains(&bytes[*at]));
            assert_eq!(stops.first(&bytes, at), plain.unwrap_or(bytes.len()), "round {round}: {bytes:?} from {at}");
        }
    }
}
