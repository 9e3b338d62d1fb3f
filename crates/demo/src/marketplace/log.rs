//! Writes a table of the marketplace piece by piece.

use rayon::prelude::*;

use super::order::World;
use super::{Marketplace, MarketplaceTable};
use crate::text::{Log, Text};

/// Things (orders, sellers, …) that are written in one go.
const PIECE: u64 = 1 << 11;

/// Writes the rows of a [`Marketplace`].
pub struct MarketplaceLog {
    world: World,
    table: MarketplaceTable,
    /// How many orders, sellers, … the table is about.
    things: u64,
    /// From one thing to the next; has no divisor in common with `things`, so that all are met once.
    stride: u64,
    /// Things written.
    written: u64,
    pub(super) piece: u64,
}

impl MarketplaceLog {
    pub fn new(of: &Marketplace) -> MarketplaceLog {
        let world = World::new(of);
        let things = of.table.things(&world);
        // The golden section spreads neighbours far apart.
        let mut stride = (things as f64 * 0.618_033_988_749_895) as u64;
        while common_divisor(stride.max(1), things.max(1)) > 1 {
            stride += 1;
        }
        MarketplaceLog { table: of.table, world, things, stride: stride.max(1), written: 0, piece: PIECE }
    }

    fn sheet(&self, from: u64, to: u64) -> Text {
        let mut text = Text::new(self.table.columns().len());
        for place in from..to {
            let thing = u128::from(place) * u128::from(self.stride) % u128::from(self.things);
            self.table.write(&self.world, thing as u64, &mut text);
        }
        text
    }
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

impl Log for MarketplaceLog {
    fn next(&mut self, most: u64) -> Option<Text> {
        loop {
            let end = self.things.min(self.written + (most / self.table.most_rows()).max(1));
            if self.written == end {
                return None;
            }
            let starts: Vec<u64> = (self.written..end).step_by(self.piece as usize).collect();
            let sheet = |from: &u64| self.sheet(*from, end.min(from + self.piece));
            let sheets: Vec<Text> = starts.par_iter().map(sheet).collect();
            self.written = end;
            let text = Text::joined(sheets, self.table.columns().len());
            if text.rows() > 0 {
                return Some(text);
            }
        }
    }
}
