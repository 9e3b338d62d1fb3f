//! What people see: HTML that is safe by construction, one frame and one style sheet, tables, forms, and charts as SVG.
//!
//! Everything is plain markup. It needs no build step, no framework, and nothing from another host; scripts only add comfort.
//! Markup is written as a tree of [`Element`]s, because then neither a forgotten escape nor a forgotten end tag is possible:
//! names of elements and attributes are constants of the program, and every text is escaped where it comes in. What comes out
//! is also well-formed XML, which the tests parse. Template languages would bring a compiler step for the same guarantee.

mod address;
mod badge;
pub mod chart;
mod facts;
mod form;
mod frame;
mod html;
mod table;
pub mod words;

pub use address::Address;
pub use badge::{State, badge};
pub use facts::Facts;
pub use form::{Field, Form};
pub use frame::{ICON, Page, SCRIPT, STYLE, Style, section};
pub use html::{Element, Html, el, link, note};
pub use table::{Column, Order, Table};

#[cfg(test)]
mod hostile;
