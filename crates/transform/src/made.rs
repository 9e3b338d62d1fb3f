//! How the columns of a table were made, and which rows it holds: which steps made, changed or chose each. Whoever
//! learns from the table needs to know.
//!
//! A column that no step touched is what was ingested under its name: it has the definition that ingest wrote, or none.

use artifact::{Definition, Definitions, flow, stripped, type_name};
use polars::prelude::{DataType, Schema};
use serde_json::Value as Json;

use crate::joining::Joining;
use crate::plan::{Value, is_helper};

/// The name of the definition of rows.
const ROWS: &str = "rows";

/// The columns that steps have made or changed so far, and the rows that they left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    columns: Vec<Definition>,
    rows: Option<Definition>,
    step: &'static str,
    /// Those of the step, without the list of columns that it is done to: another column in the list does not change what
    /// is done to the first.
    settings: Json,
    /// What the next column means, where that is not in the settings.
    means: Option<String>,
}

impl Made {
    /// Begins with what is known about the table before the first step.
    pub fn new(known: Option<&Definitions>) -> Made {
        let known = known.cloned().unwrap_or_default();
        Made { columns: known.columns, rows: known.rows, ..Made::default() }
    }

    /// Says which step makes columns from here on.
    pub fn begin(&mut self, step: &'static str, settings: &Json) {
        self.step = step;
        self.settings = stripped(settings.clone());
        if let Json::Object(entries) = &mut self.settings {
            entries.retain(|key, value| key != "columns" || !value.is_array());
        }
        self.means = None;
    }

    /// Says what the columns mean that are set next.
    pub fn means(&mut self, what: String) {
        self.means = Some(what);
    }

    /// `clip {min: 0}`
    fn is(&self, what: &str) -> String {
        match what {
            "" | "{}" | "null" => self.step.to_owned(),
            what => format!("{} {what}", self.step),
        }
    }

    /// Takes in the columns that the step at work sets, and their types.
    pub fn set(&mut self, columns: &[(String, Value)], types: &[DataType]) {
        let means = self.means.take();
        let mut new = Vec::with_capacity(columns.len());
        for ((name, value), dtype) in columns.iter().zip(types) {
            let what = match (&means, self.step) {
                (Some(means), _) => means.clone(),
                // What it does is in the type.
                (None, "cast") => type_name(dtype),
                (None, _) => flow(&self.settings),
            };
            let is = self.is(&what);
            let before = self.of(name).filter(|before| self.step != "derive" && !before.is_raw());
            let before = before.map(|before| format!("{}, ", before.is));
            let is_now = format!("{}{is}", before.unwrap_or_default());
            let read = value.reads();
            // A statistic over other rows is another one.
            let rows = self.rows.as_ref().filter(|_| value.looks_at_table());
            let known = read.iter().filter_map(|read| self.of(read)).chain(rows);
            let mut reads: Vec<String> = known.clone().flat_map(|known| known.reads.iter().cloned()).collect();
            reads.extend(read.iter().filter(|read| !is_helper(read)).cloned());
            reads.sort_unstable();
            reads.dedup();
            let meaning = format!("{is}\n{}", type_name(dtype));
            new.push(Definition { reads, ..Definition::new(name.as_str(), is_now, &meaning, known) });
        }
        for definition in new {
            self.columns.retain(|known| known.name != definition.name);
            self.columns.push(definition);
        }
    }

    /// Takes in the columns that a join brings: what they mean there, and by which keys they were found.
    pub fn join(&mut self, joining: &Joining, other: Option<&Definitions>) {
        let by = joining.to_string();
        let keys: Vec<Definition> = joining.reads().iter().filter_map(|key| self.of(key).cloned()).collect();
        let of_rows = other.and_then(|other| other.rows.as_ref());
        for (there, here, dtype) in &joining.columns {
            let theirs = other.and_then(|other| other.column(there));
            let reads = keys.iter().chain(theirs).chain(of_rows);
            let meaning = format!("join {by}\n{there}\n{}", type_name(dtype));
            let is = format!("{there} of {by}");
            let definition = Definition::new(here.as_str(), is, &meaning, reads);
            self.columns.retain(|known| known.name != definition.name);
            self.columns.push(Definition { reads: joining.reads(), ..definition });
        }
    }

    /// Takes in columns of rows that a table step gives, and the columns that each is made of; others keep their
    /// meaning if they are still there.
    pub fn reshape(&mut self, columns: &[(String, String, DataType, Vec<String>)]) {
        let rows = self.rows.clone();
        let mut new = Vec::with_capacity(columns.len());
        for (name, what, dtype, reads) in columns {
            let known = reads.iter().filter_map(|read| self.of(read)).chain(&rows);
            let is = self.is(what);
            let meaning = format!("{is}\n{}", type_name(dtype));
            new.push(Definition::new(name.as_str(), is, &meaning, known));
        }
        for definition in new {
            self.columns.retain(|known| known.name != definition.name);
            self.columns.push(definition);
        }
    }

