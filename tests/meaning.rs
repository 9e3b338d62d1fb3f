//! A feature is its definition, not its name: what was learned is scored and compared only where the columns still mean
//! the same, and a model is read only from the bytes that were saved.

use testkit::Project;
use tests::small_churn;

/// `churn` with a quick training, up to a version in production.
fn trained() -> Project {
    let project = small_churn().with_variable("CHURN_PURCHASES", "8000");
    let train = "\
table: training
label: churned
task: classification
entity: customer_id
time: cutoff
split: {by: time}
experiments: {boosted: {lightgbm: {trees: 20, learning_rate: 0.15}}}
resamples: 200
";
    project.write("resources/churn/train.yaml", train);
    for tool in ["ingest", "clean", "features", "train", "predict"] {
        project.run(tool, ["churn"]).exits(0);
    }
    project
}

/// Writes `to` in place of `from` in the pipeline's file of `tool`.
#[track_caller]
fn rewrite(project: &Project, tool: &str, from: &str, to: &str) {
    let path = format!("resources/churn/{tool}.yaml");
    let text = project.read(&path);
    assert!(text.contains(from), "no '{from}' in {path}");
    project.write(&path, text.replacen(from, to, 1));
}

/// What the log of decisions must say.
#[track_caller]
fn decided(project: &Project, texts: &[&str]) {
    let decisions = project.run("release", ["churn", "--history"]);
    decisions.exits(0);
    for text in texts {
        assert!(decisions.stdout().iter().any(|line| line.contains(text)), "no '{text}' in {decisions}");
    }
}

#[test]
fn a_feature_redefined_under_its_name_is_not_scored_by_the_old_model() {
    let project = trained();
    let scores = project.latest("data/output/churn/predict");
    rewrite(
        &project,
        "features",
        "spent_90d: {sum: {of: amount, window: 90d}}",
        "spent_90d: {sum: {of: amount, window: 30d}}",
    );
    project.run("features", ["churn"]).exits(0);
    project
        .run("predict", ["churn"])
        .exits(1)
        .says("model v1, table 'scoring': its columns are defined differently from those that the model learned: 'spent_90d' is {sum: {of: amount, window: 30d}} now, was {sum: {of: amount, window: 90d}}")
        .says("run `bin/train churn`")
        .never_says("'orders'");
    assert_eq!(project.latest("data/output/churn/predict"), scores, "the earlier scores stand");

    // The champion is compared on what it learned: its features are made again.
    project.run("train", ["churn"]).exits(0);
    decided(
        &project,
        &[
            " of the champion v1 on the same ",
            "(the features of v1 were recomputed by its own definitions: 'spent_90d' is",
        ],
    );

    // Back to the old spec, the old model scores again.
    rewrite(
        &project,
        "features",
        "spent_90d: {sum: {of: amount, window: 30d}}",
        "spent_90d: {sum: {of: amount, window: 90d}}",
    );
    project.run("features", ["churn"]).exits(0);
    project.run("predict", ["churn", "--model", "v1"]).exits(0);
}

#[test]
fn what_a_feature_reads_is_part_of_it() {
    let project = trained();
    // `order_trend` reads `orders_90d`.
    rewrite(
        &project,
        "features",
        "orders_90d: {count: {window: 90d, where: NOT is_return}}",
        "orders_90d: {count: {window: 90d}}",
    );
    project.run("features", ["churn"]).exits(0);
    project
        .run("predict", ["churn"])
        .exits(1)
        .says("'orders_90d' is {count: {window: 90d}} now, was {count: {where: \"NOT is_return\", window: 90d}}")
        .says("'order_trend' is computed from columns or rows that are defined differently now");
    // Blanks, order and descriptions mean nothing.
    rewrite(
        &project,
        "features",
        "orders_90d: {count: {window: 90d}}",
        "orders_90d: {count: {where: not  is_return, window: 90d, description: x}}",
    );
    project.run("features", ["churn"]).exits(0);
    project.run("predict", ["churn"]).exits(0);
}

