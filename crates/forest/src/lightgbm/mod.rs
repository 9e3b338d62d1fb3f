//! LightGBM's model text: read to the end, every list as long as its tree announces, every index pointing to something.

mod objective;
mod text;

use spec::{Error, Result};

use crate::checked::{Checked, shown};
use crate::model::{Leaf, Missing, Model, Reading, Split, Test, Tree, check_shape};
use crate::transform::Transform;
use objective::objective;
use text::{Fields, Reader, atof, check_length, groups, number, numbers};

/// LightGBM's own limit.
const MOST_LEAVES: usize = 131_072;
const MOST_CLASSES: usize = 10_000;

/// Reads `text` to its end. The error names the line.
pub(crate) fn read(text: &str) -> Result<Model> {
    let mut reader = Reader::new(text);
    read_all(&mut reader).map_err(|cause| {
        Error::cannot_run(format!("line {}: {cause}", reader.number.max(1)))
            .hint("the file is damaged or not a model of LightGBM 4; restore it, or train again")
    })
}

fn read_all(reader: &mut Reader<'_>) -> Checked<Model> {
    let (mut model, tree_sizes) = header(reader)?;
    for (at, size) in tree_sizes.iter().enumerate() {
        let tree = tree_block(reader, at, *size, model.feature_names.len())?;
        model.trees.push(tree);
    }
    reader.expect("end of trees", "'end of trees'")?;
    rest(reader)?;
    Ok(model)
}

