//! One version: how good it is, what it was chosen from, what moves it, its card and its plots.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use pages::{Address, Column, Facts, Html, Table, badge, chart, el, link, note, section, words};
use score::{Manifest, ModelStage, Version};
use spec::{Name, Tool};

use super::frame::{self, Part};
use super::models::{self, Versions};
use super::shown;
use super::visit::{Visit, Wrong};
use crate::app::App;
use crate::refusal::Refusal;
use crate::results_routes::computed;
use crate::writes;

pub async fn page(visit: Visit) -> Result<Response, Wrong> {
    let version = writes::version(visit.part("version"))?;
    let Visit { app, visitor, name, .. } = visit;
    let (working, of) = (app.clone(), name.clone());
    let versions = computed(&app, move || Versions::read(&working, &of)).await?;
    let Some((_, manifest)) = versions.all.iter().find(|(known, _)| *known == version) else {
        let names: Vec<String> = versions.all.iter().map(|(version, _)| version.to_string()).collect();
        let refusal = Refusal::not_found(format!("pipeline '{name}' has no version '{version}'"));
        return Err(refusal.among(&version.to_string(), names.iter().map(String::as_str)).into());
    };
    let mut page = frame::below(&app, &visitor.0, &name, Part::Models, &format!("{name} {version}"));
    page.push(el("p").add(frame::of_stage(ModelStage::of(version, &versions.entries))));
    match manifest {
        Ok(manifest) => page.push(of_manifest(&app, &name, version, manifest)),
        Err(error) => page.push(frame::notice(pages::State::Bad, el("p").text(error))),
    }
    page.push(section("Decide").add(models::forms(&visitor, &name, &versions)));
    let own = versions.entries.iter().rev().filter(|entry| entry.version == version || entry.champion == Some(version));
    page.push(section("Decisions about it").add(models::decided(&name, own)));
    Ok(frame::answer(page))
}

fn of_manifest(app: &App, name: &Name, version: Version, manifest: &Manifest) -> Html {
    let mut html = Html::new();
    let facts = Facts::new()
        .fact("Trained", shown::time_text(&manifest.origin.created))
        .fact("Task", manifest.task.name())
        .fact("Label", manifest.label.as_str())
        .fact("Experiment", format!("{} ({})", manifest.experiment, manifest.learner))
        .fact("Rows", words::grouped(manifest.rows))
        .fact("Features", manifest.features.len().to_string())
        .fact_if("Threshold", manifest.threshold.as_ref().map(|t| format!("{} ({})", words::number(t.value), t.rule)))
        .fact("Made by", el("code").text(&manifest.origin.command));
    html.push(facts);
    let has_card = app.root.join(Tool::Train.folder(name)).join(version.to_string()).join("card.html").is_file();
    html.push(has_card.then(|| {
        let card = Address::to(&["pipelines", name.as_str(), "models", &version.to_string(), "card"]);
        el("p").add(link(&card, "The model card, as one page")).text(" – all of this with how it was tested.")
    }));
    html.push(section("How good it is, on rows that it never saw").add(metrics(manifest)));
    html.push(section("Gates that it had to pass").add(gate(manifest)));
    html.push(section("Experiments that it was chosen from").add(experiments(manifest)));
    if !manifest.importance.is_empty() {
        let shares = manifest.importance.iter().take(25);
        let bars = shares
            .fold(chart::Bars::new("What moves it", "share of all that moves the model"), |bars, (name, share)| {
                bars.bar(name, *share)
            });
        html.push(section("Features").add(bars.shown_by(spec::text::percent).figure()));
    }
    html.push(plots(app, name, version));
    html
}

