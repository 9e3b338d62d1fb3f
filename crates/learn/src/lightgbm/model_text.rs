//! A reader of LightGBM's model text that believes nothing, for texts are handed to C++ code that believes everything:
//! an index beyond its list reads foreign memory there, a count too large ends the process.
//!
//! [`check`] takes what LightGBM 4 writes, from here or from Python: header, trees, importances and parameters. Every list has the length that its tree announces, every index points to something, and the nodes of each
//! tree are a tree.

use spec::{Error, Result};

/// What a model text says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub features: usize,
    /// Numbers per row: 1, or as many as there are classes.
    pub classes: usize,
    pub trees: usize,
    /// Whether a prediction is the mean over the trees (random forest), not their sum.
    pub averages: bool,
    /// Trees of a single leaf.
    pub stumps: usize,
}

/// Trees deeper than this are no trees that anybody trained: contributions need memory that grows with the square.
const DEEPEST: usize = 2_000;
/// LightGBM's own limit.
const MOST_LEAVES: usize = 131_072;

const MOST_CLASSES: usize = 10_000;

/// The objectives by which models score; those of rankings are none.
const OBJECTIVES: [&str; 14] = [
    "binary",
    "regression",
    "regression_l1",
    "huber",
    "fair",
    "poisson",
    "quantile",
    "mape",
    "gamma",
    "tweedie",
    "cross_entropy",
    "cross_entropy_lambda",
    "multiclass",
    "multiclassova",
];

/// Reads `text` to its end. The error names the line.
pub(crate) fn check(text: &str) -> Result<Outline> {
    let mut reader = Reader { lines: text.split_inclusive('\n'), number: 0 };
    let outline = header(&mut reader).and_then(|header| {
        let outline = trees(&mut reader, &header)?;
        rest(&mut reader)?;
        Ok(outline)
    });
    outline.map_err(|cause| {
        Error::cannot_run(format!("line {}: {cause}", reader.number.max(1)))
            .hint("the file is damaged or no model of LightGBM 4; restore it, or train again")
    })
}

type Checked<T> = std::result::Result<T, String>;

/// Lines one by one. The last must be closed, too: a text that was cut off anywhere is none.
struct Reader<'a> {
    lines: std::str::SplitInclusive<'a, char>,
    number: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self, wanted: &str) -> Checked<&'a str> {
        Ok(self.next_sized(wanted)?.0)
    }

    /// The line, and its length in bytes with its end.
    fn next_sized(&mut self, wanted: &str) -> Checked<(&'a str, usize)> {
        self.number += 1;
        let line = self.lines.next().ok_or_else(|| format!("the text ends where {wanted} should stand"))?;
        let whole = line.strip_suffix('\n').ok_or_else(|| format!("the text is cut off in {wanted}"))?;
        match whole.find(|c: char| c.is_control()) {
            Some(_) => Err(format!("{wanted} holds a control character")),
            None => Ok((whole, line.len())),
        }
    }
}

struct Header {
    features: usize,
    classes: usize,
    averages: bool,
    tree_sizes: Vec<usize>,
}

