//! MySQL and MariaDB.

use std::collections::BTreeSet;

use artifact::Receipt;
use polars::prelude::DataFrame;
use spec::{Error, Result, Root};

use super::load::Load;
use crate::{DatabaseSpec, ExportSpec};

pub fn shown(_: &DatabaseSpec, _: &Root) -> Result<String> {
    Err(Error::cannot_run("not built in"))
}

pub fn load(_: &Load<'_>, _: impl Iterator<Item = Result<DataFrame>>) -> Result<Receipt> {
    Err(Error::cannot_run("not built in"))
}

pub fn known(_: &DatabaseSpec, _: &ExportSpec, _: &Root, _: &str, _: &str) -> Result<BTreeSet<String>> {
    Err(Error::cannot_run("not built in"))
}
