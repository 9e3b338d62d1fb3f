//! The last runs, as the run log has them.

use pages::{Column, Html, State, Table, badge, el, words};

use super::{RunsPart, titled};

/// One run of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLine {
    /// When it began, for people: `2026-11-26 20:15:00`, UTC.
    pub began: String,
    /// The tool.
    pub stage: String,
    pub end: RunEnd,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEnd {
    Success {
        seconds: f64,
        rows: u64,
    },
    Failure(String),
    Interrupted,
    /// Still at work, or killed.
    Unknown,
}

pub fn draw(part: &RunsPart, runs: Vec<RunLine>) -> Html {
    let columns = [
        Column::text("Began, UTC"),
        Column::text("Stage"),
        Column::text("Result"),
        Column::number("Rows"),
        Column::number("Took"),
        Column::text("Note"),
    ];
    let caption = part.title.as_deref().unwrap_or("Last runs");
    let mut table = Table::new(caption, columns).or_else("The run log has no run of this pipeline.");
    for RunLine { began, stage, end } in runs.into_iter().take(part.last) {
        let began: Html = el("span").class("together").text(began).into();
        let (state, rows, took, why): (Html, Html, Html, Html) = match end {
            RunEnd::Success { seconds, rows } => (
                badge(State::Good, "succeeded").into(),
                words::grouped(rows).into(),
                words::seconds(seconds).into(),
                Html::new(),
            ),
            RunEnd::Failure(why) => {
                let why = el("span").class("wide").text(spec::text::cut(&why, 300)).into();
                (badge(State::Bad, "failed").into(), Html::new(), Html::new(), why)
            }
            RunEnd::Interrupted => (badge(State::Warning, "interrupted").into(), Html::new(), Html::new(), Html::new()),
            RunEnd::Unknown => (badge(State::Neutral, "no end").into(), Html::new(), Html::new(), Html::new()),
        };
        table.row([began, stage.into(), state, rows, took, why]);
    }
    titled(part.title.as_deref(), table)
}