fn header(reader: &mut Reader<'_>) -> Checked<(Model, Vec<usize>)> {
    reader.expect("tree", "the word 'tree'")?;
    let mut fields = Fields::default();
    loop {
        match reader.next("the header")? {
            "" => break,
            line @ "average_output" => fields.add(line, "")?,
            line => fields.add_line(line)?,
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
    let per_iteration: usize = number(fields.take("num_tree_per_iteration")?, "num_tree_per_iteration")?;
    if per_iteration != classes {
        return Err(format!("'num_tree_per_iteration' is {per_iteration} with {classes} classes"));
    }
    number::<u32>(fields.take("label_index")?, "label_index")?;
    let last: usize = number(fields.take("max_feature_idx")?, "max_feature_idx")?;
    let features = last.checked_add(1).filter(|count| *count <= i32::MAX as usize);
    let features = features.ok_or_else(|| format!("'max_feature_idx' is {last}, which is too large"))?;
    let (objective, transform) = match fields.take_if_there("objective") {
        Some(text) => {
            let (name, transform) = objective(text, classes)?;
            (Some(name), transform)
        }
        None => (None, Transform::Identity),
    };
    let averages = fields.take_if_there("average_output").is_some();
    let feature_names: Vec<String> = fields.take("feature_names")?.split(' ').map(str::to_owned).collect();
    check_length("feature_names", feature_names.len(), features)?;
    if feature_names.iter().any(String::is_empty) {
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
    let (reading, base) = (Reading::NearZero, vec![0.0; classes]);
    Ok((
        Model {
            feature_names,
            outputs: classes,
            averages,
            objective,
            transform,
            reading,
            base,
            per_round: 1,
            trees: Vec::new(),
        },
        tree_sizes,
    ))
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

/// Tree number `at`, which must have `size` bytes.
fn tree_block(reader: &mut Reader<'_>, at: usize, size: usize, features: usize) -> Checked<Tree> {
    let (title, mut bytes) = reader.next_sized("a tree")?;
    if title != format!("Tree={at}") {
        return Err(format!("{} where 'Tree={at}' is expected", shown(title)));
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
    let in_tree = |cause: String| format!("tree {at}: {cause}");
    let tree = tree(&mut fields, features).map_err(in_tree)?;
    fields.nothing_left().map_err(in_tree)?;
    match bytes == size {
        true => Ok(tree),
        false => Err(format!("tree {at} has {bytes} bytes, but 'tree_sizes' says {size}")),
    }
}

fn tree(fields: &mut Fields<'_>, features: usize) -> Checked<Tree> {
    let leaves: usize = number(fields.take("num_leaves")?, "num_leaves")?;
    if leaves == 0 || leaves > MOST_LEAVES {
        return Err(format!("'num_leaves' is {leaves}, not 1 to {MOST_LEAVES}"));
    }
    let splits = leaves - 1;
    let sets: usize = number(fields.take("num_cat")?, "num_cat")?;
    if sets > splits {
        return Err(format!("'num_cat' is {sets} with {splits} splits"));
    }
    let is_linear = match fields.take("is_linear")? {
        "0" => false,
        "1" => true,
        other => return Err(format!("'is_linear' is {}", shown(other))),
    };
    let shrinkage: f64 = number(fields.take("shrinkage")?, "shrinkage")?;
    if !shrinkage.is_finite() {
        return Err("'shrinkage' is not finite".to_owned());
    }
    let values: Vec<f64> = fields.list("leaf_value", leaves, leaves)?;
    finite("leaf_value", &values)?;
    let counts: Vec<i32> = fields.list("leaf_count", leaves, leaves)?;
    at_least("leaf_count", &counts, 0)?;
    let count = |at: usize| f64::from(counts.get(at).copied().unwrap_or_default());
    let leaf = |at: usize| Leaf { value: values[at], count: count(at), ..Leaf::default() };
    let mut tree = Tree { leaves: (0..leaves).map(leaf).collect(), is_linear, splits: Vec::new() };
    tree.splits = read_splits(fields, splits, sets, features)?;
    check_shape(&tree.splits)?;
    if is_linear {
        linear_leaves(fields, &mut tree.leaves, features)?;
    }
    Ok(tree)
}

fn finite(name: &str, values: &[f64]) -> Checked<()> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(format!("'{name}' holds a number that is not finite")),
    }
}

fn at_least(name: &str, counts: &[i32], least: i32) -> Checked<()> {
    match counts.iter().find(|count| **count < least) {
        Some(wrong) => Err(format!("'{name}' holds {wrong}")),
        None => Ok(()),
    }
}

fn read_splits(fields: &mut Fields<'_>, length: usize, sets: usize, features: usize) -> Checked<Vec<Split>> {
    let leaves = length + 1;
    // Values, weights and gains inside a tree are only recorded. A gain may be infinite.
    finite("internal_value", &fields.list("internal_value", length, leaves)?)?;
    let gains = fields.take_if_there("split_gain").unwrap_or_default();
    for (name, values) in [
        ("leaf_weight", fields.list::<f64>("leaf_weight", leaves, leaves)?),
        ("internal_weight", fields.list("internal_weight", length, leaves)?),
        ("split_gain", numbers(gains, "split_gain")?),
    ] {
        if values.iter().any(|value| value.is_nan()) {
            return Err(format!("'{name}' holds NaN"));
        }
    }
    // LightGBM keeps gains as `f32`.
    let gains: Vec<f32> = gains.split(' ').filter(|gain| !gain.is_empty()).map(|gain| atof(gain) as f32).collect();
    if length > 0 || gains.len() > 1 {
        check_length("split_gain", gains.len(), length)?;
    }
    let counts: Vec<i32> = fields.list("internal_count", length, leaves)?;
    // Contributions weigh each branch by its share of the rows.
    at_least("internal_count", &counts, 1)?;
    let split_features: Vec<u32> = fields.list("split_feature", length, leaves)?;
    if let Some(wrong) = split_features.iter().find(|feature| **feature as usize >= features) {
        return Err(format!("'split_feature' holds {wrong}, but there are {features} features"));
    }
    let thresholds: Vec<f64> = fields.list("threshold", length, leaves)?;
    let decisions: Vec<i8> = fields.list("decision_type", length, leaves)?;
    let left: Vec<i32> = fields.list("left_child", length, leaves)?;
    let right: Vec<i32> = fields.list("right_child", length, leaves)?;
    let mut bits = read_sets(fields, sets)?;
    let mut used = 0;
    let mut splits = Vec::with_capacity(length);
    for at in 0..length {
        let test = test(thresholds[at], decisions[at], &mut bits)?;
        used += usize::from(matches!(test, Test::Set { .. }));
        let (feature, gain, count) = (split_features[at], gains[at], f64::from(counts[at]));
        splits.push(Split { feature, test, left: left[at], right: right[at], gain, count });
    }
    match used == sets {
        true => Ok(splits),
        false => Err(format!("{used} splits by categories, but 'num_cat' is {sets}")),
    }
}

/// The sets of categories, as bits.
fn read_sets(fields: &mut Fields<'_>, sets: usize) -> Checked<Vec<Option<Vec<u32>>>> {
    if sets == 0 {
        return Ok(Vec::new());
    }
    let boundaries: Vec<u32> = numbers(fields.take("cat_boundaries")?, "cat_boundaries")?;
    check_length("cat_boundaries", boundaries.len(), sets + 1)?;
    if boundaries[0] != 0 || boundaries.windows(2).any(|pair| pair[0] >= pair[1]) || boundaries[sets] > i32::MAX as u32
    {
        return Err("'cat_boundaries' does not grow from 0".to_owned());
    }
    let bits: Vec<u32> = numbers(fields.take("cat_threshold")?, "cat_threshold")?;
    check_length("cat_threshold", bits.len(), boundaries[sets] as usize)?;
    Ok(boundaries.windows(2).map(|pair| Some(bits[pair[0] as usize..pair[1] as usize].to_vec())).collect())
}

/// Bit 0 of the decision: a set of categories, whose number is the threshold. Bit 1: missing values go left. Bits 2 and 3:
/// what counts as missing (nothing, 0, NaN).
fn test(threshold: f64, decision: i8, sets: &mut [Option<Vec<u32>>]) -> Checked<Test> {
    if threshold.is_nan() {
        return Err("'threshold' holds NaN".to_owned());
    }
    let missing = match decision >> 2 {
        0 => Missing::Never,
        1 => Missing::Zero,
        2 => Missing::Nan,
        _ => return Err(format!("'decision_type' holds {decision}")),
    };
    if decision & 1 == 0 {
        return Ok(Test::Number { threshold, missing, missing_left: decision & 2 != 0 });
    }
    let count = sets.len();
    let set = (threshold.fract() == 0.0 && threshold >= 0.0).then(|| sets.get_mut(threshold as usize)).flatten();
    let set = set.ok_or_else(|| format!("a split uses set {threshold} of {count} sets of categories"))?;
    // Each set belongs to one split, so that a short text cannot ask for much memory.
    set.take()
        .map(|bits| Test::Set { bits, missing: false })
        .ok_or_else(|| format!("two splits use set {threshold} of categories"))
}

fn linear_leaves(fields: &mut Fields<'_>, leaves: &mut [Leaf], features: usize) -> Checked<()> {
    let constants: Vec<f64> = groups(fields.take("leaf_const")?, "leaf_const", leaves.len())?;
    finite("leaf_const", &constants)?;
    let lengths: Vec<u32> = groups(fields.take("num_features")?, "num_features", leaves.len())?;
    let total = lengths.iter().try_fold(0usize, |sum, length| sum.checked_add(*length as usize));
    let total = total.ok_or("'num_features' holds numbers that are too large")?;
    let used: Vec<u32> = groups(fields.take("leaf_features")?, "leaf_features", total)?;
    if let Some(wrong) = used.iter().find(|feature| **feature as usize >= features) {
        return Err(format!("'leaf_features' holds {wrong}, but there are {features} features"));
    }
    let coefficients: Vec<f64> = groups(fields.take("leaf_coeff")?, "leaf_coeff", total)?;
    finite("leaf_coeff", &coefficients)?;
    let mut terms = used.into_iter().zip(coefficients);
    for ((leaf, constant), length) in leaves.iter_mut().zip(constants).zip(lengths) {
        leaf.constant = constant;
        leaf.terms = terms.by_ref().take(length as usize).collect();
    }
    Ok(())
}

/// Importances, parameters and what Python adds: nothing that scores.
fn rest(reader: &mut Reader<'_>) -> Checked<()> {
    reader.expect("", "an empty line")?;
    reader.expect("feature_importances:", "'feature_importances:'")?;
    loop {
        let line = reader.next("the importances")?;
        if line.is_empty() {
            break;
        }
        let count = line.rsplit_once('=').map(|(_, count)| count.parse::<u64>());
        if !matches!(count, Some(Ok(_))) {
            return Err(format!("{} is not an importance", shown(line)));
        }
    }
    reader.expect("parameters:", "'parameters:'")?;
    loop {
        let line = reader.next("the parameters")?;
        if line == "end of parameters" {
            break;
        }
        let pair = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if !line.is_empty() && pair.is_none_or(|pair| !pair.contains(": ")) {
            return Err(format!("{} is not a parameter", shown(line)));
        }
    }
    // Python's category names may follow; LightGBM itself ignores them, and so do we.
    while let Some(line) = reader.rest() {
        if !line.is_empty() && !line.starts_with("pandas_categorical:") {
            return Err(format!("{} after the end of the parameters", shown(line)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_belongs_to_one_split() {
        let mut sets = vec![Some(vec![1])];
        assert!(matches!(test(0.0, 1, &mut sets), Ok(Test::Set { bits, .. }) if bits == [1]));
        assert_eq!(test(0.0, 1, &mut sets).unwrap_err(), "two splits use set 0 of categories");
        assert_eq!(test(1.0, 1, &mut sets).unwrap_err(), "a split uses set 1 of 1 sets of categories");
        assert_eq!(test(0.5, 1, &mut sets).unwrap_err(), "a split uses set 0.5 of 1 sets of categories");
        assert_eq!(test(0.5, 12, &mut sets).unwrap_err(), "'decision_type' holds 12");
        assert_eq!(test(0.5, -1, &mut sets).unwrap_err(), "'decision_type' holds -1");
    }
}