fn header(reader: &mut Reader<'_>) -> Checked<Header> {
    expect(reader, "tree", "the word 'tree'")?;
    let mut fields = Fields::default();
    loop {
        let line = reader.next("the header")?;
        match line {
            "" => break,
            "average_output" => fields.add(line, "")?,
            _ => fields.add_line(line)?,
        }
    }
    let version = fields.take("version")?;
    if !matches!(version, "v2" | "v3" | "v4") {
        return Err(format!("version {} is not known", shown(version)));
    }
    let classes: usize = number(fields.take("num_class")?, "num_class")?;
    if classes == 0 || classes > MOST_CLASSES {
        return Err(format!("'num_class' is {classes}, not 1 to {MOST_CLASSES}"));
    }
    let trees: usize = number(fields.take("num_tree_per_iteration")?, "num_tree_per_iteration")?;
    if trees != classes {
        return Err(format!("'num_tree_per_iteration' is {trees} with {classes} classes"));
    }
    number::<u32>(fields.take("label_index")?, "label_index")?;
    let last: usize = number(fields.take("max_feature_idx")?, "max_feature_idx")?;
    let features = last.checked_add(1).filter(|count| *count <= i32::MAX as usize);
    let features = features.ok_or_else(|| format!("'max_feature_idx' is {last}, which is too large"))?;
    if let Some(objective) = fields.take_if_there("objective") {
        check_objective(objective, classes)?;
    }
    let averages = fields.take_if_there("average_output").is_some();
    let names: Vec<&str> = fields.take("feature_names")?.split(' ').collect();
    check_length("feature_names", names.len(), features)?;
    if names.iter().any(|name| name.is_empty()) {
        return Err("'feature_names' holds an empty name".to_owned());
    }
    let infos: Vec<&str> = fields.take("feature_infos")?.split(' ').collect();
    check_length("feature_infos", infos.len(), features)?;
    if let Some(wrong) = infos.iter().find(|info| !is_feature_info(info)) {
        return Err(format!("'feature_infos' holds {}", shown(wrong)));
    }
    if let Some(constraints) = fields.take_if_there("monotone_constraints") {
        let signs: Vec<i8> = numbers(constraints, "monotone_constraints")?;
        check_length("monotone_constraints", signs.len(), features)?;
        if signs.iter().any(|sign| !(-1..=1).contains(sign)) {
            return Err("'monotone_constraints' holds a number that is not -1, 0 or 1".to_owned());
        }
    }
    let tree_sizes: Vec<usize> = numbers(fields.take("tree_sizes")?, "tree_sizes")?;
    if !tree_sizes.len().is_multiple_of(classes) {
        return Err(format!("'tree_sizes' has {} entries with {classes} classes", tree_sizes.len()));
    }
    fields.nothing_left()?;
    Ok(Header { features, classes, averages, tree_sizes })
}

/// `binary sigmoid:1`, `regression sqrt`, `multiclass num_class:3`.
fn check_objective(text: &str, classes: usize) -> Checked<()> {
    let mut words = text.split(' ');
    let name = words.next().unwrap_or_default();
    if !OBJECTIVES.contains(&name) {
        return Err(format!("objective {} is not known", shown(name)));
    }
    let (mut sigmoid, mut told) = (false, None);
    for word in words {
        let known = match word.split_once(':') {
            Some(("sigmoid", value)) if matches!(name, "binary" | "multiclassova") && !sigmoid => {
                sigmoid = true;
                number::<f64>(value, "objective")? > 0.0
            }
            Some(("num_class", value)) if name.starts_with("multiclass") && told.is_none() => {
                told = Some(number::<usize>(value, "objective")?);
                true
            }
            None => word == "sqrt" && name != "binary" && !name.starts_with("cross") && !name.starts_with("multi"),
            Some(_) => false,
        };
        if !known {
            return Err(format!("objective '{name}' has {} with it", shown(word)));
        }
    }
    match told.unwrap_or(1) == classes && sigmoid == matches!(name, "binary" | "multiclassova") {
        true => Ok(()),
        false => Err(format!("objective {} does not fit {classes} classes", shown(text))),
    }
}

/// `none`, `[low:high]` of a number, or the categories `0:1:2`.
fn is_feature_info(info: &str) -> bool {
    if info == "none" {
        return true;
    }
    match info.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(range) => range.split_once(':').is_some_and(|(low, high)| {
            low.parse::<f64>().is_ok_and(|low| !low.is_nan()) && high.parse::<f64>().is_ok_and(|high| !high.is_nan())
        }),
        None => info.split(':').all(|code| code.parse::<i64>().is_ok()),
    }
}

