//! How the columns of a table came to be: which steps made or changed each, for whoever learns from them.
//!
//! A column that no step touched has no definition: it is what was ingested under its name.

use artifact::{Definition, Definitions, PolarsResultExt, type_name};
use polars::prelude::{Expr, Schema};
use spec::Result;

/// The columns that steps have made or changed so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    columns: Vec<Definition>,
    step: &'static str,
    settings: String,
}

impl Made {
    /// Says which step makes columns from here on.
    pub fn begin(&mut self, step: &'static str, settings: &str) {
        self.step = step;
        self.settings = without_lists(settings);
    }

    /// Takes in the columns that the step at work sets. `schema` is that of the table behind it.
    pub fn set(&mut self, columns: &[Expr], schema: &Schema) -> Result<()> {
        let mut new = Vec::with_capacity(columns.len());
        for expr in columns {
            let name = expr.clone().meta().output_name().during("clean")?;
            let dtype = schema.get(&name).map(type_name).unwrap_or_default();
            let (is, how) = match self.step {
                // Each column by its own expression: one step makes many that have nothing to do with each other.
                "derive" => (format!("derive {expr}"), expr.to_string()),
                // What it does is in the type.
                "cast" => (format!("cast {dtype}"), String::new()),
                step => (step.to_owned(), self.settings.clone()),
            };
            let before = self.of(&name).map(|before| format!("{}, ", before.is)).filter(|_| self.step != "derive");
            let is = format!("{}{is}", before.unwrap_or_default());
            let reads = expr.clone().meta().root_names();
            let reads = reads.iter().filter_map(|read| self.of(read));
            new.push(Definition::new(name.as_str(), is, &format!("{}\n{how}\n{dtype}", self.step), reads));
        }
        for definition in new {
            self.columns.retain(|known| known.name != definition.name);
            self.columns.push(definition);
        }
        Ok(())
    }

    /// A column keeps its meaning under another name.
    pub fn rename(&mut self, from: &[String], to: &[String]) {
        let renamed: Vec<Definition> = from
            .iter()
            .zip(to)
            .map(|(from, to)| match self.of(from) {
                Some(known) => Definition { name: to.clone(), ..known.clone() },
                None => Definition::new(to, format!("column '{from}' as ingested"), &format!("rename\n{from}"), []),
            })
            .collect();
        self.columns.retain(|known| !from.contains(&known.name) && !to.contains(&known.name));
        self.columns.extend(renamed);
    }

    fn of(&self, name: &str) -> Option<&Definition> {
        self.columns.iter().find(|known| known.name == name)
    }

    /// What is known of the columns that are left.
    pub fn finish(self, schema: &Schema) -> Definitions {
        let columns = self.columns.into_iter().filter(|known| schema.contains(&known.name)).collect();
        Definitions { of_features: false, columns, label: None }
    }
}

/// The settings of a step without the lists of columns that it is done to: another column in the list does not change
/// what is done to the first.
fn without_lists(settings: &str) -> String {
    let mut out = String::new();
    let mut rest = settings;
    while let Some(at) = rest.find("columns: [") {
        let end = rest[at..].find(']').map_or(rest.len(), |end| at + end + 1);
        out += &rest[..at];
        rest = &rest[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::{Given, Step, clean};

    fn definitions(steps: &str) -> artifact::Definitions {
        let table = df!("a" => [1i64, 2], "b" => [3i64, 4], "t" => ["x ", "y"], "u" => [" z", "w"]).unwrap().lazy();
        let steps: Vec<Step> =
            spec::parse(steps, std::path::Path::new("steps.yaml"), &Default::default()).unwrap().spec;
        clean(table, &steps, &Given::default()).unwrap_or_else(|error| panic!("{error}")).definitions
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
            (derive, "- derive: {r: a / b, s: r * 3}", &["s"]),
            (derive, "- clip: {columns: [b], min: 0}\n- derive: {r: a / b, s: r * 2}", &["b", "r", "s"]),
            (derive, "- filter: a > 1\n- derive: {r: a / b, s: r * 2}", &[]),
            ("- trim: {columns: [t]}", "- trim: {columns: [t, u]}", &["u"]),
            ("- trim: {columns: [t]}", "- filter: a > 1", &["t"]),
            ("- rename: {a: r}", "- rename: {b: r}", &["r"]),
            ("- cast: {columns: {a: float64}}", "- cast: {columns: {a: float64, b: float64}}", &["b"]),
            ("- cast: {columns: {a: float64}}", "- cast: {columns: {a: string}}", &["a"]),
        ] {
            assert_eq!(changed(was, is), expected, "{was} -> {is}");
            assert_eq!(changed(is, is), [""; 0]);
        }
        let is = definitions("- clip: {columns: [a], min: 0}\n- cast: {columns: {a: float64}}")
            .column("a")
            .unwrap()
            .is
            .clone();
        assert_eq!(is, "clip, cast float64");
    }
}