#[test]
fn what_clean_does_to_a_column_is_part_of_the_features_that_read_it() {
    let project = trained();
    rewrite(
        &project,
        "clean",
        "is_return: amount < 0",
        "is_return: amount < 0\n      - clip: {columns: [quantity], max: 1}",
    );
    for tool in ["clean", "features"] {
        project.run(tool, ["churn"]).exits(0);
    }
    project
        .run("predict", ["churn"])
        .exits(1)
        .says("'pieces_365d' is computed from columns or rows that are defined differently now;")
        .never_says("'recency_days'");
    // What the old model learned cannot be made from today's table, so nothing is promoted automatically.
    project.run("train", ["churn"]).exits(0);
    decided(
        &project,
        &[
            "keep v2, champion v1",
            "could not be recomputed (what they are computed from changed: ",
            "promote by hand if the challenger is to replace it",
        ],
    );
}

#[test]
fn a_label_redefined_under_its_name_is_another_question() {
    let project = trained();
    rewrite(
        &project,
        "features",
        "  is: no_rows\n  where: NOT is_return\n",
        "  is: any_rows\n  where: NOT is_return\n",
    );
    project.run("features", ["churn"]).exits(0);
    project
        .run("predict", ["churn"])
        .exits(1)
        .says("the label 'churned' is {horizon: 90d, is: any_rows")
        .says("was {horizon: 90d, is: no_rows");
    project.run("train", ["churn"]).exits(0);
    let other_question = "the champion v1 answers another question than the challenger: its label 'churned' is";
    decided(&project, &["keep v2, champion v1", other_question]);
    project.run("release", ["churn", "--promote", "v2", "--why", "the new question"]).exits(0);
    project.run("predict", ["churn"]).exits(0);
}

#[test]
fn a_champion_that_knew_a_feature_that_is_gone_is_compared_all_the_same() {
    let project = trained();
    rewrite(
        &project,
        "features",
        "  recency_days: {recency: {where: NOT is_return}}\n",
        "  last_days: {recency: {where: NOT is_return}}\n",
    );
    rewrite(&project, "features", "recency_days / mean_gap_days", "last_days / mean_gap_days");
    project.run("features", ["churn"]).exits(0);
    project.run("predict", ["churn"]).exits(1).says("missing columns: 'recency_days'");
    project.run("train", ["churn"]).exits(0);
    decided(
        &project,
        &[
            " of the champion v1 on the same ",
            "were recomputed by its own definitions: 'recency_days' is no longer computed",
        ],
    );
}

#[test]
fn columns_of_clean_have_definitions_where_there_is_no_features_stage() {
    let project = Project::new();
    let rows: String = (0..300)
        .map(|row| format!("c{row},{},{},{}\n", (row * 37) % 101, (row * 53) % 97, u8::from((row * 37) % 101 > 50)))
        .collect();
    project
        .write("people.csv", format!("id,a,b,y\n{rows}"))
        .write("resources/flat/ingest.yaml", "tables:\n  people:\n    source: {file: {path: people.csv}}\n    columns: {id: string, a: float64, b: float64, y: int64}\n")
        .write("resources/flat/clean.yaml", "tables:\n  people:\n    steps:\n      - derive: {r: a / (b + 1)}\n")
        .write(
            "resources/flat/train.yaml",
            "table: people\nlabel: y\ntask: classification\nentity: id\nsplit: {by: random}\nresamples: 100\n\
             experiments: {t: {lightgbm: {trees: 20, min_leaf_rows: 5}}}\n",
        )
        .write("resources/flat/predict.yaml", "table: people\n");
    for tool in ["ingest", "clean", "train", "predict"] {
        project.run(tool, ["flat"]).exits(0);
    }
    project.write("resources/flat/clean.yaml", "tables:\n  people:\n    steps:\n      - derive: {r: (b + 1) / a}\n");
    project.run("clean", ["flat"]).exits(0);
    project.run("predict", ["flat"]).exits(1).says("'r' is derive ").never_says("'a' ").never_says("'b' ");
}

