//! What keeps a project whole: `catalog verify`, `prune`, `backup` and `restore`.

use serde_json::Value;
use testkit::{Clock, Outcome, Project, S3};
use tests::{people_pipeline, run_all, shop};

fn json(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.exits(0).bytes).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}

#[test]
fn what_is_damaged_or_missing_is_named() {
    let project = shop();
    run_all(&project, "shop");
    let raw = project.latest("data/raw/shop").remove(0);
    let clean = project.latest("data/processed/shop/clean").remove(0);
    project.run("catalog", ["verify"]).exits(0).says("2 artifacts");
    let mut bytes = std::fs::read(project.at(&raw)).unwrap();
    bytes[40] ^= 1;
    std::fs::write(project.at(&raw), &bytes).unwrap();
    std::fs::remove_file(project.at(&clean)).unwrap();
    let outcome = project.run("catalog", ["verify"]);
    outcome.exits(1).says("2 problems in");
    let problems = outcome.stdout();
    assert!(
        problems[0].starts_with(&format!("{clean}: is missing, but data/processed/shop/clean/latest names it")),
        "{outcome}"
    );
    assert!(problems[1].starts_with(&format!("{raw}: ")), "{outcome}");
    // A footer that is gone hides nothing else.
    std::fs::write(project.at(&raw), &bytes[..100]).unwrap();
    let outcome = project.run::<&str>("catalog", []);
    outcome.exits(0).says("not a complete Parquet file");
}

/// Runs the shop once more with one order more; the clock advances a day each time.
fn days(project: &Project, clock: &Clock, days: std::ops::Range<i64>) {
    for day in days {
        clock.set(day * 86_400);
        project.write("orders.csv", format!("{}{},ann,2026-02-01,{}\n", tests::ORDERS, 10 + day, 1 + day));
        for tool in ["ingest", "clean"] {
            project.run(tool, ["shop"]).exits(0);
        }
    }
}

#[test]
fn only_what_nothing_needs_is_pruned_and_only_when_it_is_said() {
    let Some(clock) = Clock::new() else { return };
    let project = clock.of(shop());
    days(&project, &clock, 0..6);
    let before = project.list("data/raw/shop");
    let dry = project.run("catalog", ["prune", "--keep", "60h"]);
    dry.exits(0).says("would free").says("nothing was removed; add --yes to remove it");
    assert_eq!(project.list("data/raw/shop"), before);
    // Of six days the last three are young enough.
    assert_eq!(dry.stdout().len(), 6, "{dry}");
    let pruned = project.run("catalog", ["prune", "--keep", "60h", "--yes"]);
    pruned.exits(0).says("freed");
    assert_eq!(pruned.stdout(), dry.stdout());
    assert!(pruned.stdout().iter().all(|path| !project.exists(path)));
    assert_eq!(project.list("data/raw/shop").len(), before.len() - 3);
    project.run("catalog", ["verify"]).exits(0);
    project.run("clean", ["shop"]).exits(0).says("up to date");
    assert!(project.read("data/runs/shop.jsonl").contains("shop.catalog"));

    // However old: the current output stays, and what it was made of.
    clock.set(400 * 86_400);
    let pruned = project.run("catalog", ["prune", "--keep", "1d", "--yes"]);
    pruned.exits(0).says("current output").never_says("error");
    assert_eq!(project.list("data/processed/shop/clean").len(), 2, "latest and its artifact");
    project.run("catalog", ["verify"]).exits(0);
    project.run("catalog", ["prune", "--keep", "soon"]).exits(2).says("--keep");
    // Nothing is older than the calendar.
    for ever in ["300000y", "4000000000y"] {
        project.run("catalog", ["prune", "--keep", ever, "--yes"]).exits(0).says("freed 0");
    }
}

