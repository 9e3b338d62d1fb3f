//! "Did you mean": the nearest valid name to one that is not.

/// The candidate most like `word`, if any is like enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The way out for an unknown `word`: the nearest candidate, or all of them.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if candidates.is_empty() => "there is none to choose from".to_owned(),
        None => format!("choose one of: {}", candidates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_near_and_lists_when_none_is_near() {
        assert_eq!(did_you_mean("dedup", ["trim", "dedupe", "drop_null"]), "did you mean 'dedupe'?");
        assert_eq!(did_you_mean("xyz", ["trim", "dedupe"]), "choose one of: trim, dedupe");
    }
}