#[test]
fn a_label_redefined_in_clean_is_noticed_though_the_rows_to_score_have_none() {
    let project = flat("1,n1,5,5,Ulm\n2,n2,50,5,Bonn\n");
    project.run("predict", ["flat"]).exits(0);
    project.write(
        "resources/flat/clean.yaml",
        "tables:\n  people:\n    steps:\n      - derive: {y: 1 - y}\n  newcomers: {}\n",
    );
    project.run("clean", ["flat"]).exits(0);
    project
        .run("predict", ["flat"])
        .exits(1)
        .says("table 'newcomers': its columns are defined differently from those that the model learned: the label 'y' is derive ")
        .never_says("'a' is");
}

#[test]
fn rows_that_a_check_sets_aside_are_part_of_what_a_feature_means() {
    let project = trained();
    for (stage, tools) in [("clean", &["clean", "features"][..]), ("ingest", &["ingest", "clean", "features"])] {
        let path = format!("resources/churn/{stage}.yaml");
        let before = project.read(&path);
        let set_aside = |to: &str| {
            let checks = "checks:\n  purchases:\n";
            let changed = before.replacen(checks, &format!("{checks}    - in_range: {{column: amount, {to}}}\n"), 1);
            assert_ne!(changed, before);
            project.write(&path, changed);
            tools.iter().for_each(|tool| {
                project.run(tool, ["churn"]).exits(0);
            });
            project.run("predict", ["churn"])
        };
        set_aside("max: 60, max_share: 1").exits(1).says("defined differently now: 'recency_days', ");
        // Rows stay where they are.
        set_aside("max: 60, max_share: 1, severity: soft").exits(0);
        project.write(&path, &before);
        tools.iter().for_each(|tool| {
            project.run(tool, ["churn"]).exits(0);
        });
        project.run("predict", ["churn"]).exits(0);
    }
}

/// The model's file in the version's folder.
fn model_file(project: &Project) -> String {
    let manifest: serde_json::Value = serde_json::from_str(&project.read("data/models/churn/v1/model.json")).unwrap();
    format!("data/models/churn/v1/{}", manifest["file"].as_str().unwrap())
}

#[test]
fn a_model_file_of_other_bytes_is_never_read() {
    let project = trained();
    let file = model_file(&project);
    let text = project.read(&file);
    let at = text.find("leaf_value=").expect("a tree has leaves") + "leaf_value=".len();
    let mut same_length = text.clone().into_bytes();
    same_length[at + 3] = if same_length[at + 3] == b'1' { b'2' } else { b'1' };
    for (damage, bytes) in [
        ("a digit", same_length),
        ("half of it", text.as_bytes()[..text.len() / 2].to_vec()),
        ("noise", vec![0xff, 0x00, 0x7f]),
        ("nothing", Vec::new()),
        ("an index", text.replacen("split_feature=", "split_feature=9", 1).into_bytes()),
    ] {
        project.write(&file, bytes);
        for arguments in [&["churn"][..], &["churn", "--force"], &["churn", "--verify", "--force"]] {
            let run = project.run("predict", arguments);
            run.exits(1).says("changed since the model was saved").says("restore it from a backup");
            assert!(run.stdout().is_empty(), "{damage}: {run}");
        }
        project.run("train", ["churn", "--force"]).exits(1).says("changed since the model was saved");
    }
    std::fs::remove_file(project.at(&file)).unwrap();
    project.run("predict", ["churn"]).exits(1).says("no such file, but the model was saved with it");
    project.write(&file, &text);
    project.run("predict", ["churn", "--force"]).exits(0);

    // Files that are not needed to score are part of the version, too.
    let card = "data/models/churn/v1/card.md";
    let text = project.read(card);
    project.write(card, text.replace("v1", "v7"));
    let said = "v1: its files are not those that were written: 'card.md' changed; restore the folder from a backup";
    project.run("predict", ["churn"]).exits(1).says(said);
    project.run("train", ["churn"]).exits(1).says(said);
    project.write(card, &text);
    project.write("data/models/churn/v1/notes.txt", "mine");
    project.run("predict", ["churn"]).exits(1).says("'notes.txt' was added");
    std::fs::remove_file(project.at("data/models/churn/v1/notes.txt")).unwrap();
    let (plot, moved) = (project.at("data/models/churn/v1/plots/roc.svg"), project.at("roc.svg"));
    std::fs::rename(&plot, &moved).unwrap();
    project.run("predict", ["churn"]).exits(1).says("'plots/roc.svg' is missing");
    std::os::unix::fs::symlink(&moved, &plot).unwrap();
    project.run("predict", ["churn"]).exits(1).says("roc.svg: a link, but ");
    std::fs::remove_file(&plot).unwrap();
    std::fs::rename(&moved, &plot).unwrap();
    project.run("predict", ["churn"]).exits(0).says("up to date");
    project.run("train", ["churn"]).exits(0).says("up to date");
}