fn trees(reader: &mut Reader<'_>, header: &Header) -> Checked<Outline> {
    let mut stumps = 0;
    for (at, size) in header.tree_sizes.iter().enumerate() {
        let (title, mut bytes) = reader.next_sized("a tree")?;
        if title != format!("Tree={at}") {
            return Err(format!("{} where 'Tree={at}' should stand", shown(title)));
        }
        let mut fields = Fields::default();
        loop {
            let (line, length) = reader.next_sized("a tree")?;
            bytes += length;
            match line {
                "" => break,
                line => fields.add_line(line)?,
            }
        }
        let (line, length) = reader.next_sized("the end of a tree")?;
        bytes += length;
        if !line.is_empty() {
            return Err(format!("{} where tree {at} should end", shown(line)));
        }
        let leaves = tree(&mut fields, header.features).map_err(|cause| format!("tree {at}: {cause}"))?;
        fields.nothing_left().map_err(|cause| format!("tree {at}: {cause}"))?;
        if bytes != *size {
            return Err(format!("tree {at} has {bytes} bytes, but 'tree_sizes' says {size}"));
        }
        stumps += usize::from(leaves == 1);
    }
    expect(reader, "end of trees", "'end of trees'")?;
    let Header { features, classes, averages, .. } = *header;
    Ok(Outline { features, classes, trees: header.tree_sizes.len(), averages, stumps })
}

/// Checks one tree; returns the number of its leaves.
fn tree(fields: &mut Fields<'_>, features: usize) -> Checked<usize> {
    let leaves: usize = number(fields.take("num_leaves")?, "num_leaves")?;
    if leaves == 0 || leaves > MOST_LEAVES {
        return Err(format!("'num_leaves' is {leaves}, not 1 to {MOST_LEAVES}"));
    }
    let nodes = leaves - 1;
    let categorical: usize = number(fields.take("num_cat")?, "num_cat")?;
    if categorical > nodes {
        return Err(format!("'num_cat' is {categorical} with {nodes} splits"));
    }
    if fields.take("is_linear")? != "0" {
        return Err("linear trees are not known here".to_owned());
    }
    let shrinkage: f64 = number(fields.take("shrinkage")?, "shrinkage")?;
    if !shrinkage.is_finite() {
        return Err("'shrinkage' is no finite number".to_owned());
    }
    for (name, length) in [("leaf_value", leaves), ("internal_value", nodes)] {
        let values: Vec<f64> = fields.list(name, length, leaves)?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!("'{name}' holds a number that is not finite"));
        }
    }
    // Weights and gains are only told. A gain may be infinite.
    for (name, length) in [("leaf_weight", leaves), ("internal_weight", nodes), ("split_gain", nodes)] {
        let values: Vec<f64> = fields.list(name, length, leaves)?;
        if values.iter().any(|value| value.is_nan()) {
            return Err(format!("'{name}' holds a number that is none"));
        }
    }
    for (name, length, least) in [("leaf_count", leaves, 0), ("internal_count", nodes, 1)] {
        let counts: Vec<i32> = fields.list(name, length, leaves)?;
        // Contributions weigh each branch by its share of the rows.
        if let Some(wrong) = counts.iter().find(|count| **count < least) {
            return Err(format!("'{name}' holds {wrong}"));
        }
    }
    let split: Vec<usize> = fields.list("split_feature", nodes, leaves)?;
    if let Some(wrong) = split.iter().find(|feature| **feature >= features) {
        return Err(format!("'split_feature' holds {wrong}, but there are {features} features"));
    }
    let thresholds: Vec<f64> = fields.list("threshold", nodes, leaves)?;
    let decisions: Vec<i8> = fields.list("decision_type", nodes, leaves)?;
    check_decisions(&thresholds, &decisions, categorical)?;
    if categorical > 0 {
        let boundaries: Vec<i32> = numbers(fields.take("cat_boundaries")?, "cat_boundaries")?;
        check_length("cat_boundaries", boundaries.len(), categorical + 1)?;
        if boundaries[0] != 0 || boundaries.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("'cat_boundaries' does not grow from 0".to_owned());
        }
        let bits: Vec<u32> = numbers(fields.take("cat_threshold")?, "cat_threshold")?;
        check_length("cat_threshold", bits.len(), boundaries[categorical] as usize)?;
    }
    let left: Vec<i32> = fields.list("left_child", nodes, leaves)?;
    let right: Vec<i32> = fields.list("right_child", nodes, leaves)?;
    check_shape(&left, &right)?;
    Ok(leaves)
}