#[test]
fn the_history_of_a_check_and_the_inputs_of_a_model_stay() {
    let Some(clock) = Clock::new() else { return };
    let project = clock.of(shop());
    project.write(
        "resources/shop/clean.yaml",
        "tables: {orders: {}}\nchecks:\n  orders:\n    - mean_near_history: {column: amount, within_share: 5}\n",
    );
    days(&project, &clock, 0..4);
    clock.set(90 * 86_400);
    let pruned = project.run("catalog", ["prune", "--keep", "1d", "--yes"]);
    pruned.exits(0).says("history of a check");
    // The raw tables behind them stay, too.
    assert!(pruned.stdout().is_empty(), "{pruned}");

    let project = clock.of(people_pipeline());
    clock.set(0);
    run_all(&project, "p");
    let learned = project.latest("data/processed/p/features");
    clock.set(86_400);
    project.write("people.csv", tests::people() + "900,2026-01-05,30,0.5,true\n");
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["p"]).exits(0);
    }
    std::fs::remove_file(project.at("resources/p/monitor.yaml")).unwrap();
    clock.set(90 * 86_400);
    project.run("catalog", ["prune", "--keep", "1d", "--yes"]).exits(0).says("version of a model");
    assert!(learned.iter().filter(|path| path.contains("training")).all(|path| project.exists(path)), "{learned:?}");
}

#[test]
fn versions_of_a_model_that_nothing_needs_are_pruned() {
    let Some(clock) = Clock::new() else { return };
    let project = clock.of(people_pipeline());
    std::fs::remove_file(project.at("resources/p/monitor.yaml")).unwrap();
    for day in 0..6 {
        clock.set(day * 86_400);
        project.write("people.csv", format!("{}90{day},2026-01-05,3{day},0.5,true\n", tests::people()));
        for tool in ["ingest", "clean", "features"] {
            project.run(tool, ["p"]).exits(0);
        }
        project.run("train", ["p"]).exits(0);
        // v6 stays in staging.
        if day < 5 {
            let version = format!("v{}", day + 1);
            project.run("release", ["p", "--promote", &version, "--why", "it is newer"]);
        }
    }
    project.run("predict", ["p"]).exits(0);
    clock.set(90 * 86_400);
    // What a file names stays, such as an arm of a comparison.
    project.write("resources/p/notes.yaml", "arms: {other: {version: v2}}\n");
    let pruned = project.run("catalog", ["prune", "--keep", "1d", "--yes"]);
    pruned.exits(0).says("version in production, or before it").says("version that a YAML file names");
    let left: Vec<String> = project.list("data/models/p").into_iter().filter(|name| name.starts_with('v')).collect();
    assert_eq!(left, ["v2", "v4", "v5", "v6"], "{pruned}");
    project.run("catalog", ["verify"]).exits(0);
    // Production and the way back are whole, and what the versions learned from is there.
    project.run("release", ["p", "--rollback", "--why", "a test"]).exits(0);
    let scores = project.run("predict", ["p", "--force"]).path();
    assert!(project.evidence(&scores)["inputs"].to_string().contains("data/models/p/v4"));
    let learned = project.evidence("data/models/p/v4")["inputs"][0]["path"].as_str().unwrap().to_owned();
    assert!(project.exists(&learned), "{learned}");
    // The number of a version is not given again.
    project.write("people.csv", format!("{}999,2026-01-05,30,0.5,true\n", tests::people()));
    for tool in ["ingest", "clean", "features", "train"] {
        project.run(tool, ["p"]).exits(0);
    }
    assert!(project.exists("data/models/p/v7"));
}

#[test]
fn a_store_is_pruned_only_when_it_is_said_and_keeps_what_others_need() {
    let Some(clock) = Clock::new() else { return };
    let project = clock.of(shop());
    project.make_folder("store");
    let store = format!("file://{}/store", project.root().display());
    let project = project.with_variable("MILLRACE_STORE", &store);
    days(&project, &clock, 0..4);
    clock.set(90 * 86_400);
    let raw =
        |folder: &str| project.list(folder).into_iter().filter(|name| name.starts_with("orders_")).collect::<Vec<_>>();
    let before = raw("store/raw/shop");
    assert_eq!(before.len(), 4);
    let here = project.run("catalog", ["prune", "--keep", "1d", "--yes"]);
    here.exits(0).says("the store still has what it had; --store removes it there, too");
    assert_eq!(raw("data/raw/shop"), before[3..]);
    assert_eq!(raw("store/raw/shop"), before);

    // A machine that has nothing yet knows nothing of what is old; one that has it removes it in both places.
    let other = clock.of(shop()).with_variable("MILLRACE_STORE", &store);
    other.run("catalog", ["prune", "--keep", "1d", "--yes", "--store"]).exits(0);
    assert_eq!(raw("store/raw/shop"), before);
    for name in &before[..3] {
        std::fs::copy(project.at(format!("store/raw/shop/{name}")), project.at(format!("data/raw/shop/{name}")))
            .unwrap();
    }
    let dry = project.run("catalog", ["prune", "--keep", "1d", "--store"]);
    dry.exits(0).says("would free");
    assert_eq!(raw("store/raw/shop"), before);
    project.run("catalog", ["prune", "--keep", "1d", "--yes", "--store"]).exits(0);
    assert_eq!(raw("store/raw/shop"), before[3..]);
    assert_eq!(raw("data/raw/shop"), before[3..]);
    other.run("clean", ["shop"]).exits(0).says("up to date");
    shop()
        .run("catalog", ["prune", "--keep", "1d", "--store"])
        .exits(2)
        .says("--store: the project has no store; set MILLRACE_STORE, or leave it out");
}

