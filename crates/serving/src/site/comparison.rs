//! The running comparison: who answers how many, and what it has come to.

use axum::response::Response;
use pages::{Column, Html, Table, el, link, note, section, words};
use score::{Action, Entry};
use serde_json::Value;

use super::frame::{self, Part};
use super::models::{self, Versions};
use super::visit::{Visit, Wrong};
use super::watched;
use crate::results_routes::computed;

pub async fn page(Visit { app, visitor, name, .. }: Visit) -> Result<Response, Wrong> {
    let mut page = frame::of_pipeline(&app, &visitor.0, &name, Part::Comparison);
    let served = app.pipelines.get(name.as_str()).cloned();
    let (working, of) = (app.clone(), name.clone());
    let (versions, described, table) = computed(&app, move || {
        let described = served.map(|served| served.described(&working.root));
        Ok((Versions::read(&working, &of)?, described, watched::of_table(&working.root, &of, "comparison")?))
    })
    .await?;
    page.push(section("Who answers now").add(match &described {
        Some(described) => arms(described),
        None => note(format!("The pipeline is not served: resources/{name}/serve.yaml makes it so.")).into(),
    }));
    let verdicts: Vec<_> = versions.entries.iter().rev().filter(|entry| is_verdict(entry)).collect();
    let mut verdict = Html::new();
    if verdicts.is_empty() {
        verdict.push(note(format!(
            "No comparison has been judged yet. Run bin/release {name}, which judges it by resources/{name}/release.yaml."
        )));
    }
    if let Some(newest) = verdicts.first() {
        if let Some(end) = end(&versions.entries, newest) {
            verdict.push(el("p").text(end));
        }
        let state = match newest.action {
            Action::Propose | Action::Promote => pages::State::Good,
            Action::Stop => pages::State::Bad,
            _ => pages::State::Running,
        };
        let about = el("p").add(el("strong").text(format_args!("{} of ", newest.action.word())));
        let about = about
            .add(link(&models::address(&name, newest.version), newest.version.to_string()))
            .text(format_args!(": {}", newest.why));
        verdict.push(frame::notice(state, about));
        verdict.push(numbers(newest));
    }
    page.push(section("State of the comparison").add(verdict));
    if let Some(table) = table {
        page.push(section("Day by day").add(table));
    }
    if verdicts.len() > 1 {
        page.push(section("Earlier verdicts").add(models::decided(&name, verdicts.into_iter().skip(1).take(50))));
    }
    Ok(frame::answer(page))
}

/// Whether a decision is a verdict on a comparison, which `release` may have carried out itself. The steps of a takeover are none.
fn is_verdict(entry: &Entry) -> bool {
    matches!(entry.action, Action::Propose | Action::Wait | Action::Stop) || entry.judged_on.is_some()
}

/// What ended the comparison of `verdict`, the newest one in the log; `None` if it goes on.
fn end(entries: &[Entry], verdict: &Entry) -> Option<String> {
    let from = entries.iter().rposition(is_verdict)?;
    // The steps of a takeover archive the version before.
    let ends = |entry: &&Entry| match entry.action {
        Action::Promote | Action::Rollback => true,
        Action::Archive => entry.version == verdict.version,
        _ => false,
    };
    let entry = entries[from..].iter().rfind(ends)?;
    Some(match entry.action {
        Action::Archive => format!("The comparison is over: {} was archived.", entry.version),
        _ => format!("The comparison is over: {} is in production.", entry.version),
    })
}

/// The numbers that a verdict rests on.
fn numbers(entry: &Entry) -> Html {
    let mut table = Table::new("Numbers of the verdict", [Column::text("Number"), Column::number("Value")])
        .or_else("The verdict has no numbers.");
    for (name, value) in &entry.metrics {
        table.row([name.clone(), words::number(*value)]);
    }
    table.into()
}

fn arms(described: &Value) -> Html {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Number(number) => number.as_f64().map(words::number).unwrap_or_default(),
        other => other.to_string(),
    };
    let columns = [
        Column::text("Arm"),
        Column::text("Version"),
        Column::number("Share"),
        Column::number("Answers"),
        Column::number("Errors"),
        Column::number("P95, ms"),
        Column::text("Health check"),
    ];
    let mut table = Table::new("Versions in memory", columns).or_else("Nothing answers yet.");
    for arm in described["arms"].as_array().into_iter().flatten() {
        let share = match arm["share"].as_f64() {
            Some(share) => spec::text::percent(share),
            None if arm["shadow"] == true => "only into the log".to_owned(),
            None => "the rest".to_owned(),
        };
        let cells = ["name", "version"].map(|name| text(&arm[name]));
        let rest = ["answers", "errors", "p95_ms", "health"].map(|name| text(&arm[name]));
        table.row(cells.into_iter().chain([share]).chain(rest));
    }
    let mut html: Html = table.into();
    if let Some(before) = described["takeover"]["before"].as_str() {
        let share = described["takeover"]["share"].as_f64().map(spec::text::percent).unwrap_or_default();
        html.push(note(format!("A takeover is under way: the new version answers {share}, {before} the others.")));
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: Action, version: u32, judged: bool) -> Entry {
        Entry {
            time: String::new(),
            who: String::new(),
            action,
            version: format!("v{version}").parse().unwrap(),
            champion: None,
            why: String::new(),
            metrics: Default::default(),
            evidence: String::new(),
            judged_on: judged.then(String::new),
            previous: String::new(),
        }
    }

    #[test]
    fn a_comparison_that_is_over_says_so() {
        let over = |log: &[Entry]| end(log, log.iter().rfind(|entry| is_verdict(entry)).unwrap());
        let mut log = vec![entry(Action::Promote, 1, false), entry(Action::Wait, 2, true)];
        assert_eq!(over(&log), None);
        // Each look is a verdict, whoever carries it out.
        log.push(entry(Action::Promote, 2, true));
        let is_in_production = Some("The comparison is over: v2 is in production.".to_owned());
        assert_eq!(over(&log), is_in_production);
        log.extend([entry(Action::Takeover, 2, false), entry(Action::Archive, 1, false)]);
        assert_eq!(over(&log), is_in_production);
        log.push(entry(Action::Propose, 3, true));
        assert_eq!(over(&log), None);
        log.push(entry(Action::Archive, 3, false));
        assert_eq!(over(&log).as_deref(), Some("The comparison is over: v3 was archived."));
        log.push(entry(Action::Rollback, 1, false));
        assert_eq!(over(&log).as_deref(), Some("The comparison is over: v1 is in production."));
    }
}
