//! What is sold: categories, and the products of each seller.

use super::sellers::{Seller, Sellers};
use crate::chance::Chance;

const PRODUCT: u64 = 62;

/// A category: its name, its English name if the table of translations has one, a typical price in cents, a typical weight
/// in grams, and its popularity.
pub(super) struct Category {
    pub name: &'static str,
    pub english: Option<&'static str>,
    cents: f64,
    grams: f64,
    popularity: f64,
}

const fn of(name: &'static str, english: &'static str, cents: f64, grams: f64, popularity: f64) -> Category {
    Category { name, english: Some(english), cents, grams, popularity }
}

#[rustfmt::skip]
pub(super) static CATEGORIES: [Category; 26] = [
    of("cama_mesa_banho", "bed_bath_table", 8_000.0, 1_600.0, 0.11),
    of("beleza_saude", "health_beauty", 8_000.0, 600.0, 0.09),
    of("esporte_lazer", "sports_leisure", 8_500.0, 1_100.0, 0.08),
    of("moveis_decoracao", "furniture_decor", 6_500.0, 2_400.0, 0.08),
    of("informatica_acessorios", "computers_accessories", 8_300.0, 500.0, 0.075),
    of("utilidades_domesticas", "housewares", 6_200.0, 2_200.0, 0.07),
    of("relogios_presentes", "watches_gifts", 13_500.0, 400.0, 0.06),
    of("telefonia", "telephony", 3_000.0, 200.0, 0.045),
    of("automotivo", "auto", 8_800.0, 1_400.0, 0.042),
    of("brinquedos", "toys", 7_500.0, 1_100.0, 0.041),
    of("cool_stuff", "cool_stuff", 11_800.0, 1_500.0, 0.038),
    of("ferramentas_jardim", "garden_tools", 5_900.0, 1_700.0, 0.043),
    of("perfumaria", "perfumery", 9_200.0, 450.0, 0.034),
    of("bebes", "baby", 9_000.0, 2_200.0, 0.031),
    of("eletronicos", "electronics", 3_500.0, 350.0, 0.027),
    of("papelaria", "stationery", 5_000.0, 900.0, 0.025),
    of("fashion_bolsas_e_acessorios", "fashion_bags_accessories", 5_500.0, 450.0, 0.022),
    of("pet_shop", "pet_shop", 7_000.0, 2_800.0, 0.019),
    of("moveis_escritorio", "office_furniture", 14_500.0, 9_000.0, 0.018),
    of("malas_acessorios", "luggage_accessories", 10_500.0, 4_000.0, 0.012),
    of("livros_interesse_geral", "books_general_interest", 6_000.0, 450.0, 0.011),
    of("instrumentos_musicais", "musical_instruments", 16_500.0, 2_500.0, 0.009),
    of("eletrodomesticos", "home_appliances", 9_500.0, 3_800.0, 0.010),
    of("alimentos", "food", 4_600.0, 800.0, 0.006),
    // Not in the table of translations.
    Category { name: "pc_gamer", english: None, cents: 18_000.0, grams: 1_600.0, popularity: 0.001 },
    Category {
        name: "portateis_cozinha_e_preparadores_de_alimentos", english: None, cents: 22_000.0, grams: 3_200.0, popularity: 0.001,
    },
];

pub(super) fn category(chance: &mut Chance) -> usize {
    let total: f64 = CATEGORIES.iter().map(|category| category.popularity).sum();
    let mut left = chance.unit() * total;
    for (at, category) in CATEGORIES.iter().enumerate() {
        if left < category.popularity {
            return at;
        }
        left -= category.popularity;
    }
    0
}

/// A product.
#[derive(Clone)]
pub(super) struct Product {
    pub number: u64,
    pub category: usize,
    pub cents: i64,
    pub grams: i64,
    /// Length, height and width in centimetres.
    pub size: [i64; 3],
    pub name_length: u64,
    pub description_length: u64,
    pub photos: u64,
}

impl Product {
    pub(super) fn new(seed: u64, number: u64, seller: &Seller) -> Product {
        let mut chance = Chance::of(seed, PRODUCT, number);
        let category = if chance.happens(0.8) { seller.category } else { category(&mut chance) };
        let of = &CATEGORIES[category];
        let large = 0.6 * chance.normal();
        let cents = of.cents * (0.55 * chance.normal() + 0.3 * large).exp();
        let grams = (of.grams * (large + 0.3 * chance.normal()).exp() / 50.0).round().max(1.0) * 50.0;
        // A box of 5 grams per litre and gram, roughly.
        let edge = (grams * 5.0).cbrt();
        let size =
            [1.5, 0.7, 0.95].map(|factor| (edge * factor * (0.2 * chance.normal()).exp()).clamp(2.0, 105.0) as i64);
        Product {
            number,
            category,
            // Prices end in 90 or 99.
            cents: ((cents / 100.0) as i64).max(3) * 100 + if chance.happens(0.7) { 90 } else { 99 },
            grams: (grams as i64).min(30_000),
            size: [size[0].max(16), size[1], size[2].max(11)],
            name_length: 20 + chance.below(44),
            description_length: (600.0 * (0.8 * chance.normal()).exp()) as u64,
            photos: 1 + (chance.unit().powi(3) * 7.0) as u64,
        }
    }

    /// One of a seller's products: a few make most of the sales.
    pub(super) fn drawn(seed: u64, sellers: &Sellers, seller: usize, chance: &mut Chance) -> Product {
        let (first, count) = sellers.products(seller);
        let number = first + (chance.unit().powi(2) * count as f64) as u64;
        Product::new(seed, number.min(first + count - 1), sellers.seller(seller))
    }
}
