use super::*;
use crate::hostile::{HOSTILE, parsed};
use crate::words::number;

/// Every chart of these values, drawn.
fn all(values: &[f64], name: &str) -> Vec<String> {
    let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect();
    let bars = values.iter().fold(Bars::new(name, name), |bars, value| bars.bar(name, *value)).mark(0.5, name);
    let dots =
        values.iter().fold(Dots::new(name, name), |dots, value| dots.dot(name, *value, value - 1.0, value + 1.0));
    let band = values.iter().enumerate().map(|(x, y)| (x as f64, *y, y * 2.0)).collect();
    vec![
        Html::from(bars.figure()).into_string(),
        Html::from(dots.mark(0.0, name).figure()).into_string(),
        Html::from(Histogram::of(name, name, values, 10).mark(0.0, name).figure()).into_string(),
        Html::from(Lines::new(name, number).line(name, points).band(name, band).mark(1.0, name).figure()).into_string(),
        Html::from(el("p").add(spark(name, values, number))).into_string(),
    ]
}

#[test]
fn any_values_give_a_chart_whose_numbers_can_be_drawn() {
    let cases: [&[f64]; 12] = [
        &[],
        &[f64::NAN],
        &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY],
        &[1.0],
        &[0.0, 0.0, 0.0],
        &[-5.0, f64::NAN, 7.0],
        &[f64::MAX, f64::MIN],
        &[5e-324, 0.0],
        &[1e16, 1e16 + 2.0],
        &[-0.0],
        &[f64::MAX],
        &[1.0; 300],
    ];
    for values in cases {
        for chart in all(values, "x") {
            parsed(&chart);
            for wrong in ["NaN", "inf", "\"-\"", "width=\"-"] {
                assert!(!chart.contains(wrong), "{values:?}: {wrong} in {chart}");
            }
        }
    }
}

#[test]
fn every_chart_has_a_name_and_its_values_as_text() {
    for chart in &all(&[1.0, 2.5, 4.0], "Rows <per> run")[..4] {
        assert!(chart.contains("role=\"img\"") && chart.contains("aria-label=\"Rows &lt;per&gt; run."), "{chart}");
        assert!(chart.contains("<summary>Values</summary>") && chart.contains("2.5"), "{chart}");
    }
    let spark = spark("Seconds", &[1.0, f64::NAN, 3.0], number);
    assert!(spark.as_str().contains("aria-label=\"Seconds, the last 2: from 1 to 3, now 3\""), "{}", spark.as_str());
}

#[test]
fn hostile_names_stay_names() {
    for name in HOSTILE {
        for chart in all(&[1.0, 2.0], name) {
            parsed(&chart);
        }
    }
}

#[test]
fn a_histogram_counts_each_value_once() {
    let histogram = Html::from(Histogram::of("Scores", "score", &[0.0, 0.1, 0.5, 0.95, 1.0, f64::NAN], 10).figure());
    let text = histogram.as_str();
    for row in [
        "0 to 0.1</th><td class=\"number\">1<",
        "0.5 to 0.6</th><td class=\"number\">1<",
        "0.9 to 1</th><td class=\"number\">2<",
    ] {
        assert!(text.contains(row), "{row} not in {text}");
    }
    assert!(text.contains("5 values from 0 to 1"), "{text}");
}

#[test]
fn a_graph_leads_to_pages_and_is_a_table_too() {
    for name in HOSTILE {
        let mut graph = Graph::new(name);
        let one = graph.node(name, "raw", Some(crate::Address::to(&[name])));
        let two = graph.node("b", name, None);
        graph.edge(one, two);
        graph.edge(two, two);
        graph.here(two);
        let markup = Html::from(graph.figure()).into_string();
        parsed(&markup);
        assert_eq!(markup.matches("<path").count(), 1, "{markup}");
    }
    let nothing = Html::from(Graph::new("x").figure()).into_string();
    assert!(!nothing.contains("NaN") && !nothing.contains("inf"), "{nothing}");
}
