//! An invented city's apartment market, and a server that answers for it as the Korean ministry's services do.
//!
//! # The model
//!
//! **Places.** Twelve districts around the centre of Seoul, each with a price level, forty complexes, five stations
//! and eight schools. A complex has a year of building, floors, three or four sizes of flat and a quality of its own.
//!
//! **Prices.** The logarithm of the price per square metre is a sum: the district's level, nearness to a station
//! (falling with 700 m), the score of the nearest school, age (falling, and rising again where rebuilding is near),
//! floor (the lowest three lose, higher ones gain), size (larger flats cost less per square metre), the complex's
//! quality, trend and season of the market, and noise of 5 %. Amounts are in 10,000 won, from 1,000 to 500,000.
//!
//! **Leases.** A deposit is a share of the price that depends on district and age; three in ten contracts have a
//! monthly rent and a smaller deposit.
//!
//! **Dirt.** Amounts are padded and have commas, as in the real service. Of the share `dirt` of contracts some come
//! twice, some have an area of 0, some are cancelled later (`cdealType`, `cdealDay`). Of the complexes a few have no
//! coordinates or swapped ones.
//!
//! **Shifts.** From a month on, prices or areas may be a multiple of what they would have been: a world in which an earlier
//! model no longer holds.
//!
//! Everything follows from the seed: the same city gives the same answers on every machine.

mod answers;
mod city;
mod fault;
mod homes;
mod market;
mod server;
mod shift;

pub use city::City;
pub use fault::Fault;
pub use homes::{Home, Homes};
pub use server::{KEY, Server};
pub use shift::{Shift, Shifted};

#[cfg(test)]
mod tests;
