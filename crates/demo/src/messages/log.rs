//! Writes messages row by row, as text, dirt included.

use chrono::Duration;
use rayon::prelude::*;

use super::writing::{Message, write};
use super::{COLUMNS, Kind, Messages, dirt};
use crate::chance::Chance;
use crate::shop::calendar::second_of_day;
use crate::text::{Log, Span, Text};

const ROW: u64 = 11;
const DOUBLE: u64 = 12;
const REPEAT: u64 = 13;
const TEXT: u64 = 14;

/// Of `dirt`: rows that are delivered twice, and rows with a broken cell other than the text.
const DOUBLES: f64 = 0.05;
const BROKEN: f64 = 0.01;
/// The share of damaged texts that are empty.
const EMPTY: f64 = 0.05;

/// Rows that are written in one go.
const PIECE: u64 = 1 << 13;

/// Writes the rows of [`Messages`].
pub struct MessageLog {
    messages: Messages,
    /// Rows handed out.
    written: u64,
    piece: u64,
}

impl MessageLog {
    pub fn new(messages: &Messages) -> MessageLog {
        MessageLog { messages: messages.clone(), written: 0, piece: PIECE }
    }

    fn chance(&self, kind: u64, row: u64) -> Chance {
        Chance::of(self.messages.seed, kind, row)
    }

    /// The row that this one delivers: itself, or one before that comes twice.
    fn delivered(&self, row: u64) -> u64 {
        let is_double = |row: u64| row > 0 && self.chance(DOUBLE, row).happens(self.messages.dirt * DOUBLES);
        (0..=row).rev().find(|row| !is_double(*row)).unwrap_or_default()
    }

    /// The row whose text this one says: itself, or an earlier one.
    fn said_first(&self, mut row: u64) -> u64 {
        while row > 0 {
            let mut chance = self.chance(REPEAT, row);
            if !chance.happens(self.messages.repeats) {
                break;
            }
            row = (chance.unit().powi(2) * row as f64) as u64;
        }
        row
    }

    fn piece(&self, from: u64, to: u64) -> Text {
        let mut piece = Text::new(COLUMNS.len());
        for row in from..to {
            self.row(self.delivered(row), &mut piece);
        }
        piece
    }

    fn row(&self, row: u64, piece: &mut Text) {
        let Messages { kind, dirt, .. } = self.messages;
        let mut chance = self.chance(ROW, row);
        let mut text_chance = self.chance(TEXT, self.said_first(row));
        let message = write(kind, &self.messages.languages, &mut text_chance);
        let id = (row + 1).to_string();
        let moment = self.moment(row, &mut chance);
        let moment = if chance.happens(dirt * BROKEN) { "0000-00-00 00:00:00" } else { moment.as_str() };
        let metadata = metadata(&message, kind, row, &mut chance);
        let metadata = match chance.happens(dirt * BROKEN) {
            true if chance.happens(0.5) => None,
            true => metadata.get(..metadata.len() / 2),
            false => Some(metadata.as_str()),
        };
        let text = self.text(message, &mut text_chance);
        let cells = [Some(id.as_str()), Some(kind.name()), text.as_deref(), Some(moment), metadata];
        for (column, cell) in piece.columns.iter_mut().zip(cells) {
            let start = piece.bytes.len();
            piece.bytes.extend_from_slice(cell.unwrap_or_default().as_bytes());
            column.push(cell.map_or(Span::NULL, |_| Span::new(start, piece.bytes.len())));
        }
    }

    /// The text as it came in; none if there is none.
    fn text(&self, message: Message, chance: &mut Chance) -> Option<String> {
        let Message { mut text, language, .. } = message;
        if !chance.happens(self.messages.dirt) {
            return Some(text);
        }
        if chance.happens(EMPTY) {
            return [None, Some("   "), Some("N/A"), Some("-"), Some("\u{200b}")][chance.below(5) as usize]
                .map(str::to_owned);
        }
        dirt::spoil(&mut text, language, chance);
        Some(text)
    }

    /// Rows are spread over the days one by one, so that they come out in the order of time.
    fn moment(&self, row: u64, chance: &mut Chance) -> String {
        let Messages { from, to, rows, .. } = self.messages;
        let days = ((to - from).num_days() + 1) as f64;
        let passed = (row as f64 + chance.unit()) / rows as f64 * days;
        let day = passed.floor().min(days - 1.0);
        let second = second_of_day(passed - day);
        let date = from + Duration::days(day as i64);
        format!("{date} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }
}

/// What the shop's systems know of a message, as JSON.
fn metadata(message: &Message, kind: Kind, row: u64, chance: &mut Chance) -> String {
    let language = message.language.code();
    match kind {
        Kind::Reviews => {
            let (product, rating) = (1000 + chance.below(400), message.rating);
            let verified = chance.happens(0.8);
            format!(r#"{{"lang":"{language}","product":"P-{product}","rating":{rating},"verified":{verified}}}"#)
        }
        Kind::Tickets => {
            let channel = ["email", "form", "chat"][chance.below(3) as usize];
            let priority = ["low", "normal", "normal", "high"][chance.below(4) as usize];
            let order = 1_000_001 + row;
            format!(r#"{{"lang":"{language}","channel":"{channel}","priority":"{priority}","order":{order}}}"#)
        }
    }
}

impl Log for MessageLog {
    fn next(&mut self, most: u64) -> Option<Text> {
        let end = self.messages.rows.min(self.written + most);
        if self.written == end {
            return None;
        }
        let starts: Vec<u64> = (self.written..end).step_by(self.piece as usize).collect();
        let pieces: Vec<Text> = starts.par_iter().map(|from| self.piece(*from, end.min(from + self.piece))).collect();
        self.written = end;
        Some(Text::joined(pieces, COLUMNS.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Language;
    use super::*;

    #[test]
    fn messages_do_not_depend_on_how_they_are_cut() {
        let day = |text: &str| text.parse().unwrap();
        let messages = Messages {
            kind: Kind::Tickets,
            rows: 2_000,
            seed: 3,
            from: day("2024-01-01"),
            to: day("2024-03-31"),
            repeats: 0.5,
            dirt: 1.0,
            languages: Language::ALL.to_vec(),
        };
        let text = |piece: u64| {
            let mut log = MessageLog { piece, ..MessageLog::new(&messages) };
            let text = log.next(5_000).unwrap();
            assert!(log.next(5_000).is_none());
            let cell = |span: &Span| span.range().map(|(start, end)| text.bytes[start..end].to_vec());
            let cells = |column: usize| text.columns[column].iter().map(cell).collect::<Vec<_>>();
            (0..COLUMNS.len()).map(cells).collect::<Vec<_>>()
        };
        let whole = text(PIECE);
        assert_eq!(whole[0].len(), 2_000);
        for piece in [1, 7, 100] {
            assert!(text(piece) == whole, "pieces of {piece}");
        }
    }
}
