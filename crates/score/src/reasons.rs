//! Why a row scored as it did, in words: the features that contributed most.

use crate::calendar::{day, moment};
use crate::likeness::short;
use crate::{Feature, FeatureKind, Reason};

/// One row's reasons, such as `recency_days=143 (+0.82)`, in the order of `strongest`, which are those of
/// [`crate::Model::strongest`].
///
/// `value` is the value of a feature as in the [`crate::Matrix`]. `in_the_row` is what the row has where the model sees a
/// missing value, if that is something: a category that it does not know, or a number that is NaN or infinite.
pub fn reasons(
    strongest: &[Reason],
    features: &[Feature],
    value: &dyn Fn(usize) -> f64,
    in_the_row: &dyn Fn(usize) -> Option<String>,
) -> Vec<String> {
    let of = |Reason { feature: at, contribution }: &Reason| {
        let (feature, value) = (&features[*at], value(*at));
        let value = match value.is_nan().then(|| in_the_row(*at)).flatten() {
            Some(category) if feature.categories().is_some() => format!("unseen: {}", short(&category)),
            Some(number) => format!("{number}, as missing"),
            None => value_text(feature, value),
        };
        format!("{}={value} ({contribution:+.2})", feature.name)
    };
    strongest.iter().map(of).collect()
}

/// A value as its column shows it.
pub fn value_text(feature: &Feature, value: f64) -> String {
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
pub fn number_text(value: f64) -> String {
    // Adding zero makes -0.0 plain 0.
    let value = value + 0.0;
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
        let of = |found: &[(usize, f64)]| -> Vec<Reason> {
            found
                .iter()
                .map(|(feature, contribution)| Reason { feature: *feature, contribution: *contribution })
                .collect()
        };
        let all = of(&[(1, -1.5), (0, 0.824), (4, -0.2), (3, 0.1)]);
        let values = [143.0, 1.0, 5.5, 10_286.0, 1.0];
        assert_eq!(
            reasons(&all, &features, &|at| values[at], &|_| None),
            ["country=de (-1.50)", "recency_days=143 (+0.82)", "vip=true (-0.20)", "since=1998-03-01 (+0.10)"]
        );
        let two = &all[..2];
        let unseen = |at: usize| (at == 1).then(|| "Essen".to_owned());
        assert_eq!(
            reasons(two, &features, &|_| f64::NAN, &unseen),
            ["country=unseen: Essen (-1.50)", "recency_days=missing (+0.82)"]
        );
        assert_eq!(reasons(&two[..1], &features, &|at| values[at], &unseen), ["country=de (-1.50)"]);
        let infinite = |at: usize| (at == 0).then(|| "inf".to_owned());
        assert_eq!(
            reasons(two, &features, &|_| f64::NAN, &infinite),
            ["country=missing (-1.50)", "recency_days=inf, as missing (+0.82)"]
        );
        assert_eq!(reasons(&[], &[], &|_| 0.0, &|_| None), Vec::<String>::new());
    }

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
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
