//! Python's LightGBM reads the model file of a version and scores rows as `predict` does, to the last bit.

use std::process::Command;

use testkit::{Project, python_with};

/// Reads rows (numbers and `nan`, separated by commas) and a model file; prints the bits of every score, a line per row.
const SCRIPT: &str = "\
import struct, sys
import lightgbm, numpy
rows = numpy.array([[float(cell) for cell in line.split(',')] for line in open(sys.argv[2])])
scores = lightgbm.Booster(model_file=sys.argv[1]).predict(rows)
for row in scores.reshape(len(rows), -1):
    print(','.join(str(struct.unpack('<Q', struct.pack('<d', score))[0]) for score in row))
";

const ROWS: u32 = 500;
const CITIES: [&str; 4] = ["Bonn", "Essen", "Jena", "Ulm"];

/// One row of the table, as CSV has it: numbers with gaps, zeros of both signs, a flag and a category.
fn cells(id: u32) -> [String; 8] {
    let [a, b, c] = [(id * 37) % 101, (id * 53) % 97, (id * 29) % 17];
    let size = f64::from(a) * 1.37 - 40.0;
    let age = if b % 6 == 0 { String::new() } else { format!("{:?}", f64::from(b) / 7.0) };
    let debt = match c {
        0 => "0.0".to_owned(),
        1 => "-0.0".to_owned(),
        2 => "1e-36".to_owned(),
        c => format!("{:?}", f64::from(c) * 1e6),
    };
    let (flag, city) = (b.is_multiple_of(3), CITIES[(id * 7 % 11 % 4) as usize]);
    let score = size / 30.0 + f64::from(b % 6) / 4.0 + f64::from(u8::from(flag)) + f64::from(c) / 9.0;
    let city_gap = if id.is_multiple_of(13) { "" } else { city };
    [
        id.to_string(),
        format!("{size:?}"),
        age,
        debt,
        flag.to_string(),
        city_gap.to_owned(),
        (score > 1.8).to_string(),
        format!("{:?}", (score * 10.0).round() / 10.0 + 4.0),
    ]
}

/// The features of a row as the model has them: categories as their places in `model.json`.
fn features(id: u32, categories: &[String]) -> String {
    let cells = cells(id);
    let [_, size, age, debt, flag, city, _, _] = &cells;
    let number = |text: &str| if text.is_empty() { "nan".to_owned() } else { text.to_owned() };
    let code = categories.iter().position(|known| known == city).map_or("nan".to_owned(), |at| at.to_string());
    let flag = u8::from(flag == "true").to_string();
    [number(size), number(age), number(debt), flag, code].join(",")
}

fn project(pipeline: &str, label: &str, task: &str, learner: &str) -> Project {
    let other = if label == "left" { "spend" } else { "left" };
    let rows: String = (0..ROWS).map(|id| cells(id).join(",") + "\n").collect();
    let project = Project::new();
    let file = |name: &str| format!("resources/{pipeline}/{name}.yaml");
    let label_type = match (label, task) {
        ("spend", "multiclass") => {
            "\n      - derive: {spend: \"CASE WHEN spend > 6.2 THEN 'high' WHEN spend > 4.6 THEN 'mid' ELSE 'low' END\"}"
        }
        _ => " []",
    };
    project
        .write("rows.csv", format!("id,size,age,debt,flag,city,left,spend\n{rows}"))
        .write(
            &file("ingest"),
            "tables:\n  people:\n    source: {file: {path: rows.csv}}\n    columns: {id: int64, size: float64, age: float64, \
             debt: float64, flag: bool, city: string, left: bool, spend: float64}\n",
        )
        .write(&file("clean"), format!("tables:\n  people:\n    steps:{label_type}\n"))
        .write(
            &file("train"),
            format!(
                "table: people\nlabel: {label}\ntask: {task}\nentity: id\nsplit: {{by: random}}\nexclude: [{other}]\nresamples: \
                 100\nexperiments: {{one: {learner}}}\n"
            ),
        )
        .write(&file("predict"), "table: people\nreasons: 0\n");
    for tool in ["ingest", "clean", "train"] {
        project.run(tool, [pipeline]).exits(0);
    }
    project
}

#[test]
fn model_files_of_versions_score_in_python_as_here() {
    let Some(python) = python_with("lightgbm") else { return };
    for (pipeline, label, task, learner) in [
        ("plain", "left", "classification", "lightgbm"),
        ("dart", "left", "classification", "{lightgbm: {trees: 40, parameters: {boosting: dart}}}"),
        ("goss", "left", "classification", "{lightgbm: {trees: 40, parameters: {data_sample_strategy: goss}}}"),
        (
            "rf",
            "left",
            "classification",
            "{lightgbm: {trees: 20, row_share: 0.6, min_leaf_rows: 5, parameters: {boosting: rf}}}",
        ),
        (
            "constrained",
            "left",
            "classification",
            "{lightgbm: {trees: 40, increasing: [size], interactions: [[size, age]]}}",
        ),
        ("bins", "left", "classification", "{lightgbm: {trees: 40, parameters: {max_bin: 15, zero_as_missing: true}}}"),
        ("classes", "spend", "multiclass", "{lightgbm: {trees: 20}}"),
        ("numbers", "spend", "regression", "lightgbm"),
        ("counts", "spend", "regression", "{lightgbm: {objective: poisson}}"),
        ("amounts", "spend", "regression", "{lightgbm: {objective: tweedie}}"),
        ("median", "spend", "regression", "{lightgbm: {objective: {quantile: 0.4}}}"),
    ] {
        let project = project(pipeline, label, task, learner);
        let scores = project.table(&project.run("predict", [pipeline]).path());
        let folder = format!("data/models/{pipeline}/v1");
        let manifest: serde_json::Value = serde_json::from_str(&project.read(format!("{folder}/model.json"))).unwrap();
        let city = &manifest["features"].as_array().unwrap()[4];
        assert_eq!(city["name"], "city", "{city}");
        let categories: Vec<String> = serde_json::from_value(city["categories"].clone()).unwrap();
        let rows: String = (0..ROWS).map(|id| features(id, &categories) + "\n").collect();
        project.write("rows.txt", rows).write("scores.py", SCRIPT);
        let model = project.at(format!("{folder}/{}", manifest["file"].as_str().unwrap()));
        let done = Command::new(&python).arg(project.at("scores.py")).arg(&model).arg(project.at("rows.txt")).output();
        let done = done.expect("Python runs");
        assert!(done.status.success(), "{pipeline}: {}", String::from_utf8_lossy(&done.stderr));
        let columns: Vec<&str> = match task {
            "multiclass" => vec!["probability_high", "probability_low", "probability_mid"],
            _ => vec!["score"],
        };
        let ours: Vec<Vec<&str>> = columns.iter().map(|name| scores.column(name)).collect();
        let theirs = String::from_utf8(done.stdout).expect("UTF-8");
        assert_eq!(theirs.lines().count(), ROWS as usize, "{pipeline}");
        let ids = scores.column("id");
        for (row, line) in theirs.lines().enumerate() {
            assert_eq!(ids[row], row.to_string());
            let bits: Vec<u64> = line.split(',').map(|bits| bits.parse().unwrap()).collect();
            let own: Vec<u64> = ours.iter().map(|column| column[row].parse::<f64>().unwrap().to_bits()).collect();
            assert_eq!(own, bits, "{pipeline}, row {row}: {}", features(row as u32, &categories));
        }
    }
}
