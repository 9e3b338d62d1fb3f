//! The watch: what `monitor` found, table by table, and what it alerted of.

use std::collections::BTreeMap;

use alert::{Delivered, End, Notified};
use artifact::{Artifact, Snapshot, Verdict};
use axum::response::Response;
use pages::{Column, Html, Table, badge, chart, el, note, section};
use polars::prelude::{AnyValue, DataFrame, DataType};
use score::Version;
use spec::{Name, Root, Tool};
use values::calendar::day_at;

use super::frame::{self, Part};
use super::runs::Runs;
use super::shown;
use super::visit::{Visit, Wrong};
use crate::refusal::Refusal;
use crate::results_routes::computed;

/// Rows of a table that are shown.
const ROWS: usize = 200;
/// Alerts that are listed.
const ALERTS: usize = 30;

/// What each table is about.
const ABOUT: [(&str, &str, &str); 10] = [
    (
        "drift",
        "Drift",
        "How far the newest rows are from those that the model learned from, by the weight that the model gives to each column.",
    ),
    ("performance", "Errors of predictions", "Past predictions beside what happened, by version, week and segment."),
    (
        "estimate",
        "Estimated errors",
        "How good predictions probably are before it is known what happened, and how far such estimates were off.",
    ),
    (
        "drift_requests",
        "Drift of requests",
        "How far the features in the request log are from those that the model learned from.",
    ),
    ("service", "Service", "Latency, errors and availability of the server, from its request log."),
    ("comparison", "Comparison", "The running comparison of versions."),
    ("levels", "Service levels", "Goals, measured values, and how fast the error budget is used up."),
    ("runs", "Runs", "How the stages ran, compared with their own history."),
    ("disk", "Disk", "What the folders of the pipeline hold."),
    ("spend", "Spend", "What language models cost, by day and task."),
];

pub async fn page(Visit { app, visitor, name, .. }: Visit) -> Result<Response, Wrong> {
    let (root, of, env) = (app.root.clone(), name.clone(), app.env.clone());
    let (found, alerts, failures) = computed(&app, move || {
        let found = tables(&root, &of)?.into_iter().map(|artifact| table(&artifact)).collect::<Result<Vec<_>, _>>()?;
        let notified = alert::notified(&root.join(alert::STATE), of.as_str(), ALERTS)?;
        let alerts = alerts(&notified, root.join(alert::FILE).exists());
        Ok((found, alerts, failures(&Runs::read(&root, &env, &of)?)))
    })
    .await?;
    let mut page = frame::of_pipeline(&app, &visitor.0, &name, Part::Watch);
    if found.is_empty() {
        let text = if app.root.spec(&name, Tool::Monitor).is_ok() {
            format!("Nothing was watched yet: run bin/monitor {name}.")
        } else {
            format!("Nothing is watched: resources/{name}/monitor.yaml says what to watch.")
        };
        page.push(note(text));
    }
    let mut summary = Table::new("Verdicts", [Column::text("What"), Column::text("Verdict"), Column::text("Found")]);
    for one in &found {
        for check in &one.checks {
            summary.row([
                Html::from(one.title.as_str()),
                shown::verdict(check.verdict).into(),
                check.found.as_str().into(),
            ]);
        }
    }
    if !summary.is_empty() {
        page.push(summary);
    }
    page.push(section("Alerts").add(alerts));
    page.push(section("Failed runs").add(failures));
    for one in found {
        let verdicts = one.checks.iter().map(|check| {
            let state = match check.verdict {
                Verdict::Failed => pages::State::Bad,
                Verdict::Warned => pages::State::Warning,
                _ => return Html::new(),
            };
            frame::notice(state, el("p").text(&check.found)).into()
        });
        let part =
            section(one.title.as_str()).add(note(one.about)).add(el("p").text("As of ").add(one.time)).all(verdicts);
        page.push(part.add(one.chart).add(one.rows));
    }
    Ok(frame::answer(page))
}

struct Found {
    title: String,
    about: &'static str,
    time: Html,
    checks: Vec<artifact::CheckResult>,
    chart: Html,
    rows: Html,
}