/// Bit 0: a set of categories, whose number is the threshold. Bit 1: missing values go left. Bits 2 and 3: what counts as
/// missing (nothing, 0, NaN).
fn check_decisions(thresholds: &[f64], decisions: &[i8], categorical: usize) -> Checked<()> {
    let mut sets = 0;
    for (threshold, decision) in thresholds.iter().zip(decisions) {
        if !(0..12).contains(decision) {
            return Err(format!("'decision_type' holds {decision}"));
        }
        if threshold.is_nan() {
            return Err("'threshold' holds a number that is none".to_owned());
        }
        if decision & 1 == 1 {
            if threshold.fract() != 0.0 || *threshold < 0.0 || *threshold >= categorical as f64 {
                return Err(format!("a split asks for set {threshold} of {categorical} sets of categories"));
            }
            sets += 1;
        }
    }
    match sets == categorical {
        true => Ok(()),
        false => Err(format!("{sets} splits by categories, but 'num_cat' is {categorical}")),
    }
}

/// Whether the nodes are one tree: from the root, each is reached once. A child of 0 or more is a node, another the leaf
/// of its complement.
fn check_shape(left: &[i32], right: &[i32]) -> Checked<()> {
    let nodes = left.len();
    let (mut seen_nodes, mut seen_leaves) = (vec![false; nodes], vec![false; nodes + 1]);
    let mut open = Vec::new();
    if nodes > 0 {
        seen_nodes[0] = true;
        open.push((0usize, 1usize));
    }
    let (mut reached, mut leaves) = (open.len(), 0);
    while let Some((node, depth)) = open.pop() {
        if depth > DEEPEST {
            return Err(format!("deeper than {DEEPEST} questions"));
        }
        for child in [left[node], right[node]] {
            let (seen, at) = match usize::try_from(child) {
                Ok(at) => (&mut seen_nodes, at),
                Err(_) => (&mut seen_leaves, !child as usize),
            };
            match seen.get_mut(at) {
                None => return Err(format!("a child is {child}, but there are {nodes} splits")),
                Some(true) => return Err(format!("{child} is the child of two splits")),
                Some(seen) => *seen = true,
            }
            match usize::try_from(child) {
                Ok(at) => {
                    reached += 1;
                    open.push((at, depth + 1));
                }
                Err(_) => leaves += 1,
            }
        }
    }
    match reached == nodes && (nodes == 0 || leaves == nodes + 1) {
        true => Ok(()),
        false => Err(format!("{} of {nodes} splits cannot be reached", nodes - reached)),
    }
}

