//! The versions of a pipeline's model, the decisions on them, and the forms that decide.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use pages::{Address, Column, Field, Form, Html, Table, chart, el, link, note, section, words};
use score::{Entry, Manifest, ModelStage, Registry, Version};
use spec::{Name, Tool};

use super::frame::{self, Part};
use super::overview::main_metric;
use super::visit::{SubmittedForm, Visit, Visitor, Wrong};
use super::{login, shown};
use crate::app::App;
use crate::decisions::{self, DecisionKind, DecisionRequest};
use crate::refusal::Refusal;
use crate::results_routes::computed;
use crate::tokens::Role;
use crate::writes;

/// What the registry holds, read once.
pub struct Versions {
    pub entries: Vec<Entry>,
    pub standing: Vec<Version>,
    /// Newest first; the record of one that cannot be read is its error.
    pub all: Vec<(Version, Result<Manifest, String>)>,
}

impl Versions {
    pub fn read(app: &App, name: &Name) -> Result<Versions, Refusal> {
        let registry = Registry::at(app.root.join(Tool::Train.folder(name)));
        let mut all: Vec<_> = registry
            .versions()?
            .into_iter()
            .map(|version| (version, registry.manifest(version).map_err(|error| error.to_string())))
            .collect();
        all.reverse();
        Ok(Versions { entries: registry.decisions()?, standing: registry.standing()?, all })
    }

    pub fn production(&self) -> Option<Version> {
        self.standing.last().copied()
    }

    /// The version in production as forms carry it.
    pub fn on(&self) -> String {
        self.production().map(|version| version.to_string()).unwrap_or_default()
    }
}

pub async fn page(Visit { app, visitor, name, .. }: Visit) -> Result<Response, Wrong> {
    answered(&app, &visitor, &name, None).await
}

/// The page, with what went wrong after a decision.
async fn answered(app: &Arc<App>, visitor: &Visitor, name: &Name, warning: Option<String>) -> Result<Response, Wrong> {
    let (working, of) = (app.clone(), name.clone());
    let versions = computed(app, move || Versions::read(&working, &of)).await?;
    let mut page = frame::of_pipeline(app, &visitor.0, name, Part::Models);
    page.push(warning.map(|text| frame::notice(pages::State::Warning, el("p").text(text)).attr("role", "alert")));
    page.push(table(name, &versions));
    page.push(trend(&versions));
    page.push(section("Decide").add(forms(visitor, name, &versions)));
    page.push(section("Decisions").add(decided(name, versions.entries.iter().rev())));
    Ok(frame::answer(page))
}

/// The address of a version's page.
pub fn address(name: &Name, version: Version) -> Address {
    Address::to(&["pipelines", name.as_str(), "models", &version.to_string()])
}

fn table(name: &Name, versions: &Versions) -> Html {
    let columns = [
        Column::text("Version"),
        Column::text("Stage"),
        Column::text("Trained"),
        Column::text("Experiment"),
        Column::number("Rows"),
        Column::text("On its test part"),
    ];
    let mut table =
        Table::new("Versions, newest first", columns).or_else(format!("No version yet: run bin/train {name}."));
    for (version, manifest) in &versions.all {
        let stage = frame::of_stage(ModelStage::of(*version, &versions.entries)).into();
        let to: Html = link(&address(name, *version), version.to_string()).into();
        match manifest {
            Ok(manifest) => {
                let measured = main_metric(manifest).and_then(|metric| Some((metric, manifest.metrics.get(&metric)?)));
                let quality = measured.map(|(metric, measured)| format!("{metric} {}", measured.in_words()));
                table.row([
                    to,
                    stage,
                    shown::time_text(&manifest.origin.created),
                    format!("{} ({})", manifest.experiment, manifest.learner).into(),
                    words::grouped(manifest.rows).into(),
                    Html::from(quality),
                ]);
            }
            Err(error) => table.row([to, stage, Html::new(), Html::new(), Html::new(), shown::long(error)]),
        }
    }
    table.into()
}

