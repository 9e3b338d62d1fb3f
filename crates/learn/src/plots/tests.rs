use super::*;
use crate::metrics::Scored;
use crate::random::Random;
use crate::{Contributions, Feature, Matrix, Task};

/// Scores that say something about the class, the more the larger `skill`.
fn scored(rows: usize, skill: f64, seed: u64) -> Scored {
    let mut random = Random::new(seed, 1);
    let mut uniform = || random.below(1 << 30) as f64 / f64::from(1 << 30);
    let label: Vec<f64> = (0..rows).map(|row| f64::from(row % 3 == 0)).collect();
    let score = label.iter().map(|label| (uniform() + uniform()) / 2.0 * (1.0 - skill) + skill * label * uniform());
    let score = score.collect();
    Scored::new(Task::Classification, label, score, "test").unwrap()
}

fn matrix(features: usize, rows: usize) -> (Contributions, Matrix) {
    let mut random = Random::new(5, 2);
    let mut uniform = move || random.below(1 << 30) as f64 / f64::from(1 << 30);
    let columns: Vec<Vec<f64>> = (0..features)
        .map(|_| (0..rows).map(|_| if uniform() < 0.05 { f64::NAN } else { uniform() }).collect())
        .collect();
    let mut values = Vec::new();
    for row in 0..rows {
        for (number, column) in columns.iter().enumerate() {
            let value = if column[row].is_nan() { 0.5 } else { column[row] };
            values.push((value - 0.5) * 2.0 / (number as f64 + 1.0) + 0.1 * (uniform() - 0.5));
        }
    }
    let names = (0..features).map(|number| Feature::numeric(format!("spend_sum_{number}d_before")));
    let matrix = Matrix::from_columns(names.collect(), columns).unwrap();
    (Contributions { features, values, base: 0.0 }, matrix)
}

fn all() -> Vec<Plot> {
    let (good, fair, poor) = (scored(30_000, 0.5, 1), scored(30_000, 0.3, 2), scored(30_000, 0.0, 3));
    let experiments = [("lightgbm", &good), ("logistic", &fair), ("baseline", &poor)];
    let (contributed, rows) = matrix(18, 1500);
    let weights: Vec<(String, f64)> = (0..30).map(|n| (format!("feature_{n}"), 100.0 / f64::from(n + 1))).collect();
    let mut random = Random::new(5, 3);
    let label: Vec<f64> = (0..3000).map(|row| f64::from(row) / 10.0).collect();
    let score = label.iter().map(|label| label * 0.9 + random.below(60) as f64).collect();
    let numbers = Scored::new(Task::Regression, label, score, "test").unwrap();
    vec![
        roc(&experiments, "lightgbm").unwrap(),
        precision_recall(&experiments, "lightgbm").unwrap(),
        calibration(&good).unwrap(),
        importance(&weights, "total gain").unwrap(),
        contributions(&contributed, &rows).unwrap(),
        predicted_against_actual(&numbers, 1).unwrap(),
        residuals(&numbers, 1).unwrap(),
    ]
}

#[test]
fn plots_are_whole_light_and_the_same_every_time() {
    let plots = all();
    for plot in &plots {
        assert!(plot.svg.starts_with("<svg ") && plot.svg.trim_end().ends_with("</svg>"), "{}", plot.name);
        assert!(!plot.svg.contains("NaN") && !plot.svg.contains("inf"), "{}", plot.name);
        assert!(plot.svg.len() < 700_000, "{}: {} bytes", plot.name, plot.svg.len());
    }
    assert_eq!(plots, all());
    if let Some(folder) = std::env::var_os("MILLRACE_PLOTS") {
        for plot in &plots {
            std::fs::write(std::path::Path::new(&folder).join(format!("{}.svg", plot.name)), &plot.svg).unwrap();
        }
    }
}

#[test]
fn plots_of_next_to_nothing_are_drawn() {
    let one = Scored::new(Task::Classification, vec![1.0], vec![0.5], "test").unwrap();
    let plot = roc(&[("only", &one)], "only").unwrap();
    assert!(plot.svg.contains("only undefined"), "{}", plot.svg);
    precision_recall(&[("only", &one)], "only").unwrap();
    calibration(&one).unwrap();
    importance(&[], "weight").unwrap();
    importance(&[("a".to_owned(), 0.0)], "weight").unwrap();
    let (none, rows) = matrix(1, 1);
    contributions(&none, &rows).unwrap();
    let flat = Scored::new(Task::Regression, vec![2.0], vec![2.0], "test").unwrap();
    predicted_against_actual(&flat, 1).unwrap();
    residuals(&flat, 1).unwrap();
}