#[test]
fn a_version_for_which_nothing_speaks_is_not_scored() {
    let project = trained();
    // Without hashes and decision, as if another tool had written it.
    let manifest = project.at("data/models/churn/v1/model.json");
    let mut json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&manifest).unwrap()).unwrap();
    for key in ["files", "definitions", "summaries"] {
        json.as_object_mut().unwrap().remove(key);
    }
    std::fs::write(&manifest, json.to_string()).unwrap();
    std::fs::remove_file(project.at("data/models/churn/decisions.jsonl")).unwrap();
    project.run("predict", ["churn", "--model", "v1"]).exits(1).says("'model.json' changed");
    std::fs::remove_file(project.at("data/models/churn/v1/evidence.json")).unwrap();
    let run = project.run("predict", ["churn", "--model", "v1"]);
    run.exits(1)
        .says("v1/evidence.json: no such file, so nothing says whether the files of v1 are those that were written")
        .says("use another version, or train a new one");
    assert!(run.stdout().is_empty(), "{run}");
}

#[test]
fn latest_names_only_what_its_stage_wrote() {
    let project = trained();
    let latest = "data/processed/churn/features/latest";
    let text = project.read(latest);
    project.write(latest, text.replace("data/processed/churn/features/", "data/processed/other/features/"));
    project
        .run("predict", ["churn"])
        .exits(2)
        .says("data/processed/churn/features/latest: names data/processed/other/features/")
        .says("run `bin/features churn --force`");
    project.write(latest, text);
    // Another stage's file in the place of a version.
    let models = "data/models/churn/latest";
    project.write(models, project.latest("data/output/churn/predict")[0].clone() + "\n");
    project.run("train", ["churn"]).exits(0).says("belongs to another stage");
}