/// The tables that `monitor` published last.
fn tables(root: &Root, name: &Name) -> Result<Vec<Artifact>, Refusal> {
    let snapshot = Snapshot::read(&root.join(Tool::Monitor.folder(name)))?.unwrap_or_default();
    let opened = snapshot.paths.iter().map(|path| artifact::open(root, path)).collect::<spec::Result<Vec<_>>>()?;
    Ok(opened.into_iter().filter(Artifact::is_table).collect())
}

/// A table of `monitor` by its name, ready to show.
pub fn of_table(root: &Root, name: &Name, wanted: &str) -> Result<Option<Html>, Refusal> {
    let found = tables(root, name)?.into_iter().find(|artifact| artifact.table == wanted);
    Ok(found.map(|artifact| table(&artifact)).transpose()?.map(|found| Html::of([found.chart, found.rows])))
}

fn table(artifact: &Artifact) -> Result<Found, Refusal> {
    let rows = artifact::collect(artifact::scan_files(&[&artifact.file])?, &artifact.table)?;
    let known = ABOUT.iter().find(|(name, ..)| *name == artifact.table);
    let evidence = artifact.evidence.as_ref();
    Ok(Found {
        title: known.map_or(artifact.table.as_str(), |(_, title, _)| title).to_owned(),
        about: known.map_or("", |(.., about)| about),
        time: evidence.map(|evidence| shown::time(evidence.time)).into(),
        checks: evidence.map(|evidence| evidence.checks.clone()).unwrap_or_default(),
        chart: drawn(&artifact.table, &rows),
        rows: shown::frame(&artifact.table, &rows, ROWS),
    })
}

/// A column as numbers; empty if there is none of that name.
fn numbers(rows: &DataFrame, name: &str) -> Vec<f64> {
    let column = rows.column(name).and_then(|column| column.cast(&DataType::Float64));
    let numbers =
        column.ok().and_then(|column| Some(column.f64().ok()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect()));
    numbers.unwrap_or_default()
}

fn texts(rows: &DataFrame, name: &str) -> Vec<String> {
    let Ok(column) = rows.column(name) else { return Vec::new() };
    (0..column.len()).map(|row| shown::text_of(column.dtype(), &column.get(row).unwrap_or(AnyValue::Null))).collect()
}

/// The chart of a table that is known to have one. A table with other columns has none.
fn drawn(table: &str, rows: &DataFrame) -> Html {
    match table {
        "drift" => {
            let mut pairs: Vec<(String, f64)> = texts(rows, "column")
                .into_iter()
                .zip(numbers(rows, "psi"))
                .filter(|(_, psi)| psi.is_finite())
                .collect();
            pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
            if pairs.is_empty() {
                return Html::new();
            }
            let bars = chart::Bars::new("How far each column has moved", "PSI").mark(0.2, "the usual limit");
            pairs.into_iter().take(25).fold(bars, |bars, (name, psi)| bars.bar(name, psi)).figure().into()
        }
        "performance" => {
            let (weeks, values) = (texts(rows, "week"), numbers(rows, "value"));
            let (lows, highs, tests) = (numbers(rows, "low"), numbers(rows, "high"), numbers(rows, "test"));
            let (segments, names) = (texts(rows, "segment"), texts(rows, "model_version"));
            let day = |text: &str| {
                chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
                    .ok()
                    .map(|day| shown::seconds(day.and_time(chrono::NaiveTime::MIN).and_utc()))
            };
            // The rows of each version that are about one of its weeks.
            let mut versions: BTreeMap<Version, Vec<(f64, usize)>> = BTreeMap::new();
            for row in (0..rows.height()).filter(|row| segments[*row].is_empty()) {
                if let (Some(at), Ok(version)) = (day(&weeks[row]), names[row].parse()) {
                    versions.entry(version).or_default().push((at, row));
                }
            }
            versions.values_mut().for_each(|points| points.sort_by(|one, other| one.0.total_cmp(&other.0)));
            let Some((newest, of_newest)) = versions.last_key_value() else { return Html::new() };
            let metric = texts(rows, "metric").into_iter().next().unwrap_or_default();
            let lines = chart::Lines::new(format!("{metric} week by week"), day_at);
            let lines = versions.iter().rev().fold(lines, |lines, (version, points)| {
                let points = points.iter().map(|(at, row)| (*at, values[*row])).collect();
                lines.line(format!("{metric} of {version}"), points)
            });
            let band = of_newest.iter().map(|(at, row)| (*at, lows[*row], highs[*row])).collect();
            let lines = lines.band(format!("the 95 % interval of {newest}"), band);
            match of_newest.iter().map(|(_, row)| tests[*row]).find(|test| test.is_finite()) {
                Some(test) => lines.mark(test, format!("the figure of {newest}'s card")).figure().into(),
                None => lines.figure().into(),
            }
        }
        "spend" => {
            let days = texts(rows, "day");
            let costs = numbers(rows, "cost");
            if costs.is_empty() {
                return Html::new();
            }
            days.into_iter()
                .zip(costs)
                .fold(chart::Bars::new("Cost", "cost"), |bars, (day, cost)| bars.bar(day, cost))
                .figure()
                .into()
        }
        _ => Html::new(),
    }
}

