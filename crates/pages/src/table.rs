//! Tables: with a caption, numbers to the right, and columns that can be sorted by a link.

use crate::{Address, Element, Html, el, link};

/// The order of a table's rows by a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Rising,
    Falling,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    name: Html,
    is_number: bool,
    sort: Option<Address>,
    order: Option<Order>,
}

impl Column {
    pub fn text(name: impl Into<Html>) -> Column {
        Column { name: name.into(), is_number: false, sort: None, order: None }
    }

    /// A column of numbers, which stand one above the other.
    pub fn number(name: impl Into<Html>) -> Column {
        Column { is_number: true, ..Column::text(name) }
    }

    /// The column's name links to the page with the rows in its order.
    pub fn sorted_by(self, address: Address) -> Column {
        Column { sort: Some(address), ..self }
    }

    /// The order that the rows are in by this column.
    pub fn in_order(self, order: Option<Order>) -> Column {
        Column { order, ..self }
    }
}

/// A table under construction.
#[derive(Clone, Debug)]
pub struct Table {
    caption: Html,
    columns: Vec<Column>,
    rows: Vec<Vec<Html>>,
    empty: Html,
    shows_caption: bool,
}

impl Table {
    pub fn new(caption: impl Into<Html>, columns: impl IntoIterator<Item = Column>) -> Table {
        Table {
            caption: caption.into(),
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            empty: "Nothing yet.".into(),
            shows_caption: false,
        }
    }

    /// Shows the caption; by default only screen readers read it, because others see the heading above.
    pub fn with_caption(mut self) -> Table {
        self.shows_caption = true;
        self
    }

    /// The text in place of a table without rows.
    pub fn or_else(mut self, text: impl Into<Html>) -> Table {
        self.empty = text.into();
        self
    }

    /// A cell per column; the first one names the row.
    pub fn row<T: Into<Html>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl From<Table> for Element {
    fn from(table: Table) -> Element {
        let Table { caption, columns, rows, empty, shows_caption } = table;
        if rows.is_empty() {
            return el("p").class("empty").add(empty);
        }
        let heads = columns.iter().map(|column| {
            let name: Html = match &column.sort {
                Some(address) => {
                    let sign = match column.order {
                        Some(Order::Rising) => " ▲",
                        Some(Order::Falling) => " ▼",
                        None => "",
                    };
                    link(address, column.name.clone()).add(el("span").attr("aria-hidden", "true").text(sign)).into()
                }
                None => column.name.clone(),
            };
            let head = el("th").attr("scope", "col").attr_if(
                "aria-sort",
                column.order.map(|order| match order {
                    Order::Rising => "ascending",
                    Order::Falling => "descending",
                }),
            );
            if column.is_number { head.class("number") } else { head }.add(name)
        });
        let body = rows.into_iter().map(|row| {
            let cells = row.into_iter().enumerate().map(|(at, cell)| {
                let is_number = columns.get(at).is_some_and(|column| column.is_number);
                let element = if at == 0 { el("th").attr("scope", "row") } else { el("td") };
                if is_number { element.class("number") } else { element }.add(cell)
            });
            el("tr").all(cells)
        });
        let head = el("thead").add(el("tr").all(heads));
        let caption = el("caption").class(if shows_caption { "shown" } else { "unseen" }).add(caption);
        let table = el("table").add(caption).add(head).add(el("tbody").all(body));
        // A wide table has its own scroll bar, so the keyboard must reach it.
        el("div").class("scroll").attr("tabindex", "0").attr("role", "group").attr("aria-label", "Table").add(table)
    }
}

impl From<Table> for Html {
    fn from(table: Table) -> Html {
        Element::from(table).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_and_the_order_is_named() {
        let sorted = Column::number("score").sorted_by(Address::to(&["r"]).with("sort", "score"));
        let mut table = Table::new("Scores", [Column::text("id"), sorted.in_order(Some(Order::Falling))]);
        table.row(["<a>", "0.5"]);
        let html = Html::from(table);
        for part in [
            "<caption class=\"unseen\">Scores</caption>",
            "<th scope=\"col\" aria-sort=\"descending\" class=\"number\"><a href=\"/r?sort=score\">score<span aria-hidden=\"true\"> ▼</span></a></th>",
            "<tr><th scope=\"row\">&lt;a&gt;</th><td class=\"number\">0.5</td></tr>",
        ] {
            assert!(html.as_str().contains(part), "{part}\n{}", html.as_str());
        }
    }

    #[test]
    fn a_table_without_rows_says_so() {
        let table = Table::new("Runs", [Column::text("stage")]).or_else("No run yet.");
        assert_eq!(Html::from(table).as_str(), "<p class=\"empty\">No run yet.</p>");
    }
}
