//! Which clean tables are made from which, and in what order.

use crate::beside::OtherTable;
use crate::clean_spec::{TableSpec, Tables};
use spec::{Error, Result, did_you_mean};

/// The clean tables that a table is made from, each once, in the order of the file: those of `from` and of steps.
pub fn needs<'a>(table: &'a TableSpec) -> Vec<&'a str> {
    let of_steps = table.steps.iter().flat_map(|step| step.other_tables()).filter_map(|other| match other {
        OtherTable::Clean(name) => Some(name.as_str()),
        OtherTable::Raw(_) => None,
    });
    let mut needs: Vec<&'a str> = Vec::new();
    for name in table.from.clean().chain(of_steps) {
        if !needs.contains(&name) {
            needs.push(name);
        }
    }
    needs
}

/// The raw tables that a table is made from.
pub fn raw_tables(name: &str, table: &TableSpec) -> Vec<String> {
    let of_steps = table.steps.iter().flat_map(|step| step.other_tables()).cloned();
    let all = table.from.or(name).into_iter().chain(of_steps);
    all.filter_map(|other| if let OtherTable::Raw(name) = other { Some(name) } else { None }).collect()
}

/// A table and all clean tables that it is made from, directly or by way of others.
pub fn with_needs<'a>(spec: &'a Tables, name: &'a str) -> Vec<&'a str> {
    let mut all = vec![name];
    let mut at = 0;
    while let Some(name) = all.get(at).copied() {
        let needs = spec.tables.get(name).map(needs).unwrap_or_default();
        all.extend(needs.into_iter().filter(|other| !all.contains(other)).collect::<Vec<_>>());
        at += 1;
    }
    all
}

/// What is wrong with the names of other tables: one that is missing, or a circle.
pub fn fault(spec: &Tables) -> Option<Error> {
    for (name, table) in spec.tables.iter() {
        let known = || spec.tables.names().filter(|other| *other != name);
        let missing = |other: &str| {
            let raw = format!("for a raw table write `{{raw: {other}}}`");
            Error::cannot_run(format!("no clean table '{other}' in this file"))
                .hint(format!("{} {raw}", with_full_stop(&did_you_mean(other, known()))))
        };
        let of_itself = || {
            Error::cannot_run(format!("table '{name}' is made from itself"))
                .hint("give one of the two another name: a table with `from: {clean: …}` and these steps")
        };
        let wrong = |other: &str| match other == name {
            true => Some(of_itself()),
            false => spec.tables.get(other).is_none().then(|| missing(other)),
        };
        let of_from = table.from.clean().find_map(|other| wrong(other).map(|error| error.at("from")));
        let of_steps = || {
            table.steps.iter().enumerate().find_map(|(at, step)| {
                let others = step.other_tables().into_iter().filter_map(|other| match other {
                    OtherTable::Clean(name) => Some(name.as_str()),
                    OtherTable::Raw(_) => None,
                });
                let found = others.into_iter().find_map(wrong)?;
                Some(found.at(step.name()).at(at).at("steps"))
            })
        };
        if let Some(error) = of_from.or_else(of_steps) {
            return Some(error.at(name).at("tables"));
        }
    }
    let circle = sorted(spec).err()?;
    let first = circle[0];
    let way: Vec<String> = circle.iter().map(|name| format!("'{name}'")).collect();
    let error = Error::cannot_run(format!("the tables {} are made from each other, in a circle", way.join(" → ")))
        .hint("none of them can be made first: take one of them out of `from` or `with`");
    Some(error.at(first).at("tables"))
}

fn with_full_stop(text: &str) -> String {
    if text.ends_with('?') { text.to_owned() } else { format!("{text};") }
}

/// A change log takes the name of a table.
pub fn check_logs(spec: &Tables) -> Result<()> {
    for (name, _) in spec.tables.iter().filter(|(_, table)| table.logs_changes()) {
        let log = format!("{name}_changes");
        if spec.tables.get(&log).is_some() {
            return Err(Error::cannot_run(format!("table '{log}' is called as the change log of table '{name}'"))
                .hint("give the table another name, or write `changes: false`"));
        }
    }
    Ok(())
}

/// The tables in the order of their dependencies, otherwise in that of the file. The error lists a cycle. All
/// names must exist.
pub fn sorted(spec: &Tables) -> Result<Vec<&str>, Vec<&str>> {
    fn visit<'a>(
        name: &'a str,
        spec: &'a Tables,
        way: &mut Vec<&'a str>,
        order: &mut Vec<&'a str>,
    ) -> Result<(), Vec<&'a str>> {
        if order.contains(&name) {
            return Ok(());
        }
        if let Some(start) = way.iter().position(|before| *before == name) {
            return Err(way[start..].iter().copied().chain([name]).collect());
        }
        way.push(name);
        for other in spec.tables.get(name).map(needs).unwrap_or_default() {
            visit(other, spec, way, order)?;
        }
        way.pop();
        order.push(name);
        Ok(())
    }
    let mut order = Vec::new();
    for name in spec.tables.names() {
        visit(name, spec, &mut Vec::new(), &mut order)?;
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::*;

    fn failure(text: &str) -> String {
        let file = Path::new("clean.yaml");
        let tables =
            spec::parse::<Tables>(text, file, &Environment::default()).unwrap_or_else(|error| panic!("{error}")).spec;
        fault(&tables).expect("there is a fault").placed(text, file).to_string()
    }

    #[test]
    fn tables_come_after_those_that_they_are_made_from() {
        let text = "tables:\n  c: {from: {clean: b}}\n  b: {steps: [{join: {with: a, on: id}}]}\n  a: {}\n";
        let read = spec::parse::<Tables>(text, Path::new("clean.yaml"), &Environment::default());
        let tables = read.unwrap_or_else(|error| panic!("{error}")).spec;
        assert_eq!(sorted(&tables).unwrap(), ["a", "b", "c"]);
        assert_eq!(with_needs(&tables, "c"), ["c", "b", "a"]);
        assert_eq!(raw_tables("b", tables.tables.get("b").unwrap()), ["b"]);
    }

    #[test]
    fn circles_and_unknown_names_are_refused_with_their_place() {
        assert_eq!(
            failure(
                "tables:\n  a: {from: {clean: b}}\n  b: {from: {clean: c}}\n  c: {steps: [{join: {with: a, on: id}}]}\n"
            ),
            "clean.yaml:2:3: tables.a: the tables 'a' → 'b' → 'c' → 'a' are made from each other, in a circle; none of them can \
             be made first: take one of them out of `from` or `with`"
        );
        assert_eq!(
            failure("tables:\n  orders: {}\n  gold: {from: {clean: ordes}}\n"),
            "clean.yaml:3:10: tables.gold.from: no clean table 'ordes' in this file; did you mean 'orders'? for a raw table write \
             `{raw: ordes}`"
        );
        assert_eq!(
            failure("tables:\n  orders: {steps: [{join: {with: cities, on: id}}]}\n"),
            "clean.yaml:2:21: tables.orders.steps[0].join: no clean table 'cities' in this file; there is none to choose from; for \
             a raw table write `{raw: cities}`"
        );
        assert_eq!(
            failure("tables:\n  orders: {steps: [{join: {with: orders, on: id}}]}\n"),
            "clean.yaml:2:21: tables.orders.steps[0].join: table 'orders' is made from itself; give one of the two another name: a \
             table with `from: {clean: …}` and these steps"
        );
    }
}