/// The main metric over the versions, with its interval.
fn trend(versions: &Versions) -> Option<Html> {
    let metric = versions.all.iter().find_map(|(_, manifest)| main_metric(manifest.as_ref().ok()?))?;
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for (version, manifest) in versions.all.iter().rev() {
        let Some(measured) = manifest.as_ref().ok().and_then(|manifest| manifest.metrics.get(&metric)) else {
            continue;
        };
        let Some(at) = version.to_string().trim_start_matches('v').parse::<f64>().ok() else { continue };
        points.extend(measured.value.map(|value| (at, value)));
        band.extend(measured.interval.as_ref().map(|interval| (at, interval.low, interval.high)));
    }
    if points.len() < 2 {
        return None;
    }
    let name = format!("{metric} by version, on its test part");
    let lines = chart::Lines::new(name, |at| format!("v{at:.0}")).line(metric.name(), points);
    Some(lines.band("the 95 % interval", band).figure().into())
}

/// The decisions of a log, in this order.
pub fn decided<'a>(name: &Name, entries: impl Iterator<Item = &'a Entry>) -> Html {
    let columns = [
        Column::text("When"),
        Column::text("Decision"),
        Column::text("Version"),
        Column::text("Before"),
        Column::text("Who"),
        Column::text("Why"),
    ];
    let mut table = Table::new("Decisions", columns).or_else("Nothing was decided yet.");
    for entry in entries {
        table.row([
            shown::time_text(&entry.time),
            entry.action.word().into(),
            link(&address(name, entry.version), entry.version.to_string()).into(),
            Html::from(entry.champion.map(|version| version.to_string())),
            entry.who.as_str().into(),
            shown::long(&entry.why),
        ]);
    }
    table.into()
}

/// The forms that an administrator has.
pub fn forms(visitor: &Visitor, name: &Name, versions: &Versions) -> Html {
    if let Some(text) = login::needs(visitor, Role::Admin, "may promote, roll back and archive") {
        return text;
    }
    let to = Address::to(&["pipelines", name.as_str(), "models", "decide"]);
    let form = |kind: &str| Form::post(&to, &visitor.0.csrf).hidden("kind", kind).hidden("on", versions.on());
    let why = || Field::line("why", "Reason, for the log", "").required().longest(2000);
    let stage = |version: &Version| ModelStage::of(*version, &versions.entries);
    let named = |wanted: &dyn Fn(Option<ModelStage>) -> bool| -> Vec<(String, String)> {
        let all = versions.all.iter().map(|(version, _)| version).filter(|version| wanted(stage(version)));
        all.map(|version| {
            (
                version.to_string(),
                format!("{version}{}", stage(version).map_or(String::new(), |stage| format!(" ({})", stage.name()))),
            )
        })
        .collect()
    };
    let mut html = Html::new();
    let candidates = named(&|stage| stage != Some(ModelStage::Production));
    if !candidates.is_empty() {
        html.push(el("h3").text("Promote"));
        html.push(
            form("promote").field(Field::choice("version", "Version", "", candidates)).field(why()).button("Promote"),
        );
    }
    if let [.., before, now] = versions.standing[..] {
        html.push(el("h3").text("Roll back"));
        html.push(note(format!("Puts {before} back in place of {now}.")));
        html.push(form("rollback").class("grave").field(why()).button(format!("Roll back to {before}")));
    }
    let waiting = named(&|stage| matches!(stage, Some(ModelStage::Staging) | None));
    if !waiting.is_empty() {
        html.push(el("h3").text("Archive"));
        html.push(
            form("archive")
                .class("quiet")
                .field(Field::choice("version", "Version", "", waiting))
                .field(why())
                .button("Archive"),
        );
    }
    match html.is_empty() {
        true => note("There is nothing to decide yet.").into(),
        false => html,
    }
}

pub async fn decide(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    submitted: SubmittedForm,
) -> Result<Response, Wrong> {
    submitted.may(&app, Role::Admin).await?;
    let pipeline = writes::named(&app, &name)?;
    let kind = match submitted.field("kind") {
        "promote" => DecisionKind::Promote(writes::version(submitted.field("version"))?),
        "archive" => DecisionKind::Archive(writes::version(submitted.field("version"))?),
        "rollback" => DecisionKind::Rollback,
        _ => return Err(Refusal::malformed("the form does not say what to do").into()),
    };
    let asked = DecisionRequest {
        pipeline: pipeline.clone(),
        kind,
        why: submitted.field("why").to_owned(),
        who: submitted.session.who.clone(),
        role: submitted.session.role,
        way: "page",
        on: Some(submitted.field("on").to_owned()),
    };
    let decided = decisions::decide(&app, asked).await?;
    if decided.warning.is_some() {
        return answered(&app, &Visitor(submitted.session.clone()), &pipeline, decided.warning).await;
    }
    Ok(Redirect::to(Part::Models.address(&pipeline).as_str()).into_response())
}