    /// Rows of another table come in: a column of both is made in both ways, and the rows are those of both.
    pub fn unite(&mut self, other: Option<&Definitions>) {
        let Some(other) = other else { return };
        for theirs in &other.columns {
            let ways: Vec<&Definition> = self.of(&theirs.name).into_iter().chain([theirs]).collect();
            let united = Definition::union(&ways);
            self.columns.retain(|known| known.name != united.name);
            self.columns.push(united);
        }
        let is = self.is(&flow(&self.settings));
        let reads = self.rows.iter().chain(&other.rows);
        self.rows = Some(Definition::new(ROWS, is.clone(), &is, reads));
    }

    /// The current step chooses rows by the values of some columns.
    pub fn choose(&mut self, by: &[String]) {
        let is = self.is(&flow(&self.settings));
        self.rows = Some(Definition::of_rows(self.rows.as_ref(), &is, by, &self.columns));
    }

    /// A column keeps its meaning under another name.
    pub fn rename(&mut self, from: &[String], to: &[String]) {
        let renamed: Vec<Definition> = from
            .iter()
            .zip(to)
            .map(|(from, to)| match self.of(from) {
                Some(known) if !known.is_raw() => Definition { name: to.clone(), ..known.clone() },
                raw => Definition::new(to, format!("column '{from}' as ingested"), &format!("rename\n{from}"), raw),
            })
            .collect();
        self.columns.retain(|known| !from.contains(&known.name) && !to.contains(&known.name));
        self.columns.extend(renamed);
        for read in self.columns.iter_mut().flat_map(|known| &mut known.reads) {
            if let Some(at) = from.iter().position(|old| old == read) {
                read.clone_from(&to[at]);
            }
        }
    }

    fn of(&self, name: &str) -> Option<&Definition> {
        self.columns.iter().find(|known| known.name == name)
    }