/// People to learn from, and newcomers to score: a number, one with gaps, a city, and a column that counts the rows. The label
/// depends on the first number and on the city.
fn flat(newcomers: &str) -> Project {
    let project = Project::new();
    let city = |row: usize| ["Ulm", "Bonn", "Trier"][row % 3];
    let people: String = (0..300)
        .map(|row| {
            format!(
                "{row},p{row},{},{},{},{}\n",
                (row * 37) % 101,
                (row * 53) % 97,
                city(row),
                u8::from((row * 37) % 101 > 50 || city(row) == "Bonn")
            )
        })
        .collect();
    let columns = "no: int64, id: string, a: float64, b: float64, city: string";
    project
        .write("people.csv", format!("no,id,a,b,city,y\n{people}"))
        .write("newcomers.csv", format!("no,id,a,b,city\n{newcomers}"))
        .write(
            "resources/flat/ingest.yaml",
            format!(
                "tables:\n  people:\n    source: {{file: {{path: people.csv}}}}\n    columns: {{{columns}, y: int64}}\n  newcomers:\n    \
                 source: {{file: {{path: newcomers.csv}}}}\n    columns: {{{columns}}}\n"
            ),
        )
        .write("resources/flat/clean.yaml", "tables:\n  people: {}\n  newcomers: {}\n")
        .write(
            "resources/flat/train.yaml",
            "table: people\nlabel: y\ntask: classification\nentity: id\nsplit: {by: random}\nresamples: 100\n\
             experiments: {t: {lightgbm: {trees: 20, min_leaf_rows: 5, parameters: {min_data_per_group: 5}}}}\n",
        )
        .write("resources/flat/predict.yaml", "table: newcomers\n");
    for tool in ["ingest", "clean", "train"] {
        project.run(tool, ["flat"]).exits(0);
    }
    project
}