fn metrics(manifest: &Manifest) -> Html {
    let columns = [
        Column::text("Metric"),
        Column::number("Value"),
        Column::number("Low"),
        Column::number("High"),
        Column::number("Baseline"),
        Column::text("Note"),
    ];
    let mut table = Table::new("Metrics on the test part, with 95 % intervals", columns).with_caption();
    for (metric, measured) in &manifest.metrics {
        let bound = |of: fn(&score::metrics::Interval) -> f64| {
            measured.interval.as_ref().map(|interval| words::number(of(interval)))
        };
        table.row([
            Html::from(metric.name()),
            measured.value.map(words::number).into(),
            bound(|interval| interval.low).into(),
            bound(|interval| interval.high).into(),
            measured.baseline.map(words::number).into(),
            measured.why.clone().into(),
        ]);
    }
    table.into()
}

fn gate(manifest: &Manifest) -> Html {
    let mut table = Table::new("Rules", [Column::text("Rule"), Column::text("Verdict"), Column::text("Found")])
        .or_else("The spec has no gates.");
    for rule in &manifest.gate {
        let verdict =
            if rule.passed { badge(pages::State::Good, "passed") } else { badge(pages::State::Bad, "failed") };
        table.row([Html::from(rule.rule.as_str()), verdict.into(), rule.found.as_str().into()]);
    }
    table.into()
}

fn experiments(manifest: &Manifest) -> Html {
    let metrics: Vec<_> = manifest
        .experiments
        .iter()
        .flat_map(|tried| tried.metrics.keys().copied())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let heads = [Column::text("Experiment"), Column::text("Learner")]
        .into_iter()
        .chain(metrics.iter().map(|metric| Column::number(metric.name())));
    let mut table = Table::new("On the validation part", heads).with_caption();
    for tried in &manifest.experiments {
        let chosen = (tried.name == manifest.experiment).then(|| badge(pages::State::Good, "chosen"));
        let name = Html::of([Html::from(tried.name.as_str()), " ".into(), chosen.into()]);
        let values =
            metrics.iter().map(|metric| Html::from(tried.metrics.get(metric).copied().flatten().map(words::number)));
        table.row([name, tried.learner.as_str().into()].into_iter().chain(values));
    }
    let mut html: Html = table.into();
    html.push(manifest.within_noise.as_deref().map(note));
    html
}

fn plots(app: &App, name: &Name, version: Version) -> Option<Html> {
    let folder = app.root.join(Tool::Train.folder(name)).join(version.to_string()).join("plots");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok()?.strip_suffix(".svg").map(str::to_owned))
        .filter(|plot| is_plot(plot))
        .collect();
    files.sort();
    if files.is_empty() {
        return None;
    }
    let figures = files.into_iter().map(|plot| {
        let words = plot.replace('_', " ");
        let source = Address::to(&["pipelines", name.as_str(), "models", &version.to_string(), "plots", &plot]);
        let image = el("img").class("plot").src(&source).attr("alt", format_args!("Plot: {words}"));
        el("figure").add(el("figcaption").text(words)).add(image)
    });
    Some(section("Plots").add(el("div").class("pair").all(figures)).into())
}

/// A name that can be no path.
fn is_plot(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A file of a version, as it was written.
async fn file(visit: &Visit, file: String, kind: &'static str) -> Result<Response, Wrong> {
    let version = writes::version(visit.part("version"))?;
    let path = visit.app.root.join(Tool::Train.folder(&visit.name)).join(version.to_string()).join(file);
    let bytes = computed(&visit.app, move || {
        std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Refusal::not_found("the version has no such file"),
            _ => Refusal::from(spec::Error::io("read", &path, &error)),
        })
    })
    .await?;
    let mut response = ([(header::CONTENT_TYPE, kind)], bytes).into_response();
    // It was written by `train` alone; still, nothing in it may run, load or lead anywhere.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(response)
}

pub async fn card(visit: Visit) -> Result<Response, Wrong> {
    file(&visit, "card.html".to_owned(), "text/html; charset=utf-8").await
}

pub async fn plot(visit: Visit) -> Result<Response, Wrong> {
    let plot = visit.part("plot");
    match is_plot(plot) {
        true => file(&visit, format!("plots/{plot}.svg"), "image/svg+xml").await,
        false => Err(Refusal::not_found("the version has no such plot").into()),
    }
}