#[test]
fn a_running_stage_is_not_pruned_under_its_feet() {
    let project = shop();
    run_all(&project, "shop");
    let lock = std::fs::File::options().write(true).open(project.at("data/processed/shop/clean/.lock")).unwrap();
    lock.lock().unwrap();
    project
        .run("catalog", ["prune", "--keep", "1d", "--yes", "--no-wait"])
        .exits(75)
        .says("another run is in progress in data/processed/shop/clean");
    // What only looks does not wait.
    project.run("catalog", ["prune", "--keep", "1d"]).exits(0);
}

fn lost_and_found(project: &Project, to: &str) {
    // A source below data/ comes back as it was, with its time: so nothing is read again.
    project.write("data/in/orders.csv", project.read("orders.csv"));
    let ingest = project.read("resources/shop/ingest.yaml");
    project.write("resources/shop/ingest.yaml", ingest.replace("orders.csv", "data/in/orders.csv"));
    run_all(project, "shop");
    let listed = project.run("catalog", ["--json"]).stdout();
    let first = json(&project.run("catalog", ["backup", to, "--json"]));
    assert!(first["sent"].as_u64().unwrap() >= 5, "{first}");
    let second = json(&project.run("catalog", ["backup", to, "--json"]));
    assert_eq!((second["sent"].as_u64(), &second["files"]), (Some(0), &first["files"]), "nothing is new");
    let times = project.run("catalog", ["restore", to, "--list"]);
    assert_eq!(times.exits(0).stdout().len(), 2);

    for folder in ["data", "resources"] {
        std::fs::remove_dir_all(project.at(folder)).unwrap();
    }
    project.run("catalog", ["restore", to]).exits(0).says("restored");
    assert_eq!(project.run("catalog", ["--json"]).stdout(), listed);
    project.run("catalog", ["verify"]).exits(0);
    for tool in ["ingest", "clean"] {
        project.run(tool, ["shop"]).exits(0).says("up to date");
    }
    // All is there: nothing is fetched.
    project.run("catalog", ["restore", to]).exits(0).says(" 0 restored");

    project.write("resources/shop/clean.yaml", "tables: {orders: {}}\n");
    let refused = project.run("catalog", ["restore", to]);
    refused.exits(1).says("1 file here differ from the backup").says("with --overwrite they are replaced");
    assert_eq!(refused.stdout(), ["resources/shop/clean.yaml"]);
    assert_eq!(project.read("resources/shop/clean.yaml"), "tables: {orders: {}}\n");
    project.run("catalog", ["restore", to, "--overwrite"]).exits(0).says(" 1 restored");
    assert_eq!(project.read("resources/shop/clean.yaml"), tests::SHOP_CLEAN);
    project.run("catalog", ["restore", to, "--at", "20200101_000000"]).exits(2).says("no backup of <time>");
}

#[test]
fn a_project_that_is_lost_comes_back_from_a_folder() {
    let project = shop();
    project.make_folder("elsewhere");
    let to = format!("file://{}/", project.at("elsewhere").display());
    project.run("catalog", ["restore", &to]).exits(2).says("no backup there");
    lost_and_found(&project, &to);

    // A backup that is damaged gives nothing that looks whole.
    let raw = project.latest("data/raw/shop").remove(0);
    let size = std::fs::metadata(project.at(&raw)).unwrap().len();
    let objects = std::fs::read_dir(project.at("elsewhere/objects")).unwrap().flatten();
    let object = objects.map(|entry| entry.path()).find(|path| path.metadata().unwrap().len() == size).unwrap();
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[50] ^= 1;
    std::fs::write(&object, bytes).unwrap();
    std::fs::remove_file(project.at(&raw)).unwrap();
    project
        .run("catalog", ["restore", &to])
        .exits(1)
        .says(&format!("not what was backed up as {raw}").replace(&raw, ""));
    assert!(!project.exists(&raw));
}