/// The alerts, each with what became of it on every channel.
fn alerts(notified: &[Notified], has_channels: bool) -> Html {
    let columns = ["When", "Stage", "Priority", "What", "Sent to"].map(Column::text);
    let mut table = Table::new("Alerts, newest first", columns).or_else("There were no alerts.");
    for one in notified {
        let deliveries = one.deliveries.iter().map(|delivered| el("li").add(in_words(delivered)));
        table.row([
            shown::time(one.time).into(),
            Html::from(&one.stage),
            one.priority.to_string().into(),
            shown::long(&one.message),
            el("ul").all(deliveries).into(),
        ]);
    }
    let mut html: Html = table.into();
    html.push(match has_channels {
        true => note(format!("{} names the channels and says which of them takes what.", alert::FILE)),
        false => frame::notice(
            pages::State::Warning,
            el("p").text(format_args!("No notifications are sent: the project has no {}.", alert::FILE)),
        ),
    });
    html
}

/// `command page: sent`, with why it was not.
fn in_words(delivered: &Delivered) -> Html {
    let state = match delivered.outcome {
        End::Sent => badge(pages::State::Good, "sent"),
        End::Suppressed => badge(pages::State::Neutral, "not sent again"),
        End::Failed => badge(pages::State::Bad, "failed"),
    };
    let tries = match delivered.tries {
        0 | 1 => String::new(),
        tries => format!(" after {tries} tries"),
    };
    let why = delivered.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Html::of([Html::from(format!("{} ", delivered.channel)), state.into(), format!("{tries}{why}").into()])
}

/// The runs that failed.
fn failures(runs: &Runs) -> Html {
    let columns = ["When", "Stage", "Cause"].map(Column::text);
    let mut table = Table::new("Failed runs, newest first", columns).or_else("No run has failed.");
    let failed = runs.newest().into_iter().filter_map(|(tool, run)| match &run.end {
        watch::End::Failure(why) => Some((tool, run, why)),
        _ => None,
    });
    for (tool, run, why) in failed.take(ALERTS) {
        table.row([shown::time(run.ended).into(), Html::from(tool.name()), shown::long(why)]);
    }
    table.into()
}

#[cfg(test)]
mod tests {
    use polars::df;

    use super::*;

    #[test]
    fn each_version_has_a_line_and_the_newest_one_the_band_and_the_mark() {
        let rows = df!(
            "model_version" => ["v2", "v2", "v9", "v9", "v10", "v10"],
            "week" => [None, Some("2026-01-05"), Some("2026-01-05"), None, Some("2026-01-12"), Some("2026-01-05")],
            "segment" => [None, None, None, Some("town"), None, None::<&str>],
            "metric" => ["mae"; 6],
            "value" => [9.0, 1.0, 2.0, 9.0, 4.0, 3.0],
            "low" => [0.5; 6],
            "high" => [5.5; 6],
            "test" => [7.0, 7.0, 7.0, 7.0, 2.5, 2.5],
        );
        let html = drawn("performance", &rows.unwrap());
        let shown = html.as_str();
        for part in [
            "mae of v10: 3 on 2026-01-05, 4 on 2026-01-12.",
            "mae of v9 (dashed): 2 on 2026-01-05, 2 on 2026-01-05.",
            "mae of v2 (dotted): 1 on 2026-01-05, 1 on 2026-01-05.",
            "The band is the 95 % interval of v10. The dashed line is the figure of v10&#39;s card, 2.5.",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        assert!(!shown.contains("9 on"), "{shown}");
    }
}
