//! The running comparison: read, judged, printed, logged, and carried out where the spec says so.

use alert::EventClass;
use artifact::Artifact;
use chrono::DateTime;
use compare::{ArmJudgement, CompareSpec, Counts, Judgement, PromoteWhen, Test, Verdict, judge as look};
use score::{Action, Decision, Entry, ModelStage, Signature, Version};
use serde_json::json;
use spec::text::{number, percent};
use spec::{Error, Exit, Result, Tool};
use tool::{Dataset, RunLog, Source, caught, recorded};

use crate::context::Context;
use crate::reading::in_words;
use crate::wiring::Format;

/// Judges the running comparison. Whatever goes wrong alerts, as in a stage.
pub fn judge(context: &Context, named: &[String], format: Format, dry_run: bool, quiet: bool) -> Result<Exit> {
    let run = uuid::Uuid::now_v7().to_string();
    caught(|| judged(context, named, format, dry_run, quiet, &run)).inspect_err(|error| {
        if !error.is_closed_pipe() && !dry_run {
            let source = Source {
                tool: Tool::Release,
                pipeline: &context.pipeline,
                run: &run,
                started: context.began.time(),
                snapshot: None,
                priority: None,
            };
            let class = EventClass::from(error.class());
            tool::alert(&context.root, &context.env, source, class, error.message(), error.way_out());
        }
    })
}

fn judged(context: &Context, named: &[String], format: Format, dry_run: bool, quiet: bool, run: &str) -> Result<Exit> {
    let (spec, hash) = compare::load(&context.root, &context.pipeline, &context.env)?;
    let champion = context.registry.production()?.ok_or_else(|| context.nothing_in_production())?;
    let artifacts = tables(context, &spec, named)?;
    let evidence = evidence(&hash, &spec, champion, &artifacts)?;
    let known = context.registry.decisions()?.into_iter().rfind(|entry| entry.judged_on.as_ref() == Some(&evidence));
    if let Some(entry) = known.filter(|_| !dry_run) {
        tool::say(format!("{}: nothing new since the last look; {}", context.who, in_words(&entry)));
        return ended(&entry);
    }
    let work = || -> Result<Option<Entry>> {
        let counts = Counts::of_tables(&spec, &artifacts)?;
        let found = look(&spec, &counts);
        if let Some(over) = is_over(context, &found, champion)? {
            tool::say(format!("{}: {over}", context.who));
            return Ok(None);
        }
        if let Some(taken) = only_look(context, &spec, &found)?.filter(|_| !dry_run) {
            tool::say(format!("{}: the only look of a fixed test was taken; {}", context.who, in_words(&taken)));
            return Ok(None);
        }
        found.notes.iter().for_each(|note| tool::say(format!("{}: {note}", context.who)));
        if !quiet || format == Format::Json {
            tool::print(&match format {
                Format::Text => text_of(&spec, &found),
                Format::Json => format!("{}\n", json!(found)),
            })?;
        }
        if dry_run {
            return Ok(None);
        }
        decide(context, &spec, &found, evidence).map(Some)
    };
    if dry_run {
        work()?;
        return Ok(Exit::Done);
    }
    let inputs: Vec<Dataset> = artifacts.iter().map(|input| Dataset::named(input.path.display().to_string())).collect();
    let begin = || RunLog::begin(&context.root, &context.env, run, Tool::Release, &context.pipeline, &inputs);
    let (entry, log) = recorded(begin, work, |_| Vec::new())?;
    log.post();
    match entry {
        None => Ok(Exit::Done),
        Some(entry) => {
            let sent = if entry.action.is_remark() { context.logged(&entry) } else { context.decided(&entry) };
            if !context.is_made(&entry)? {
                return sent.map(|()| Exit::Done);
            }
            tool::say(in_words(&entry));
            ended(&entry).and_then(|exit| sent.map(|()| exit))
        }
    }
}

/// The tables that were named, else what `serve` has sealed.
fn tables(context: &Context, spec: &CompareSpec, named: &[String]) -> Result<Vec<Artifact>> {
    if !named.is_empty() {
        return stage::upstream(Tool::Release, &context.pipeline, named, &context.root, &context.mirror);
    }
    let served = compare::served(spec.served.as_ref(), &context.pipeline)?;
    let artifacts = context.latest(Tool::Ingest, &served)?;
    match artifacts.iter().any(|artifact| artifact.is_table()) {
        true => Ok(artifacts),
        false => {
            let latest = Tool::Ingest.folder(&served).join(artifact::LATEST);
            Err(Error::try_again(format!("{}: no requests were sealed yet", latest.display()))
                .hint("`bin/serve` seals them from time to time while it answers"))
        }
    }
}