#[test]
fn what_links_lead_to_is_backed_up_and_a_link_that_leads_nowhere_is_named() {
    use std::os::unix::fs::symlink;
    let project = shop();
    for folder in ["elsewhere", "disk", "data"] {
        project.make_folder(folder);
    }
    project.write("disk/more.csv", "a\n1\n").write(".env", "A=1\n");
    let to = format!("file://{}/", project.at("elsewhere").display());
    for inside in ["data/backups", "resources/new"] {
        let refused = project.run("catalog", ["backup", &format!("file://{}/", project.at(inside).display())]);
        refused.exits(2).says("/, which a backup holds; name a folder elsewhere, best on another disk");
    }
    let links = [("disk", "data/in"), ("disk/more.csv", "resources/shop/more.csv")];
    links.iter().for_each(|(target, link)| symlink(project.at(target), project.at(link)).unwrap());
    project.run("catalog", ["backup", &to]).exits(0);
    for folder in ["data", "resources"] {
        std::fs::remove_dir_all(project.at(folder)).unwrap();
    }
    project.run("catalog", ["restore", &to]).exits(0);
    for path in ["data/in/more.csv", "resources/shop/more.csv"] {
        assert_eq!(project.read(path), "a\n1\n");
    }
    let odd = project.at("resources/shop/odd");
    for (target, leads) in
        [("gone.csv", "nowhere"), (".", "to a folder that it lies in"), (".env", "to what no backup holds")]
    {
        symlink(project.at(target), &odd).unwrap();
        let refused = project.run("catalog", ["backup", &to]);
        refused
            .exits(1)
            .says(&format!("resources/shop/odd: a link that leads {leads}, so that it cannot be backed up"));
        std::fs::remove_file(&odd).unwrap();
    }
}

#[test]
fn a_project_that_is_lost_comes_back_from_a_store() {
    let Some(s3) = S3::start("bucket") else { return };
    let project = shop().with_variables(s3.variables());
    lost_and_found(&project, "s3://bucket/backups/");
}

#[test]
fn an_input_that_is_gone_is_named_unless_it_was_pruned() {
    let Some(clock) = Clock::new() else { return };
    let project = clock.of(shop());
    days(&project, &clock, 0..4);
    let of = |folder: &str| -> Vec<String> {
        let names = project.list(folder).into_iter().filter(|name| name.ends_with(".parquet"));
        let mut paths: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
        paths.sort();
        paths
    };
    let (raw, clean) = (of("data/raw/shop"), of("data/processed/shop/clean"));
    let content = std::fs::read(project.at(&raw[0])).unwrap();
    std::fs::remove_file(project.at(&raw[0])).unwrap();
    let outcome = project.run("catalog", ["verify"]);
    outcome.exits(1).says("1 problem in");
    assert_eq!(outcome.stdout(), [format!("{}: is missing, but {} was made of it", raw[0], clean[0])]);
    // What `prune` removed is in the run log.
    std::fs::write(project.at(&raw[0]), content).unwrap();
    project.run("catalog", ["verify"]).exits(0);
    std::fs::rename(project.at(&clean[0]), project.at("kept")).unwrap();
    project.run("catalog", ["prune", "--keep", "60h", "--yes"]).exits(0);
    assert!(!project.exists(&raw[0]));
    std::fs::rename(project.at("kept"), project.at(&clean[0])).unwrap();
    project.run("catalog", ["verify"]).exits(0);
}

