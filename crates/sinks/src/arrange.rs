//! Which columns and rows are written, in which order.

use artifact::{ColumnOf, Lineage, PolarsResultExt, RowLink};
use polars::prelude::{Expr, LazyFrame, Schema, SortMultipleOptions, col};
use spec::{Error, Name, Result, did_you_mean};

use crate::{ExportSpec, Order, OutColumn, SortKey};

/// The table as the file shall hold it: sorted, with its columns picked and renamed. An unknown column is an
/// error that names the nearest one.
pub fn arrange(spec: &ExportSpec, table: LazyFrame) -> Result<LazyFrame> {
    arranged(&spec.table, spec.columns.as_deref(), &spec.sort, table)
}

/// As [`arrange`], by its settings alone.
pub fn arranged(
    name: &Name,
    columns: Option<&[OutColumn]>,
    sort: &[SortKey],
    mut table: LazyFrame,
) -> Result<LazyFrame> {
    let place = format!("table '{name}'");
    let schema = table.collect_schema().during(&place)?;
    let known: Vec<&str> = schema.iter_names().map(|name| name.as_str()).collect();
    let check = |name: &str| match known.contains(&name) {
        true => Ok(()),
        false => {
            let shown = known.iter().copied().filter(|name| !name.starts_with('_'));
            Err(Error::cannot_run(format!("{place}: no column '{name}'")).hint(did_you_mean(name, shown)))
        }
    };
    let mut names: Vec<&str> = Vec::new();
    let picked: Vec<Expr> = match columns {
        Some(columns) => {
            for column in columns {
                check(&column.name)?;
                if names.contains(&column.called.as_str()) {
                    return Err(Error::cannot_run(format!("{place}: two columns are called '{}'", column.called))
                        .hint("give one of them another name"));
                }
                names.push(&column.called);
            }
            columns.iter().map(|column| col(column.name.as_str()).alias(column.called.as_str())).collect()
        }
        None => known.iter().filter(|name| !name.starts_with('_')).map(|name| col(*name)).collect(),
    };
    if picked.is_empty() {
        return Err(Error::cannot_run(format!("{place}: there is no column to write")).hint("name some in 'columns'"));
    }
    for key in sort {
        check(&key.column)?;
    }
    if !sort.is_empty() {
        let by: Vec<Expr> = sort.iter().map(|key| col(key.column.as_str())).collect();
        let options = SortMultipleOptions::new()
            .with_order_descending_multi(sort.iter().map(|key| key.order == Order::Desc))
            .with_nulls_last(true)
            .with_maintain_order(true);
        table = table.sort_by_exprs(by, options);
    }
    Ok(table.select(picked))
}

/// From which columns of the table those of the file come, which has the columns `written`. Every row is a row of the table,
/// which is named `table` in the lineage: with its stage, since several stages may have one of its name.
pub fn lineage(spec: &ExportSpec, table: &str, written: &Schema) -> Lineage {
    let renamed = spec.columns.iter().flatten().map(|column| (column.called.clone(), column.name.clone()));
    let same = written.iter_names().map(|name| (name.to_string(), name.to_string()));
    let on: Vec<(String, String)> = if spec.columns.is_some() { renamed.collect() } else { same.collect() };
    let mut lineage = Lineage::default();
    for (called, name) in &on {
        lineage.add(called, [ColumnOf::new(table, name)]);
    }
    lineage.links.push(RowLink { table: table.to_owned(), on, nulls_equal: true, ..RowLink::default() });
    lineage
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;
    use crate::testing::spec;

    fn scores() -> LazyFrame {
        df!("id" => [1, 2, 3, 4], "score" => [Some(0.5), None, Some(0.9), Some(0.5)], "_row" => [1u32, 2, 3, 4])
            .unwrap()
            .lazy()
    }

    fn failure(text: &str) -> String {
        arrange(&spec(&format!("table: scores\nformat: csv\n{text}")), scores()).err().unwrap().to_string()
    }

    #[test]
    fn picks_renames_and_sorts() {
        let spec = spec("table: scores\nformat: csv\ncolumns: [{score: p}]\nsort: [{score: desc}, {id: desc}]\n");
        let out = arrange(&spec, scores()).unwrap().collect().unwrap();
        assert_eq!(out, df!("p" => [Some(0.9), Some(0.5), Some(0.5), None]).unwrap().lazy().collect().unwrap());
    }

    #[test]
    fn writes_all_but_the_hidden_columns_by_default() {
        let out = arrange(&spec("table: scores\nformat: csv\n"), scores()).unwrap().collect().unwrap();
        assert_eq!(out.get_column_names(), ["id", "score"]);
    }

    #[test]
    fn unknown_and_twin_columns_are_refused() {
        assert_eq!(failure("columns: [scor]\n"), "table 'scores': no column 'scor'; did you mean 'score'?");
        assert_eq!(failure("sort: [xyz]\n"), "table 'scores': no column 'xyz'; choose one of: id, score");
        assert_eq!(
            failure("columns: [id, {score: id}]\n"),
            "table 'scores': two columns are called 'id'; give one of them another name"
        );
        assert_eq!(failure("columns: []\n"), "table 'scores': there is no column to write; name some in 'columns'");
    }
}
