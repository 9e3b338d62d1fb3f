//! How stages ran: how long, with how many rows, and what went wrong.

use pages::chart::Lines;
use pages::{Column, Html, Page, State, Table as Rows, badge, note, section};
use values::calendar::day_at;
use watch::{End, Run};

use super::{SiteData, draw, frame};
use crate::words::{grouped, seconds};

/// Runs that a chart and a table show.
const CHART: usize = 200;
const LISTED: usize = 20;

/// The runs of all stages, by pipeline.
pub fn page(data: &SiteData<'_>) -> Page {
    let mut page = frame("Runs", "Runs", 0, data.now);
    if data.runs.values().all(|stages| stages.is_empty()) {
        page.push(note("The run log is empty."));
    }
    for (pipeline, stages) in &data.runs {
        for (tool, runs) in stages {
            let title = format!("{pipeline}: {tool}");
            let part = section(title.as_str()).add(durations(&title, runs)).add(newest(&title, runs));
            page.push(part);
        }
    }
    page
}

fn durations(title: &str, runs: &[Run]) -> Option<Html> {
    let points: Vec<(f64, f64)> = runs
        .iter()
        .filter_map(|run| match run.end {
            End::Success { seconds, .. } => Some((run.began.timestamp() as f64, seconds)),
            _ => None,
        })
        .collect();
    let points = points[points.len().saturating_sub(CHART)..].to_vec();
    (points.len() > 1).then(|| {
        Lines::new(format!("Duration of {title}"), day_at)
            .line("seconds", points)
            .from_zero()
            .shown_by(seconds)
            .figure()
            .into()
    })
}

fn newest(title: &str, runs: &[Run]) -> Html {
    let columns = [
        Column::text("Began"),
        Column::text("End"),
        Column::number("Duration"),
        Column::number("Rows"),
        Column::text("Error"),
    ];
    let mut rows = Rows::new(format!("Newest runs of {title}"), columns);
    for run in runs.iter().rev().take(LISTED) {
        let cells: [Html; 5] = match &run.end {
            End::Success { seconds: took, rows } => [
                draw::moment(run.began),
                badge(State::Good, "success").into(),
                seconds(*took).into(),
                grouped(*rows).into(),
                Html::new(),
            ],
            End::Failure(why) => {
                [draw::moment(run.began), badge(State::Bad, "failed").into(), Html::new(), Html::new(), why.into()]
            }
            End::Interrupted => [
                draw::moment(run.began),
                badge(State::Warning, "interrupted").into(),
                Html::new(),
                Html::new(),
                Html::new(),
            ],
            End::Unknown => {
                [draw::moment(run.began), badge(State::Neutral, "no end").into(), Html::new(), Html::new(), Html::new()]
            }
        };
        rows.row(cells);
    }
    rows.into()
}
