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
    /// What the step is called in definitions, where its name says too little.
    words: Option<String>,
}

impl Made {
    /// Says which step makes columns from here on.
    pub fn begin(&mut self, step: &'static str, settings: &str) {
        self.step = step;
        self.settings = without_lists(settings);
        self.words = None;
    }

    /// Says what the step at work does in place of its settings, such as what stands in its file, and in a few words.
    pub fn means(&mut self, settings: String, words: String) {
        self.settings = settings;
        self.words = Some(words);
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
                step => (self.words.clone().unwrap_or_else(|| step.to_owned()), self.settings.clone()),
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
    fn a_mapping_is_its_values_wherever_they_stand() {
        let path = "cities.csv";
        let of = |steps: &str, file: &str| {
            let table = df!("a" => [1i64, 2], "t" => ["x", "y"], "u" => ["z", "w"]).unwrap().lazy();
            let steps: Vec<Step> =
                spec::parse(steps, std::path::Path::new("steps.yaml"), &Default::default()).unwrap().spec;
            let mapping = crate::Mapping::read(file, std::path::Path::new(path)).unwrap();
            let given = Given { mappings: [(path.to_owned(), mapping)].into(), ..Given::default() };
            clean(table, &steps, &given).unwrap_or_else(|error| panic!("{error}")).definitions
        };
        let step = format!("- map_values: {{file: {path}}}");
        let was = of(&step, "column,before,after\nt,x,one\nt,y,two\nu,z,three\n");
        let changed = |steps: &str, file: &str| was.changed(&of(steps, file), ["t", "u"]);
        // Order and who decided mean nothing, nor does the place.
        let same = "column,before,after,accepted_by\nu,z,three,ann\nt,y,two,ann\nt,x,one,ann\n";
        assert_eq!(changed(&step, same), [""; 0]);
        let inline =
            "- map_values: {columns: [t], values: {x: one, y: two}}\n- map_values: {columns: [u], values: {z: three}}";
        assert_eq!(changed(inline, same), [""; 0]);
        // Another value, one more, an empty cell: of the column that has it.
        for other in ["t,x,one\nt,y,other\nu,z,three", "t,x,one\nt,y,two\nt,q,r\nu,z,three", "t,x,one\nt,y,\nu,z,three"]
        {
            let found = changed(&step, &format!("column,before,after\n{other}\n"));
            assert_eq!(found.len(), 1, "{other}: {found:?}");
            let words = &found[0];
            assert!(
                words.starts_with("'t' is map_values by cities.csv ")
                    && words.contains(" now, was map_values by cities.csv "),
                "{words}"
            );
        }
        assert_eq!(changed(&format!("- map_values: {{file: {path}, default: null}}"), same).len(), 2);
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