/// Importances, parameters and what Python adds: nothing that scores, but for linear trees.
fn rest(reader: &mut Reader<'_>) -> Checked<()> {
    expect(reader, "", "an empty line")?;
    expect(reader, "feature_importances:", "'feature_importances:'")?;
    loop {
        let line = reader.next("the importances")?;
        if line.is_empty() {
            break;
        }
        let count = line.rsplit_once('=').map(|(_, count)| count.parse::<u64>());
        if !matches!(count, Some(Ok(_))) {
            return Err(format!("{} is no importance", shown(line)));
        }
    }
    expect(reader, "parameters:", "'parameters:'")?;
    loop {
        let line = reader.next("the parameters")?;
        if line == "end of parameters" {
            break;
        }
        let pair =
            line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|pair| pair.split_once(": "));
        match pair {
            Some(("linear_tree", value)) if value != "0" => return Err("linear trees are not known here".to_owned()),
            Some(_) => {}
            None if line.is_empty() => {}
            None => return Err(format!("{} is no parameter", shown(line))),
        }
    }
    // Python's category names may follow; LightGBM itself ignores them, and so do we.
    for line in reader.lines.by_ref() {
        reader.number += 1;
        let line = line.trim_end_matches('\n');
        if !line.is_empty() && !line.starts_with("pandas_categorical:") {
            return Err(format!("{} after the end of the parameters", shown(line)));
        }
    }
    Ok(())
}

fn expect(reader: &mut Reader<'_>, wanted: &str, words: &str) -> Checked<()> {
    match reader.next(words)? {
        line if line == wanted => Ok(()),
        line => Err(format!("{} where {words} should stand", shown(line))),
    }
}

/// Lines `name=value`, each name once.
#[derive(Default)]
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn add_line(&mut self, line: &'a str) -> Checked<()> {
        let (name, value) = line.split_once('=').ok_or_else(|| format!("{} is no 'name=value'", shown(line)))?;
        // LightGBM splits names of features at blanks only: they may hold the sign.
        if value.contains('=') && name != "feature_names" {
            return Err(format!("'{}' has two values", name.escape_debug()));
        }
        self.add(name, value)
    }

    fn add(&mut self, name: &'a str, value: &'a str) -> Checked<()> {
        match self.0.iter().any(|(known, _)| *known == name) {
            true => Err(format!("{} is given twice", shown(name))),
            false => {
                self.0.push((name, value));
                Ok(())
            }
        }
    }

    fn take_if_there(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn take(&mut self, name: &str) -> Checked<&'a str> {
        self.take_if_there(name).ok_or_else(|| format!("no '{name}'"))
    }

    /// A list of one number for each leaf or split. Of a tree of one leaf some lists are left out, or hold a number that
    /// nobody reads.
    fn list<T: std::str::FromStr>(&mut self, name: &str, length: usize, leaves: usize) -> Checked<Vec<T>> {
        let needed = name == "leaf_value" || leaves > 1;
        let Some(text) = self.take_if_there(name) else {
            return if needed { Err(format!("no '{name}'")) } else { Ok(Vec::new()) };
        };
        let values = numbers(text, name)?;
        match (needed, values.len()) {
            (true, found) => check_length(name, found, length).map(|()| values),
            (false, 0 | 1) => Ok(Vec::new()),
            (false, found) => Err(format!("'{name}' has {found} numbers in a tree of one leaf")),
        }
    }

    fn nothing_left(&self) -> Checked<()> {
        match self.0.first() {
            Some((name, _)) => Err(format!("{} is not known", shown(name))),
            None => Ok(()),
        }
    }
}

fn numbers<T: std::str::FromStr>(text: &str, name: &str) -> Checked<Vec<T>> {
    match text {
        "" => Ok(Vec::new()),
        text => text.split(' ').map(|part| number(part, name)).collect(),
    }
}

/// A number without sign characters, blanks or words that Rust reads and C++ does not.
fn number<T: std::str::FromStr>(text: &str, name: &str) -> Checked<T> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && !text.starts_with('+');
    let special = matches!(text, "inf" | "-inf" | "nan" | "-nan");
    let number = if plain || special { text.parse().ok() } else { None };
    number.ok_or_else(|| format!("'{name}' holds {}", shown(text)))
}

fn check_length(name: &str, found: usize, wanted: usize) -> Checked<()> {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("'{name}' has {found} entries, not {wanted}")),
    }
}

/// A part of the text, short and on one line.
fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let short: String = text.chars().take(MOST).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("'{}{more}'", short.escape_debug())
}

#[cfg(test)]
mod tests;
