//! What customers think of an order.

use super::calendar::DAY;
use super::order::{Fate, Order};
use crate::chance::Chance;

const REVIEW: u64 = 70;

/// A review. Times are seconds since midnight of the first day.
pub(super) struct Review {
    pub score: u64,
    pub title: Option<&'static str>,
    pub message: Option<String>,
    /// Midnight of the day on which the customer was asked.
    pub asked: i64,
    pub answered: i64,
}

const TITLES: [[&str; 4]; 3] = [
    ["Não recebi", "Péssimo", "Atraso", "não recomendo"],
    ["Regular", "Bom", "Ok", "razoável"],
    ["Recomendo", "Ótimo", "super recomendo", "Excelente"],
];

const MESSAGES: [[&str; 6]; 3] = [
    [
        "Ainda não recebi o produto e ninguém responde.",
        "Veio errado, quero meu dinheiro de volta",
        "Produto chegou quebrado",
        "O prazo era até sexta, já passou uma semana",
        "comprei 2 e só recebi 1",
        "Péssima qualidade, não comprem",
    ],
    [
        "Chegou, mas demorou um pouco",
        "O produto é bom, a entrega nem tanto",
        "esperava mais pelo preço",
        "Razoável.",
        "veio sem manual",
        "A cor é diferente da foto",
    ],
    [
        "Chegou antes do prazo, recomendo!",
        "Muito bom",
        "Produto de ótima qualidade, bem embalado",
        "entrega rápida",
        "Adorei, comprarei de novo",
        "Tudo certo, \"nota dez\" para a loja",
    ],
];

/// The review number `which` of an order, if there is one and it was answered before `end`.
pub(super) fn review(seed: u64, order: &Order, which: u64, end: i64) -> Option<Review> {
    let mut chance = Chance::of(seed, REVIEW, order.number << 1 | which);
    // Nearly every order is reviewed, a few twice.
    if !chance.happens(if which == 0 { 0.992 } else { 0.006 }) {
        return None;
    }
    let is_there = order.fate == Fate::Delivered;
    // Who has received nothing is asked after the promised day.
    let reason = if is_there { order.delivered.min(order.promised + 3 * DAY) } else { order.promised };
    let asked = (reason.div_euclid(DAY) + 1 + 5 * which as i64) * DAY;
    let answered = asked + DAY / 2 + (1.5 * DAY as f64 * (0.8 * chance.normal()).exp()) as i64;
    if answered >= end {
        return None;
    }
    let late = if is_there { order.days_late() } else { 20 };
    let waited = (order.delivered - order.placed) / DAY;
    let weights: [u64; 5] = match (late, waited) {
        (4.., _) => [60, 10, 12, 8, 10],
        (1..4, _) => [32, 9, 16, 16, 27],
        (_, 21..) => [12, 5, 12, 24, 47],
        _ => [7, 2, 7, 20, 64],
    };
    let mut left = chance.below(100);
    let mut score = 1;
    for weight in weights {
        if left < weight {
            break;
        }
        left -= weight;
        score += 1;
    }
    let score: u64 = score.min(5);
    let mood = [0, 0, 1, 2, 2][score as usize - 1];
    let title = chance.happens(0.12).then(|| TITLES[mood][chance.below(4) as usize]);
    let wordy = if score <= 2 { 0.75 } else { 0.35 };
    let message = chance.happens(wordy).then(|| {
        let first = MESSAGES[mood][chance.below(6) as usize];
        match chance.below(10) {
            // With a line break, as one in ten real ones.
            0 => format!("{first}\r\n{}", MESSAGES[mood][chance.below(6) as usize]),
            1 => format!("{first} "),
            _ => first.to_owned(),
        }
    });
    Some(Review { score, title, message, asked, answered })
}
