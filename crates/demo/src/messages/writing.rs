//! One message: phrases put together.

use super::phrases::{Phrases, phrases};
use super::{Kind, Language};
use crate::chance::Chance;

/// A message before it is spoilt.
pub(super) struct Message {
    pub text: String,
    pub language: Language,
    /// Stars from 1 to 5.
    pub rating: u64,
}

/// Reviews that leave a contact, and tickets that do.
const REVIEW_CONTACT: f64 = 0.02;
const TICKET_CONTACT: f64 = 0.4;

pub(super) fn write(kind: Kind, languages: &[Language], chance: &mut Chance) -> Message {
    let language = one_of(languages, chance);
    let phrases = phrases(language);
    let rating = [1, 1, 2, 3, 4, 4, 5, 5, 5, 5][chance.below(10) as usize];
    let mut text = String::new();
    match kind {
        Kind::Reviews => review(phrases, rating, &mut text, chance),
        Kind::Tickets => ticket(phrases, &mut text, chance),
    }
    Message { text, language, rating }
}

fn review(phrases: &Phrases, rating: u64, text: &mut String, chance: &mut Chance) {
    let opinions = if rating >= 3 { phrases.praise } else { phrases.complaints };
    // Many people write a few words.
    if chance.happens(0.25) {
        sentence(one_of(phrases.short, chance), phrases, text, chance);
    } else {
        sentence(one_of(opinions, chance), phrases, text, chance);
        for likely in [0.7, 0.4] {
            if chance.happens(likely) {
                let remarks = if chance.happens(0.8) { phrases.remarks } else { opinions };
                sentence(one_of(remarks, chance), phrases, text, chance);
            }
        }
    }
    if chance.happens(REVIEW_CONTACT) {
        contact(phrases, text, chance);
    }
}

fn ticket(phrases: &Phrases, text: &mut String, chance: &mut Chance) {
    if chance.happens(0.8) {
        sentence(one_of(phrases.greetings, chance), phrases, text, chance);
    }
    sentence(one_of(phrases.problems, chance), phrases, text, chance);
    if chance.happens(0.5) {
        sentence(one_of(phrases.complaints, chance), phrases, text, chance);
    }
    sentence(one_of(phrases.requests, chance), phrases, text, chance);
    if chance.happens(TICKET_CONTACT) {
        contact(phrases, text, chance);
    }
    if chance.happens(0.6) {
        sentence(one_of(phrases.closings, chance), phrases, text, chance);
    }
}

/// Adds a sentence with its blanks filled in: `{p}` a product, `{d}` days, `{o}` an order.
fn sentence(pattern: &str, phrases: &Phrases, text: &mut String, chance: &mut Chance) {
    if !text.is_empty() {
        text.push(' ');
    }
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (blank, after) = after.split_once('}').unwrap_or((after, ""));
        match blank {
            "p" => text.push_str(one_of(phrases.products, chance)),
            "d" => text.push_str(&(2 + chance.below(28)).to_string()),
            _ => text.push_str(&(1_000_001 + chance.below(4_000_000)).to_string()),
        }
        rest = after;
    }
    text.push_str(rest);
}

fn contact(phrases: &Phrases, text: &mut String, chance: &mut Chance) {
    let name = one_of(&NAMES, chance);
    let digits = 1_000 + chance.below(9_000);
    let contact = match chance.below(3) {
        0 => {
            let area = one_of(phrases.areas, chance);
            let separator = one_of(&["-", " "], chance);
            format!("{area}{separator}{digits}{separator}{:04}", chance.below(10_000))
        }
        1 => format!("{name}.{digits}@example.com"),
        _ => format!("{name}{digits}@mail.example.org"),
    };
    text.push(' ');
    text.push_str(&phrases.contact.replace("{}", &contact));
}

const NAMES: [&str; 10] = ["ana", "minji", "lukas", "camille", "j.smith", "sofia", "hyeon", "paula", "marc", "nora"];

fn one_of<T: Copy>(list: &[T], chance: &mut Chance) -> T {
    list[chance.below(list.len() as u64) as usize]
}
