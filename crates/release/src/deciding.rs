//! Decisions by hand: promote, roll back, archive. Each is made on what is in production when the command begins; if that
//! changes before the decision is logged, the decision is refused.

use score::{Entry, Signature, Version};
use spec::Result;

use crate::context::Context;
use crate::reading::in_words;

pub fn promote(context: &Context, version: Version, why: &str) -> Result<()> {
    let champion = context.registry.production()?;
    context.bring(version)?;
    done(context, &context.registry.promote(version, champion, why, Signature::now())?)
}

pub fn rollback(context: &Context, why: &str) -> Result<()> {
    let standing = context.registry.standing()?;
    for version in standing.iter().rev().take(2) {
        context.bring(*version)?;
    }
    done(context, &context.registry.rollback(&standing, why, Signature::now())?)
}

pub fn archive(context: &Context, version: Version, why: &str) -> Result<()> {
    context.bring(version)?;
    done(context, &context.registry.archive(version, why, Signature::now())?)
}

fn done(context: &Context, entry: &Entry) -> Result<()> {
    tool::say(in_words(entry));
    context.decided()
}