/// The names of the features in a version's `model.json`.
fn learned(project: &Project, version: &str) -> Vec<String> {
    let manifest: serde_json::Value =
        serde_json::from_str(&project.read(format!("data/models/flat/{version}/model.json"))).unwrap();
    let features = manifest["features"].as_array().unwrap();
    features.iter().map(|feature| feature["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rows_unlike_those_of_training_are_reported_and_may_be_refused() {
    // 9 of 10 have no `b`, 2 of 10 come from a city that training did not have, and `a` is beyond all that it saw.
    let row = |row: usize| {
        let b = if row.is_multiple_of(10) { "5" } else { "" };
        let city = if row % 10 < 2 { "Essen" } else { "Ulm" };
        format!("{row},n{row},{},{b},{city}\n", 500 + row)
    };
    let project = flat(&(0..100).map(row).collect::<String>());
    let scores = project.run("predict", ["flat"]);
    scores
        .exits(0)
        .says("'b' is missing in 90 % of the rows, 0 % in training (at most 10 % allowed)")
        .says("'a' is outside the training range (0 to 100) in 100 % of the rows; values from 500 to 599")
        .says(
            "'city' has categories in 20 of 100 rows that training did not have, which count as missing: 'Essen' (20)",
        )
        .never_says("quality 100.0");
    let checks = project.evidence(&scores.path())["checks"].clone();
    let verdicts: Vec<&str> =
        checks.as_array().unwrap().iter().map(|check| check["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["warned"; 4], "{checks}");
    let table = project.table(&scores.path());
    for (id, reasons) in table.column("id").iter().zip(table.column("reasons")) {
        let is_unseen = id[1..].parse::<usize>().expect("a number") % 10 < 2;
        let city = if is_unseen { "city=unseen: Essen (" } else { "city=Ulm (" };
        assert!(reasons.contains(city), "{id}: {reasons}");
    }

    let before = project.latest("data/output/flat/predict");
    project.write("resources/flat/predict.yaml", "table: newcomers\nlike_training: {severity: hard}\n");
    project.run("predict", ["flat"]).exits(1).says("check 'like_training nulls' failed: 'b' is missing in 90 %");
    assert_eq!(project.latest("data/output/flat/predict"), before);
    let lenient = "table: newcomers\nlike_training: {max_null_change: 1, max_outside: 1, max_unseen: 1, max_psi: 1000, severity: hard}\n";
    project.write("resources/flat/predict.yaml", lenient);
    // However many are allowed, unseen categories are reported.
    project.run("predict", ["flat"]).exits(0).says("'Essen' (20)");
    project.write("resources/flat/predict.yaml", "table: newcomers\nlike_training: {max_nulls: 1}\n");
    project.run("predict", ["flat"]).exits(2).says("unknown key 'max_nulls'");
}

#[test]
fn what_distinguishes_rows_is_learned_from_only_where_it_is_named() {
    let project = flat("0,n0,1,1,Ulm\n");
    assert_eq!(learned(&project, "v1"), ["a", "b", "city"]);
    let train = project.read("resources/flat/train.yaml");
    let with = |more: &str| project.write("resources/flat/train.yaml", format!("{train}{more}"));
    with("exclude: [a]\n");
    project.run("train", ["flat"]).says("column 'no' counts the rows and is not learned from");
    assert_eq!(learned(&project, "v2"), ["b", "city"], "'exclude' adds to what is left out by default");
    with("include: [no, _row]\n");
    project.run("train", ["flat"]);
    assert_eq!(learned(&project, "v3"), ["no", "a", "b", "city", "_row"]);
    with("include: [city]\n");
    project.run("train", ["flat"]).exits(2).says("include: 'city' is learned from anyway");
    with("include: [towns]\n");
    project.run("train", ["flat"]).exits(2).says("include: table 'people' has no column 'towns'");
    with("exclude: [citty]\n");
    project.run("train", ["flat"]).exits(2).says("exclude: table 'people' has no column 'citty'; did you mean 'city'?");
    with("include: [y]\n");
    project.run("train", ["flat"]).exits(2).says("include: 'y' is the label");
}

/// Sales as examples of their own time, all with their price.
fn sales() -> Project {
    let project = Project::new();
    let rows: String = (0..400)
        .map(|row| {
            format!(
                "s{row},2024-{:02}-{:02},{},{}\n",
                1 + row / 40,
                1 + row % 28,
                30 + (row * 37) % 101,
                100 + (row * 53) % 97
            )
        })
        .collect();
    project
        .write("sales.csv", format!("id,day,area,price\n{rows}"))
        .write("resources/sales/ingest.yaml", "tables:\n  sales:\n    source: {file: {path: sales.csv}}\n    columns: {id: string, day: date, area: float64, price: float64}\n")
        .write("resources/sales/clean.yaml", "tables:\n  sales: {}\n")
        .write(
            "resources/sales/features.yaml",
            "table: sales\nkey: id\ntime: day\nrows: {}\nlabel: {name: price, is: {sql: price}}\n\
             features:\n  area: {sql: area}\n  mean_before: {mean: {of: price}}\n",
        )
        .write(
            "resources/sales/train.yaml",
            "table: training\nlabel: price\ntask: regression\nentity: id\ntime: day\nsplit: {by: time}\nresamples: 100\n\
             experiments: {t: {tree: {depth: 3}}}\npromote: {when: by_hand}\n",
        )
        .write("resources/sales/predict.yaml", "table: scoring\n");
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["sales"]).exits(0);
    }
    project
}

#[test]
fn rows_that_all_have_their_label_leave_nothing_to_predict_and_the_way_out_is_reported() {
    let project = sales();
    project.run("train", ["sales"]);
    project
        .run("predict", ["sales", "--model", "v1"])
        .exits(1)
        .says("table 'scoring' has no rows: there is nothing to predict; each row has its label already; wait for rows without one")
        .says("`score: {from: 2024-02-15}`")
        .never_says("no rows left");
    let features = project.read("resources/sales/features.yaml");
    project.write("resources/sales/features.yaml", features.replace("rows: {}", "rows: {}\nscore: {from: 2024-10-01}"));
    project.run("features", ["sales"]).exits(0);
    project.run("predict", ["sales", "--model", "v1"]).exits(0);
}

#[test]
fn a_key_that_is_carried_along_is_not_learned_from() {
    let project = sales();
    // Another column is the entity: the key is still left out.
    let train = project
        .read("resources/sales/train.yaml")
        .replace("entity: id", "entity: day")
        .replace("time: day\nsplit: {by: time}", "split: {by: random}");
    project.write("resources/sales/train.yaml", train);
    project.run("train", ["sales"]);
    let manifest = project.read("data/models/sales/v1/model.json");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let names: Vec<&str> =
        manifest["features"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["area", "mean_before"]);
}