    /// What is known about the columns that are left.
    pub fn finish(self, schema: &Schema) -> Definitions {
        let columns = self.columns.into_iter().filter(|known| schema.contains(&known.name)).collect();
        Definitions { columns, rows: self.rows, ..Definitions::default() }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::{Given, Step, clean};

    fn definitions(steps: &str) -> artifact::Definitions {
        definitions_given(steps, &Given::default())
    }

    fn definitions_given(steps: &str, given: &Given) -> artifact::Definitions {
        let table = df!("a" => [1i64, 2], "b" => [3i64, 4], "t" => ["x ", "y"], "u" => [" z", "w"]).unwrap().lazy();
        let steps: Vec<Step> =
            spec::parse(steps, std::path::Path::new("steps.yaml"), &Default::default()).unwrap().spec;
        clean(table, &steps, given).unwrap_or_else(|error| panic!("{error}")).definitions
    }

    fn changed(was: &str, is: &str) -> Vec<String> {
        let (was, is) = (definitions(was), definitions(is));
        let names = ["a", "b", "t", "u", "r", "s"];
        names.into_iter().filter(|name| !was.changed(&is, [*name]).is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn a_step_is_part_of_what_its_columns_mean() {
        let derive = "- derive: {r: a / b, s: r * 2}";
        for (was, is, expected) in [
            (derive, "- derive: {r: b / a, s: r * 2}", &["r", "s"][..]),
            (derive, "- derive: {r: a * b, s: r * 2}", &["r", "s"]),
            (derive, "- derive: {r: 'a  /  b', s: r * 2}", &[]),
            (derive, "- derive: {r: a / b, s: r * 3}", &["s"]),
            ("- derive: {r: round(a)}", "- derive: {r: floor(a)}", &["r"]),
            ("- derive: {r: \"t LIKE 'x%'\"}", "- derive: {r: \"t LIKE 'y%'\"}", &["r"]),
            (derive, "- clip: {columns: [b], min: 0}\n- derive: {r: a / b, s: r * 2}", &["b", "r", "s"]),
            (derive, "- filter: a > 1\n- derive: {r: a / b, s: r * 2}", &[]),
            ("- trim: {columns: [t]}", "- trim: {columns: [t, u]}", &["u"]),
            ("- trim: {columns: [t]}", "- filter: a > 1", &["t"]),
            ("- rename: {a: r}", "- rename: {b: r}", &["r"]),
            ("- cast: {columns: {a: float64}}", "- cast: {columns: {a: float64, b: float64}}", &["b"]),
            ("- cast: {columns: {a: float64}}", "- cast: {columns: {a: string}}", &["a"]),
            ("- fill_null: {columns: [a], with: mean}", "- fill_null: {columns: [a], with: median}", &["a"]),
        ] {
            assert_eq!(changed(was, is), expected, "{was} -> {is}");
            assert_eq!(changed(is, is), [""; 0]);
        }
        let is = definitions("- clip: {columns: [a], min: 0}\n- cast: {columns: {a: float64}}\n- derive: {r: a  + 1}");
        assert_eq!(is.column("a").unwrap().is, "clip {min: 0}, cast float64");
        assert_eq!(is.column("r").unwrap().is, "derive a + 1");
    }

    #[test]
    fn a_column_tells_what_it_is_made_of() {
        let reads = |steps: &str, name: &str| definitions(steps).column(name).unwrap().reads.clone();
        let steps = "- derive: {r: a / b, s: r * 2}\n- rename: {a: t2}";
        assert_eq!(reads(steps, "s"), ["t2", "b", "r"]);
        assert_eq!(reads("- trim: {columns: [t]}\n- derive: {r: t || u}", "r"), ["t", "u"]);
    }

    #[test]
    fn the_content_of_a_mapping_file_is_part_of_it() {
        let of = |pairs: &str| {
            let text = format!("column,before,after\n{pairs}");
            let mapping = crate::Mapping::read(&text, std::path::Path::new("m.csv")).unwrap();
            let given = Given { mappings: [("m.csv".to_owned(), mapping)].into(), ..Given::default() };
            definitions_given("- map_values: {file: m.csv}", &given)
        };
        let was = of("t,x ,ex\nu,w,v\n");
        let is = of("t,x ,other\nu,w,v\n");
        assert_eq!(was.changed(&is, ["t", "u"]).len(), 1);
        // Another value, one more, an empty cell: of the column that has it. The order means nothing.
        for other in ["t,x ,other\nu,w,v\n", "t,x ,ex\nt,q,r\nu,w,v\n", "t,x ,\nu,w,v\n"] {
            assert_eq!(was.changed(&of(other), ["t", "u"]).len(), 1, "{other}");
        }
        assert_eq!(was.changed(&of("u,w,v\nt,x ,ex\n"), ["t", "u"]), [""; 0]);
        // The same decisions within the step are the same thing.
        let inline = definitions("- map_values: {columns: [t], values: {'x ': ex}}");
        assert_eq!(inline.changed(&was, ["t"]), [""; 0]);
    }

    #[test]
    fn a_statistic_of_other_rows_is_another() {
        let steps = [
            "- fill_null: {columns: [a], with: mean}",
            "- outliers: {columns: [a], method: iqr, action: clip}",
            "- outliers: {columns: [a], method: iqr, action: 'null'}",
            "- outliers: {columns: [a], method: mad, action: clip, group_by: [t]}",
            "- fill_down: {columns: [a]}",
            "- repair: {key: t, columns: [a], by: majority}",
            "- window: {r: 'count(*) OVER (PARTITION BY t)'}",
        ];
        for step in steps {
            let after = |filter: &str| format!("- filter: {filter}\n{step}");
            let made = if step.contains("{r:") { "r" } else { "a" };
            assert_eq!(changed(&after("b > 1"), &after("b > 2")), [made], "{step}");
            assert_eq!(changed(&after("b > 1"), &after("b > 1")), [""; 0], "{step}");
        }
        for step in
            ["- clip: {columns: [a], min: 1}", "- fill_null: {columns: [a], with: {value: 1}}", "- derive: {a: b}"]
        {
            let after = |filter: &str| format!("- filter: {filter}\n{step}");
            assert_eq!(changed(&after("b > 1"), &after("b > 2")), [""; 0], "{step}");
        }
    }

    #[test]
    fn rows_are_what_chose_them() {
        let hash = |steps: &str| definitions(steps).rows.map(|rows| rows.hash);
        assert_eq!(hash("- trim: {columns: [t]}"), None);
        let all = [
            "- filter: a > 1",
            "- filter: a > 2",
            "- dedupe: {keys: [t]}",
            "- dedupe: {keys: [t], keep: last}",
            "- trim: {columns: [t]}\n- dedupe: {keys: [t]}",
            "- drop_null: {columns: [t]}",
            "- outliers: {columns: [a], method: iqr, action: drop}",
            "- explode: {column: t, separator: x}",
            "- explode: {column: u, separator: x}",
            "- unpivot: {columns: [a, b], name: n, value: v}",
            "- sql: SELECT a, b, t, u FROM this WHERE a > 1",
            "- sql: SELECT a, b, t, u FROM this LIMIT 1",
            "- sql: SELECT a, b, t, u FROM this LIMIT 2",
            "- sql: SELECT a, b, t, u FROM this ORDER BY a LIMIT 2",
            "- sql: SELECT DISTINCT a, b, t, u FROM this",
        ];
        let mut hashes: Vec<_> = all.iter().map(|steps| hash(steps).unwrap()).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), all.len());
        assert_eq!(hash("- outliers: {columns: [a], method: iqr, action: clip}"), None);
        assert_eq!(hash("- filter: a > 1\n- trim: {columns: [t]}"), hash("- filter: a > 1"));
    }
}
