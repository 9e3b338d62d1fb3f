//! The real sales: Seoul's apartments in January and February 2024, where the data is available (see [`tests::shared_data`]).

use std::collections::HashMap;

use testkit::skipped;
use tests::{run_all, shared_data, shipped};

#[test]
fn real_sales_run_through_the_tools_and_distances_agree() {
    let Some(file) = shared_data("seoul-apartments/station.csv") else {
        skipped("data", "no seoul-apartments/; set MILLRACE_SHARED_DATA to the folder that holds it");
        return;
    };
    let folder = file.parent().expect("a file lies in a folder").display().to_string();
    let project = shipped("seoul").with_variable("SEOUL_DATA", folder);
    let printed = run_all(&project, "seoul");
    let table = |paths: &[String], table: &str| {
        let path = paths.iter().find(|path| path.contains(&format!("/{table}_"))).expect("the table was published");
        project.table(path)
    };

    let trades = table(&printed[1], "trades");
    assert_eq!(trades.rows.len(), 3_851, "the file's provenance counts 3,851 sales");
    assert_eq!(table(&printed[1], "stations").rows.len(), 304);

    // The authors of the file computed the distance to the nearest station, on a sphere of 6,371 km.
    let theirs: HashMap<&str, f64> = trades
        .column("trade_id")
        .into_iter()
        .zip(trades.column("their_station_km").into_iter().map(|cell| cell.parse().expect("a distance")))
        .collect();
    let training = table(&printed[2], "training");
    let mut most: f64 = 0.0;
    for (id, ours) in training.column("trade_id").into_iter().zip(training.column("subway_distance_m")) {
        let ours: f64 = ours.parse().expect("a distance");
        most = most.max((ours - 1000.0 * theirs[id]).abs());
    }
    assert!(most < 0.05, "our nearest stations are up to {most} m from theirs");
    project.run("features", ["seoul", "--prove"]).exits(0).says("proved:");
}
