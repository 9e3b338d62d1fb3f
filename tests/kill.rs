//! `kill -9` in every stage, at each moment of publishing and at random ones while it works: nothing lost, nothing
//! half-published, and the next run succeeds.

use std::path::Path;
use std::time::{Duration, Instant};

use testkit::{Killer, Moment, Project, Random, whole_parquet};
use tests::{TOOLS, folder, people_pipeline, small_churn};

const SEED: u64 = 20_261_121;
const PER_STAGE: Duration = Duration::from_secs(3);
const MOST_KILLS: u32 = 10;
/// However slow the machine is.
const FEWEST_KILLS: u32 = 3;

#[test]
fn killed_at_any_moment_every_stage_leaves_only_whole_artifacts() {
    let project = small_churn();
    let mut random = Random::seeded(SEED);
    for tool in TOOLS {
        let began = Instant::now();
        project.run(tool, ["churn"]).exits(0);
        let takes = began.elapsed();
        let before = project.latest(&folder(tool, "churn"));
        let mut kills = 0;
        let deadline = Instant::now() + PER_STAGE;
        while kills < FEWEST_KILLS || (kills < MOST_KILLS && Instant::now() < deadline) {
            kill_during(&project, tool, Duration::from_micros(random.below(takes.as_micros() as u64)));
            kills += 1;
            is_sound(&project, tool, "churn");
        }
        let after = project.run(tool, ["churn", "--force"]);
        after.exits(0);
        is_sound(&project, tool, "churn");
        has_no_temporaries(&project, tool, "churn");
        assert_ne!(before, after.stdout(), "{tool}: the forced run published anew");
    }
}

/// What the stage's folder shows of tables, files and versions; temporaries, evidence beside files and journals aside.
fn artifacts(project: &Project, tool: &str) -> Vec<String> {
    let is_artifact = |name: &String| !name.starts_with('.') && name != "latest" && !name.ends_with(".jsonl");
    project.list(&folder(tool, "p")).into_iter().filter(is_artifact).collect()
}

fn ends_of_runs(project: &Project) -> usize {
    project.read("data/runs/p.jsonl").lines().filter(|line| line.contains("\"COMPLETE\"")).count()
}

#[test]
fn killed_at_a_moment_of_publishing_every_stage_has_published_all_or_nothing() {
    let Some(killer) = Killer::new() else { return };
    let project = people_pipeline();
    // Whatever looks at things as they are now is never up to date.
    project.write("resources/p/monitor.yaml", "drift: {resamples: 20}\n");
    for tool in TOOLS.into_iter().chain(["monitor"]) {
        // The first run of all, before there is anything to fall back to.
        for moment in [Moment::Sealed, Moment::Renamed, Moment::BeforeLatest] {
            killer.kill(project.command(tool, ["p"]), moment);
            assert!(!project.exists(format!("{}/latest", folder(tool, "p"))), "{tool} {moment:?}");
        }
        project.run(tool, ["p"]).exits(0);
        is_sound(&project, tool, "p");
        for moment in Moment::ALL {
            let (before, known, ended) =
                (project.latest(&folder(tool, "p")), artifacts(&project, tool), ends_of_runs(&project));
            killer.kill(project.command(tool, ["p", "--force", "--quiet"]), moment);
            let (now, shown) = (project.latest(&folder(tool, "p")), artifacts(&project, tool));
            is_sound(&project, tool, "p");
            assert!(known.iter().all(|name| shown.contains(name)), "{tool} {moment:?}: something is gone: {shown:?}");
            match moment {
                Moment::Sealed => assert_eq!((&now, &shown), (&before, &known), "{tool}: all is as it was"),
                Moment::Renamed | Moment::BeforeLatest => assert_eq!(now, before, "{tool} {moment:?}: published"),
                Moment::Latest | Moment::Logged => assert_ne!(now, before, "{tool} {moment:?}: not published"),
                Moment::Deciding | Moment::Decided => unreachable!("no moment of publishing"),
            }
            let logged = usize::from(moment == Moment::Logged);
            assert_eq!(ends_of_runs(&project), ended + logged, "{tool} {moment:?}: the log says another thing");
            // Whatever was published stands, and is what a run would write.
            let again = project.run(tool, ["p"]);
            again.exits(0).says("up to date");
            assert_eq!(again.stdout(), now, "{tool} {moment:?}");
            has_no_temporaries(&project, tool, "p");
        }
    }
}

/// Starts a forced run and kills it after `delay`, unless it was quicker.
fn kill_during(project: &Project, tool: &str, delay: Duration) {
    let mut child = project.command(tool, ["churn", "--force", "--quiet"]).spawn().expect("the tool starts");
    drop(child.stdin.take());
    std::thread::sleep(delay);
    child.kill().expect("a child can be killed");
    child.wait().expect("a child ends");
}

/// The snapshot lists only whole artifacts, with their evidence.
fn is_sound(project: &Project, tool: &str, pipeline: &str) {
    for path in project.latest(&folder(tool, pipeline)) {
        let file = project.at(&path);
        assert!(!path.contains(".tmp-"), "{tool}: a temporary in the snapshot: {path}");
        assert!(file.exists(), "{tool}: the snapshot lists {path}, which is missing");
        if is_parquet(&file) {
            whole_parquet(&file).unwrap_or_else(|error| panic!("{tool}: {error}"));
        }
        project.evidence(&path);
    }
    // Published but not yet in the snapshot, when the kill came between the two, is sound as well.
    for name in project.list(&folder(tool, pipeline)).iter().filter(|name| !name.starts_with('.')) {
        let file = project.at(folder(tool, pipeline)).join(name);
        if is_parquet(&file) {
            whole_parquet(&file).unwrap_or_else(|error| panic!("{tool}: {error}"));
        }
    }
}

fn has_no_temporaries(project: &Project, tool: &str, pipeline: &str) {
    let left: Vec<String> =
        project.list(&folder(tool, pipeline)).into_iter().filter(|name| name.starts_with(".tmp-")).collect();
    assert!(left.is_empty(), "{tool}: the run after a kill sweeps up: {left:?}");
}

fn is_parquet(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "parquet")
}
