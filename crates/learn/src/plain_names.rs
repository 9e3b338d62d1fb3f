//! Names of features as libraries take them.

use std::collections::HashSet;

use score::Feature;

/// Names that LightGBM and XGBoost accept: no JSON characters, no blanks, no `<`, each once. Only for people who look at the
/// model file; what counts is the order of the features.
pub(crate) fn plain_names(features: &[Feature]) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for feature in features {
        let plain: String = feature
            .name
            .chars()
            .map(|c| if c.is_whitespace() || c.is_control() || "\",:[]{}=<".contains(c) { '_' } else { c })
            .collect();
        let plain = if plain.is_empty() { "_".to_owned() } else { plain };
        let mut name = plain.clone();
        let mut count = 1;
        while !seen.insert(name.clone()) {
            count += 1;
            name = format!("{plain}_{count}");
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_plain_and_unique() {
        let features = ["a b", "a:b", "ä", "a_b_2", "a<b", ""].map(Feature::numeric);
        assert_eq!(plain_names(&features), ["a_b", "a_b_2", "ä", "a_b_2_2", "a_b_3", "_"]);
    }
}
