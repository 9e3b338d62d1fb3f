//! Why a row scored as it did, in words: the features that contributed most.

use crate::calendar::{day, moment};
use crate::likeness::short;
use crate::{Feature, FeatureKind};

/// The `count` features that contributed most to one row's raw score, strongest first, such as
/// `recency_days=143 (+0.82)`.
///
/// `contributions` and `values` hold one number per feature, as in [`crate::Contributions::row`] and the
/// columns of [`crate::Matrix`]. `told` gives what stands in the row where the model sees a missing value, if something does:
/// a category that it does not know, or a number that is none or infinite. Features without any contribution are left out;
/// equal ones keep their order.
pub fn reasons(
    contributions: &[f64],
    features: &[Feature],
    values: &[f64],
    told: &dyn Fn(usize) -> Option<String>,
    count: usize,
) -> Vec<String> {
    strongest(contributions, count)
        .into_iter()
        .map(|at| {
            let value = match values[at].is_nan().then(|| told(at)).flatten() {
                Some(category) if features[at].categories().is_some() => format!("unseen: {}", short(&category)),
                Some(number) => format!("{number}, as missing"),
                None => value_text(&features[at], values[at]),
            };
            format!("{}={value} ({:+.2})", features[at].name, contributions[at])
        })
        .collect()
}

/// Positions of the `count` numbers farthest from 0, farthest first.
fn strongest(contributions: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..contributions.len()).filter(|at| contributions[*at] != 0.0).collect();
    order.sort_by(|a, b| contributions[*b].abs().total_cmp(&contributions[*a].abs()));
    order.truncate(count);
    order
}

/// A value as its column shows it.
pub(crate) fn value_text(feature: &Feature, value: f64) -> String {
    if value.is_nan() {
        return "missing".to_owned();
    }
    match (&feature.kind, feature.column_type.as_str()) {
        (FeatureKind::Categorical { categories }, _) => {
            categories.get(value as usize).cloned().unwrap_or_else(|| "unknown".to_owned())
        }
        (_, "bool") => (value != 0.0).to_string(),
        (_, "date") => day(value as i64),
        (_, "datetime") => moment((value * 1e6) as i64),
        _ => number_text(value),
    }
}

/// A number with four significant digits, whole numbers in full.
pub(crate) fn number_text(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let digits = 3 - (value.abs().log10().floor() as i32);
    let text = format!("{value:.*}", digits.clamp(0, 12) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(name: &str, column_type: &str) -> Feature {
        Feature { name: name.to_owned(), column_type: column_type.to_owned(), kind: FeatureKind::Numeric }
    }

    #[test]
    fn the_strongest_come_first_in_words() {
        let country = Feature {
            kind: FeatureKind::Categorical { categories: vec!["at".to_owned(), "de".to_owned()] },
            ..feature("country", "string")
        };
        let features = [
            feature("recency_days", "int64"),
            country,
            feature("mean", "float64"),
            feature("since", "date"),
            feature("vip", "bool"),
        ];
        let contributions = [0.824, -1.5, 0.0, 0.1, -0.2];
        let values = [143.0, 1.0, 5.5, 10_286.0, 1.0];
        assert_eq!(
            reasons(&contributions, &features, &values, &|_| None, 4),
            ["country=de (-1.50)", "recency_days=143 (+0.82)", "vip=true (-0.20)", "since=1998-03-01 (+0.10)"]
        );
        let missing = [f64::NAN, f64::NAN];
        let unseen = |at: usize| (at == 1).then(|| "Essen".to_owned());
        assert_eq!(
            reasons(&contributions[..2], &features, &missing, &unseen, 3),
            ["country=unseen: Essen (-1.50)", "recency_days=missing (+0.82)"]
        );
        assert_eq!(reasons(&contributions[..2], &features, &values, &unseen, 1), ["country=de (-1.50)"]);
        let infinite = |at: usize| (at == 0).then(|| "inf".to_owned());
        assert_eq!(
            reasons(&contributions[..2], &features, &missing, &infinite, 3),
            ["country=missing (-1.50)", "recency_days=inf, as missing (+0.82)"]
        );
        assert_eq!(reasons(&[], &[], &[], &|_| None, 3), Vec::<String>::new());
    }

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1234567.0, "1234567"),
            (12.3456, "12.35"),
            (0.000123456, "0.0001235"),
            (-0.5, "-0.5"),
            (98765.4, "98765"),
        ] {
            assert_eq!(number_text(value), text);
        }
    }
}
