//! Several tables of one kind made one, such as the reviews and the tickets of a shop.

use artifact::{Definition, Definitions, PolarsResultExt};
use polars::prelude::*;
use spec::{Error, Result};

/// The rows of all `tables`, given by name, one table after the other; a single one stays as it is.
///
/// Columns are those of the first table, then those that only later ones have, matched by name; a table that lacks one
/// has empty cells in it. Provenance goes along, so a row can still be distinguished from those of the other tables.
///
/// Errors: a column that is of another type in another table.
pub fn union(tables: Vec<(&str, LazyFrame)>) -> Result<LazyFrame> {
    let mut columns: Vec<(PlSmallStr, DataType, &str)> = Vec::new();
    let mut frames = Vec::with_capacity(tables.len());
    for (table, mut frame) in tables {
        let schema = frame.collect_schema().during(format_args!("table '{table}'"))?;
        for (name, dtype) in schema.iter() {
            match columns.iter().find(|(known, ..)| known == name) {
                None => columns.push((name.clone(), dtype.clone(), table)),
                Some((_, known, _)) if known == dtype => {}
                Some((_, known, of)) => {
                    let (one, other) = artifact::type_names(known, dtype);
                    return Err(Error::cannot_run(format!(
                        "column '{name}' is {one} in table '{of}', but {other} in table '{table}'"
                    ))
                    .hint("give it the same type in ingest.yaml, or rename it there"));
                }
            }
        }
        frames.push((frame, schema));
    }
    if frames.len() == 1 {
        return Ok(frames.remove(0).0);
    }
    let aligned = frames.into_iter().map(|(frame, schema)| {
        let cell = |(name, dtype, _): &(PlSmallStr, DataType, &str)| match schema.contains(name) {
            true => col(name.clone()),
            false => lit(NULL).cast(dtype.clone()).alias(name.clone()),
        };
        frame.select(columns.iter().map(cell).collect::<Vec<_>>())
    });
    let aligned: Vec<LazyFrame> = aligned.collect();
    concat(aligned, UnionArgs::default()).during("the tables together")
}

/// What is known about the rows of several tables together, given by name: which tables they are, and how their columns
/// were made.
pub fn known_together(tables: &[(&str, Option<&Definitions>)]) -> Definitions {
    let known: Vec<&Definitions> = tables.iter().filter_map(|(_, known)| *known).collect();
    let rows = known.iter().filter_map(|table| table.rows.as_ref());
    let names: Vec<&str> = tables.iter().map(|(name, _)| *name).collect();
    let is = format!("rows of {}", names.join(", "));
    let rows = Some(Definition::new("rows", is, &format!("rows\n{}", names.join("\n")), rows));
    let mut columns: Vec<Definition> = Vec::new();
    for column in known.iter().flat_map(|table| &table.columns) {
        if columns.iter().any(|other| other.name == column.name) {
            continue;
        }
        // A column of several tables has the definitions of all of them.
        let ways: Vec<&Definition> = known.iter().filter_map(|table| table.column(&column.name)).collect();
        columns.push(Definition::union(&ways));
    }
    Definitions { columns, rows, ..Definitions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together(tables: Vec<(&str, DataFrame)>) -> Result<DataFrame> {
        let tables = tables.into_iter().map(|(name, table)| (name, table.lazy())).collect();
        let mut all: Option<DataFrame> = None;
        for rows in artifact::stream(union(tables)?, "union")? {
            let rows = rows?;
            match &mut all {
                Some(all) => drop(all.vstack_mut(&rows).unwrap()),
                none => *none = Some(rows),
            }
        }
        Ok(all.unwrap_or_default())
    }

    #[test]
    fn rows_follow_each_other_and_columns_meet_by_name() {
        let one = df!("id" => [1i64, 2], "text" => ["a", "b"], "_file" => ["f", "f"], "_row" => [1u32, 2]).unwrap();
        let two = df!("text" => ["c"], "id" => [3i64], "stars" => [5i32], "_file" => ["g"], "_row" => [1u32]).unwrap();
        let expected = df!(
            "id" => [1i64, 2, 3],
            "text" => ["a", "b", "c"],
            "_file" => ["f", "f", "g"],
            "_row" => [1u32, 2, 1],
            "stars" => [None, None, Some(5i32)],
        );
        assert_eq!(together(vec![("one", one.clone()), ("two", two)]).unwrap(), expected.unwrap());
        assert_eq!(together(vec![("one", one.clone())]).unwrap(), one);
    }

    #[test]
    fn types_must_agree() {
        let one = df!("id" => [1i64]).unwrap();
        let two = df!("id" => ["1"]).unwrap();
        assert_eq!(
            together(vec![("one", one), ("two", two)]).unwrap_err().to_string(),
            "column 'id' is int64 in table 'one', but string in table 'two'; give it the same type in ingest.yaml, or \
             rename it there"
        );
    }
}