/// BLAKE3 over all that a verdict depends on.
fn evidence(hash: &str, spec: &CompareSpec, champion: Version, artifacts: &[Artifact]) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{hash}\n{champion}\n").as_bytes());
    for (arm, share) in spec.arms.iter() {
        hasher.update(format!("{arm} {share}\n").as_bytes());
    }
    for artifact in artifacts {
        hasher.update(format!("{}\n", json!(artifact.as_input()?)).as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Why there is nothing to judge any more, if the comparison has ended.
fn is_over(context: &Context, found: &Judgement, champion: Version) -> Result<Option<String>> {
    let champion = champion.to_string();
    if found.arms.iter().any(|arm| arm.version == champion) {
        return Ok(Some(format!("the comparison is over: {champion} is in production")));
    }
    if found.control_version != champion {
        return Err(Error::try_again(format!(
            "arm '{}' answered last with {}, but {champion} is in production",
            found.control, found.control_version
        ))
        .hint(
            "`serve` takes up a promotion within a second; judge again once requests of the new comparison are sealed",
        ));
    }
    let challenger: Version = found.challenger_version.parse()?;
    let entries = context.registry.decisions()?;
    // One that a newer version took out of staging may be an arm by its name.
    Ok(match ModelStage::decided(challenger, &entries).map(|entry| entry.action) {
        Some(Action::Archive) => Some(format!("the comparison is over: {challenger} is archived")),
        Some(Action::Refuse) => Some(format!("there is nothing to compare: {challenger} did not pass its gate")),
        _ => None,
    })
}

/// The verdict on this comparison that was logged as a proposal, where the spec allows a single look: a second one would
/// tell apart more equal versions than it promises. What was proposed before `since` was about another comparison.
fn only_look(context: &Context, spec: &CompareSpec, found: &Judgement) -> Result<Option<Entry>> {
    if spec.test != Test::Fixed {
        return Ok(None);
    }
    let is_before = |entry: &Entry| {
        let time = DateTime::parse_from_rfc3339(&entry.time).map(|time| time.timestamp_micros());
        spec.since.is_some_and(|since| time.is_ok_and(|time| time < since.micros))
    };
    let is_of = |entry: &Entry| {
        entry.action == Action::Propose
            && !is_before(entry)
            && entry.version.to_string() == found.challenger_version
            && entry.champion.is_some_and(|champion| champion.to_string() == found.control_version)
    };
    Ok(context.registry.decisions()?.into_iter().rfind(is_of))
}

/// Logs the verdict, and carries it out where the spec says so.
fn decide(context: &Context, spec: &CompareSpec, found: &Judgement, evidence: String) -> Result<Entry> {
    let version: Version = found.challenger_version.parse()?;
    let by_hand = spec.promote.when == PromoteWhen::ByHand;
    let (action, why) = match found.verdict {
        Verdict::Promote if by_hand => (Action::Propose, format!("promote it: {}", found.why)),
        Verdict::Keep if by_hand => (Action::Propose, format!("archive it: {}", found.why)),
        Verdict::Promote => (Action::Promote, found.why.clone()),
        Verdict::Keep => (Action::Archive, found.why.clone()),
        Verdict::MoreData => (Action::Wait, format!("more data: {}", found.why)),
        Verdict::SampleRatio => (Action::Stop, format!("{}: {}", found.verdict, found.why)),
    };
    context.bring(version)?;
    if action == Action::Promote {
        context.registry.verified(version)?;
    }
    let decision = Decision {
        action,
        champion: Some(found.control_version.parse()?),
        why,
        metrics: found.metrics(),
        judged_on: Some(evidence),
    };
    context.registry.record(version, &decision, Signature::now())
}

/// How a look ends that was logged as `entry`.
fn ended(entry: &Entry) -> Result<Exit> {
    match entry.action {
        Action::Stop => Err(Error::refused(entry.why.clone())),
        _ => Ok(Exit::Done),
    }
}

fn text_of(spec: &CompareSpec, found: &Judgement) -> String {
    let mut text =
        format!("verdict     {} ({} against {})\n", found.verdict, found.challenger_version, found.control_version);
    text += &format!("because     {}\n", found.why);
    let ratio = &found.sample_ratio;
    let names = spec.arms.names();
    let got: Vec<String> = names.zip(&ratio.keys).map(|(arm, keys)| format!("{arm} {keys}")).collect();
    let p = ratio.p.map(|p| format!(" (p {})", probability(p))).unwrap_or_default();
    text += &format!("{:<11} {}{p}\n", spec.units, got.join(", "));
    found.arms.iter().for_each(|arm| text += &arm_text(spec, arm));
    text
}

/// Four decimals: what matters is whether it is small.
fn probability(p: f64) -> String {
    if p < 0.0001 { "below 0.0001".to_owned() } else { format!("{p:.4}") }
}

fn arm_text(spec: &CompareSpec, arm: &ArmJudgement) -> String {
    let mut text = format!("arm         {} ({}): {}\n", arm.arm, arm.version, arm.verdict);
    for compared in std::iter::once(&arm.primary).chain(&arm.secondary) {
        let share = |value: f64| match compared.measure {
            "rate" => percent(value),
            _ => number(value),
        };
        let relative =
            compared.relative.map(|share| format!(", {}{}", if share > 0.0 { "+" } else { "" }, percent(share)));
        text += &format!(
            "outcome     {} {} against {}{}; p {} at all looks, {} for a single one\n",
            compared.outcome,
            share(compared.challenger),
            share(compared.control),
            relative.unwrap_or_default(),
            probability(compared.sequential.p),
            probability(compared.fixed.p)
        );
    }
    for guarded in &arm.guardrails {
        let word = match (guarded.is_known, guarded.held) {
            (false, _) => "more data is needed",
            (true, true) => "kept",
            (true, false) => "not kept",
        };
        text += &format!("guardrail   {}: {word}\n", guarded.in_words());
    }
    if let Some(need) = arm.need {
        text += &format!("needs       {} more {}\n", need.more_keys, spec.units);
    }
    text
}
