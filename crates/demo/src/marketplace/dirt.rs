//! How the tables' values are spoilt.

use super::places::Place;
use crate::chance::Chance;

/// A postal code as the table has it: a number, so that a leading zero is lost. Some tools wrote it otherwise.
pub(super) fn zip(zip: u32, dirt: f64, chance: &mut Chance) -> String {
    if !chance.happens(2.0 * dirt) {
        return zip.to_string();
    }
    match chance.below(3) {
        // With the last three digits.
        0 => format!("{zip:05}-{:03}", chance.below(999)),
        1 => format!("{zip}.0"),
        _ => format!("{zip:05}"),
    }
}

/// Without accents, as most tables write names.
pub(super) fn plain(name: &str) -> String {
    let letter = |letter: char| match letter {
        'á' | 'â' | 'ã' => 'a',
        'é' | 'ê' => 'e',
        'í' => 'i',
        'ó' | 'ô' | 'õ' => 'o',
        'ú' => 'u',
        'ç' => 'c',
        other => other,
    };
    name.chars().map(letter).collect()
}

/// A city as people type it.
pub(super) fn typed(place: &Place, dirt: f64, chance: &mut Chance) -> String {
    let city = plain(place.of().name);
    if !chance.happens(4.0 * dirt) {
        return city;
    }
    let state = place.state().to_lowercase();
    match chance.below(9) {
        0 => place.of().name.to_owned(),
        1 => city.to_uppercase(),
        2 => format!("{city} - {state}"),
        3 => format!("{city} / {state}"),
        4 => format!(" {}", city.replace(' ', "  ")),
        5 => format!("{city}, {city}, brasil"),
        6 => state,
        7 => slipped(&city, chance),
        _ => format!("{:08}", place.zip * 1_000),
    }
}

/// With one letter left out.
fn slipped(city: &str, chance: &mut Chance) -> String {
    let letters = city.chars().count() as u64;
    let gone = 1 + chance.below(letters - 1) as usize;
    city.chars().enumerate().filter(|(at, _)| *at != gone).map(|(_, letter)| letter).collect()
}

/// A city in the table of places, which is written with accents or without.
pub(super) fn mapped(place: &Place, dirt: f64, chance: &mut Chance) -> String {
    let name = place.of().name;
    match chance.below(1000) {
        0..180 => name.to_owned(),
        _ if chance.happens(dirt) => format!("* {}", plain(name)),
        _ if chance.happens(dirt) => slipped(&plain(name), chance),
        _ => plain(name),
    }
}
