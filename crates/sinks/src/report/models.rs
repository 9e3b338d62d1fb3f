//! What the registry of models says: a metric over versions, what is and was in production, what moves the model.

use pages::{Column, Html, Table, chart, el, note, words};
use score::metrics::Metric;
use score::{Action, Manifest, Registry};
use spec::{Error, Result, did_you_mean};

use super::{ChampionsPart, FeaturesPart, MetricsPart, cells, titled};

/// The metric over the versions, with its interval. A version whose record cannot be read is named below.
pub fn metrics(part: &MetricsPart, registry: &Registry) -> Result<Html> {
    let (mut manifests, mut unread) = (Vec::new(), Vec::new());
    for version in registry.versions()? {
        match registry.manifest(version) {
            Ok(manifest) => manifests.push((version.to_string(), manifest)),
            Err(_) => unread.push(version.to_string()),
        }
    }
    let Some(metric) = metric_of(part, manifests.iter().map(|(_, manifest)| manifest))? else {
        return Ok(titled(part.title.as_deref(), el("p").class("empty").text("There is no version of a model yet.")));
    };
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for (version, manifest) in &manifests {
        let Some(measured) = manifest.metrics.get(&metric) else { continue };
        let Some(at) = version.trim_start_matches('v').parse::<f64>().ok() else { continue };
        points.extend(measured.value.map(|value| (at, value)));
        band.extend(measured.interval.as_ref().map(|interval| (at, interval.low, interval.high)));
    }
    let title = part.title.clone().unwrap_or_else(|| format!("{metric} by version, on the test part of each"));
    let lines = chart::Lines::new(title, |at| format!("v{at:.0}")).line(metric.name(), points);
    let mut html = Html::from(lines.band("the 95 % interval", band).figure());
    if !unread.is_empty() {
        html.push(note(format!("Not shown, since their records cannot be read: {}.", unread.join(", "))));
    }
    Ok(html)
}

/// The metric that the part names, or the first that the versions have.
fn metric_of<'a>(part: &MetricsPart, manifests: impl Iterator<Item = &'a Manifest> + Clone) -> Result<Option<Metric>> {
    let mut known: Vec<Metric> = manifests.clone().flat_map(|manifest| manifest.metrics.keys().copied()).collect();
    known.sort_unstable();
    known.dedup();
    let Some(name) = &part.metric else {
        let has_value = |metric: &Metric| manifests.clone().any(|manifest| manifest.metric(*metric).is_some());
        return Ok(known.into_iter().find(has_value));
    };
    match known.iter().find(|metric| metric.name() == name) {
        Some(metric) => Ok(Some(*metric)),
        None if known.is_empty() => Ok(None),
        None => Err(Error::cannot_run(format!("no version was measured by '{name}'"))
            .hint(did_you_mean(name, known.iter().map(|metric| metric.name())))),
    }
}

/// What is in production, and the decisions, the newest first.
pub fn champions(part: &ChampionsPart, registry: &Registry) -> Result<Html> {
    let entries = registry.decisions()?;
    let now = match Registry::standing_after(&entries).last() {
        Some(version) => el("p").text(format_args!("In production: {version}.")),
        None => el("p").text("No version is in production."),
    };
    let columns = [
        Column::text("When, UTC"),
        Column::text("Decision"),
        Column::text("Version"),
        Column::text("Before"),
        Column::text("Why"),
    ];
    let caption = part.title.as_deref().unwrap_or("Decisions on versions");
    let mut table = Table::new(caption, columns).or_else("Nothing was decided yet.");
    let decisions: Vec<_> = entries.iter().rev().filter(|entry| !entry.action.is_remark()).collect();
    for entry in decisions.iter().take(part.last) {
        table.row([
            Html::from(el("span").class("together").text(when(&entry.time))),
            decided(entry.action).into(),
            entry.version.to_string().into(),
            Html::from(entry.champion.map(|version| version.to_string())),
            el("span").class("wide").text(spec::text::cut(&entry.why, 300)).into(),
        ]);
    }
    let mut html = Html::of([Html::from(now), table.into()]);
    if decisions.len() > part.last {
        html.push(note(format!("The last {} of {} decisions.", part.last, words::grouped(decisions.len() as u64))));
    }
    Ok(titled(part.title.as_deref(), html))
}

/// A time of the log, RFC 3339, as people read it.
fn when(time: &str) -> String {
    match chrono::DateTime::parse_from_rfc3339(time) {
        Ok(at) => cells::moment(at.timestamp() as f64),
        Err(_) => time.to_owned(),
    }
}

fn decided(action: Action) -> &'static str {
    match action {
        Action::Promote => "promoted",
        Action::Keep => "champion kept",
        Action::Refuse => "refused by its gate",
        Action::Rollback => "rolled back",
        Action::Archive => "archived",
        Action::Propose | Action::Wait | Action::Stop | Action::Takeover => action.word(),
    }
}

/// What moves the model in production.
pub fn features(part: &FeaturesPart, registry: &Registry) -> Result<Html> {
    let Some(version) = registry.production()? else {
        return Ok(titled(part.title.as_deref(), el("p").class("empty").text("No version is in production.")));
    };
    let manifest = registry.manifest(version)?;
    if manifest.importance.is_empty() {
        let none = format!("{version} ({}) does not record what moves it.", manifest.learner);
        return Ok(titled(part.title.as_deref(), el("p").class("empty").text(none)));
    }
    let title = part.title.clone().unwrap_or_else(|| format!("What moves {version}"));
    let shares = manifest.importance.iter().take(part.top);
    let bars = shares.fold(chart::Bars::new(title, "share of all that moves the model"), |bars, (name, share)| {
        bars.bar(name, *share)
    });
    Ok(bars.shown_by(spec::text::percent).figure().into())
}
