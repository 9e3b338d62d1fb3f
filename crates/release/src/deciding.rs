//! Decisions by hand: promote, roll back, archive. Each is made on what is in production when the command begins; if that
//! changes before the decision is logged, the decision is refused.

use score::{Entry, Signature, Version};
use spec::Result;

use crate::context::Context;
use crate::reading::in_words;

pub fn promote(context: &Context, version: Version, why: &str) -> Result<()> {
    let champion = context.registry.production()?;
    context.bring(version)?;
    done(context, &context.registry.promote(version, champion, why, Signature::now())?)?;
    warn_of_gate(context, version);
    Ok(())
}

pub fn rollback(context: &Context, why: &str) -> Result<()> {
    let standing = context.registry.standing()?;
    for version in standing.iter().rev().take(2) {
        context.bring(*version)?;
    }
    let entry = context.registry.rollback(&standing, why, Signature::now())?;
    done(context, &entry)?;
    warn_of_gate(context, entry.version);
    Ok(())
}

/// People may put a version into production that its gate refused, but not without a warning.
fn warn_of_gate(context: &Context, version: Version) {
    // The decision was made; its next use reports that the version cannot be read.
    let Ok(manifest) = context.registry.manifest(version) else { return };
    let failed: Vec<String> = manifest
        .gate
        .iter()
        .filter(|result| !result.passed)
        .map(|result| format!("{} (found {})", result.rule, result.found))
        .collect();
    if !failed.is_empty() {
        tool::warn(format!("{}: {version} did not pass its gate: {}", context.who, failed.join("; ")));
    }
}

pub fn archive(context: &Context, version: Version, why: &str) -> Result<()> {
    context.bring(version)?;
    done(context, &context.registry.archive(version, why, Signature::now())?)
}

fn done(context: &Context, entry: &Entry) -> Result<()> {
    let sent = context.decided(entry);
    if context.is_made(entry)? {
        tool::say(in_words(entry));
    }
    sent
}