#[test]
fn an_index_of_footers_changes_no_answer() {
    const INDEX: &str = "data/.catalog.index";
    let Some(clock) = Clock::new() else { return };
    let project = clock.of(shop());
    run_all(&project, "shop");
    let raw = project.at(project.latest("data/raw/shop").remove(0));
    let name = |number: usize| format!("orders_20200101_{number:06}.parquet");
    for number in 0..250 {
        std::fs::copy(&raw, raw.with_file_name(name(number))).unwrap();
    }
    clock.set(10 * 86_400);
    let prune = || {
        let mut lines = project.run("catalog", ["prune", "--keep", "1d"]).exits(0).stdout();
        lines.sort();
        lines
    };
    let all = prune();
    assert_eq!(all.len(), 250);
    let index = std::fs::read_to_string(project.at(INDEX)).unwrap();
    let lines = |index: &str| index.lines().filter(|line| line.starts_with("data/")).count();
    assert_eq!(lines(&index), 252, "250 copies and two of the run");
    assert_eq!(prune(), all);
    // No value of a cell is in it.
    assert!(!index.contains("ann") && index.contains("\"amount\""), "{index}");
    // A file that another program wrote to counts as it is, whatever its size and time of change say.
    let edited = raw.with_file_name(name(7));
    let meta = edited.metadata().unwrap();
    std::fs::write(&edited, vec![b'x'; meta.len() as usize]).unwrap();
    std::fs::File::options().write(true).open(&edited).unwrap().set_modified(meta.modified().unwrap()).unwrap();
    let fewer = prune();
    assert_eq!(fewer.len(), 249);
    assert!(fewer.iter().all(|path| !path.ends_with(&name(7))));
    let verified = project.run("catalog", ["verify"]);
    verified.exits(1);
    assert!(verified.stdout()[0].starts_with(&format!("data/raw/shop/{}: ", name(7))), "{verified}");
    // So does one that took the name of another.
    std::fs::rename(raw.with_file_name(name(8)), &edited).unwrap();
    assert_eq!(prune().len(), 249);
    // Whatever happens to the index, the answer is the same.
    let lines = project.run("catalog", ["--json"]).exits(0).stdout();
    let (half, head) = (index.len() / 2, index.lines().next().unwrap().len());
    let swapped = index.replace("data/raw/shop/orders_", "data/raw/shop/other_").replace("\"orders\"", "\"other\"");
    for damaged in ["", "x", &index[..half], &index[head..], &index.replace("\"kind\"", "\"kinds\""), &swapped] {
        project.write(INDEX, damaged);
        assert_eq!(prune().len(), 249, "{}", &damaged[..damaged.len().min(200)]);
    }
    std::fs::remove_file(project.at(INDEX)).unwrap();
    assert_eq!(project.run("catalog", ["--json"]).exits(0).stdout(), lines);
    // Backups leave it out.
    assert_eq!(prune().len(), 249);
    assert!(project.exists(INDEX));
    let to = format!("file://{}/", project.make_folder("elsewhere").at("elsewhere").display());
    project.run("catalog", ["backup", &to]).exits(0);
    std::fs::remove_dir_all(project.at("data")).unwrap();
    project.run("catalog", ["restore", &to]).exits(0);
    assert!(!project.exists(INDEX));
}

/// Where a source is read bit by bit, each file of the table numbers its rows from 1.
#[test]
fn a_row_of_an_incremental_source_is_traced_to_itself_alone() {
    let project = Project::new();
    project.write("resources/fill/ingest.yaml", "tables:\n  o: {source: {file: {path: in/o.csv}}}\n");
    project.write(
        "resources/fill/export.yaml",
        "table: o\nfrom: ingest\nformat: sqlite\nsqlite: {path: o.db, mode: append}\n",
    );
    project.write(
        "resources/p/ingest.yaml",
        "tables:\n  o: {source: {sqlite: {path: o.db, table: o, incremental: id}}}\n",
    );
    project.write("resources/p/clean.yaml", "tables:\n  o: {}\n");
    for rows in ["1,a\n2,b\n", "3,c\n4,d\n"] {
        project.write("in/o.csv", format!("id,name\n{rows}"));
        for (tool, pipeline) in [("ingest", "fill"), ("export", "fill"), ("ingest", "p"), ("clean", "p")] {
            project.run(tool, [pipeline]).exits(0);
        }
    }
    let behind = || {
        let traced = json(&project.run("catalog", ["trace", "p", "clean.o", "id=4", "--json"]));
        let raw = &traced["rows"][0]["behind"][0];
        let names = raw["rows"].as_array().unwrap().iter().map(|row| row["cells"][1][1].as_str().unwrap().to_owned());
        (
            names.collect::<Vec<_>>(),
            traced["notes"].as_array().map_or(String::new(), |notes| notes[0].as_str().unwrap().to_owned()),
        )
    };
    assert_eq!(behind(), (vec!["d".to_owned()], String::new()));
    // Where the steps cannot run again, the trace says that it does not know.
    project.write("resources/p/clean.yaml", "tables:\n  o: {steps: [{derive: {x: id + 1}}]}\n");
    let note = "p.raw.o: rows by _file, _row are shown, of which some may not be behind the row: clean.yaml has changed since it was made";
    assert_eq!(behind(), (vec!["b".to_owned(), "d".to_owned()], note.to_owned()));
}
