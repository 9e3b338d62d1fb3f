//! The clean steps: one file per step, and here the one list of all of them.

mod cast;
mod clip;
mod collapse_repeats;
mod dates;
mod dedupe;
mod derive;
mod drop;
mod drop_null;
mod fill_null;
mod filter;
mod fix_mojibake;
mod limits;
mod llm;
mod map_values;
mod mask;
mod normalize_text;
mod outliers;
mod parse_dates;
mod remove_invisible;
mod rename;
mod replace;
mod replacement;
mod scalar;
mod select;
mod space_punctuation;
mod strip_html;
mod trim;

#[cfg(test)]
pub(crate) mod tests;

use polars::prelude::DataType;
use serde::Deserialize;
use spec::Result;

use crate::plan::Plan;

pub use cast::Cast;
pub use clip::Clip;
pub use collapse_repeats::CollapseRepeats;
pub use dedupe::Dedupe;
pub use derive::Derive;
pub use drop::Drop;
pub use drop_null::DropNull;
pub use fill_null::FillNull;
pub use filter::Filter;
pub use fix_mojibake::FixMojibake;
pub use llm::Llm;
pub use map_values::MapValues;
pub use mask::Mask;
pub use normalize_text::NormalizeText;
pub use outliers::Outliers;
pub use parse_dates::ParseDates;
pub use remove_invisible::RemoveInvisible;
pub use rename::Rename;
pub use replace::Replace;
pub use select::Select;
pub use space_punctuation::SpacePunctuation;
pub use strip_html::StripHtml;
pub use trim::Trim;

/// One clean step, written `- trim: {columns: [name]}`.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Gives columns new names.
    Rename(Rename),
    /// Keeps the named columns only, in that order.
    Select(Select),
    /// Drops columns.
    Drop(Drop),
    /// Changes the type of columns.
    Cast(Cast),
    /// Takes blanks off both ends of texts.
    Trim(Trim),
    /// Makes texts uniform: Unicode form, blanks, case.
    NormalizeText(NormalizeText),
    /// Repairs UTF-8 that was read as another encoding.
    FixMojibake(FixMojibake),
    /// Takes tags and character references of HTML out of texts.
    StripHtml(StripHtml),
    /// Removes characters that nobody sees.
    RemoveInvisible(RemoveInvisible),
    /// Shortens runs of one character.
    CollapseRepeats(CollapseRepeats),
    /// Sets blanks around punctuation.
    SpacePunctuation(SpacePunctuation),
    /// Replaces parts of texts.
    Replace(Replace),
    /// Replaces whole values by a table.
    MapValues(MapValues),
    /// Reads dates written in one of several formats.
    ParseDates(ParseDates),
    /// Fills empty cells.
    FillNull(FillNull),
    /// Drops rows with empty cells.
    DropNull(DropNull),
    /// Drops duplicate rows.
    Dedupe(Dedupe),
    /// Keeps the rows for which an SQL expression is true.
    Filter(Filter),
    /// Computes columns by SQL expressions.
    Derive(Derive),
    /// Limits numbers to a range.
    Clip(Clip),
    /// Deals with values far from the others.
    Outliers(Outliers),
    /// Makes personal data unreadable.
    Mask(Mask),
    /// Lets a language model do what rules cannot.
    Llm(Llm),
}

/// What a step does.
pub(crate) trait Apply {
    /// Adds the step to the plan.
    fn apply(&self, plan: &mut Plan) -> Result<()>;

    /// Whether it looks at the whole table before the pass.
    fn needs_table(&self) -> bool {
        false
    }

    /// Whether it marks rows by their position. `table_follows`: a later step looks at the whole table.
    fn needs_position(&self, table_follows: bool) -> bool {
        let _ = table_follows;
        false
    }
}

impl Step {
    /// The names of all steps, in the order of the docs.
    pub const NAMES: [&'static str; 23] = [
        "rename",
        "select",
        "drop",
        "cast",
        "trim",
        "normalize_text",
        "fix_mojibake",
        "strip_html",
        "remove_invisible",
        "collapse_repeats",
        "space_punctuation",
        "replace",
        "map_values",
        "parse_dates",
        "fill_null",
        "drop_null",
        "dedupe",
        "filter",
        "derive",
        "clip",
        "outliers",
        "mask",
        "llm",
    ];

    fn entry(&self) -> (&'static str, &dyn Apply) {
        match self {
            Step::Rename(step) => ("rename", step),
            Step::Select(step) => ("select", step),
            Step::Drop(step) => ("drop", step),
            Step::Cast(step) => ("cast", step),
            Step::Trim(step) => ("trim", step),
            Step::NormalizeText(step) => ("normalize_text", step),
            Step::FixMojibake(step) => ("fix_mojibake", step),
            Step::StripHtml(step) => ("strip_html", step),
            Step::RemoveInvisible(step) => ("remove_invisible", step),
            Step::CollapseRepeats(step) => ("collapse_repeats", step),
            Step::SpacePunctuation(step) => ("space_punctuation", step),
            Step::Replace(step) => ("replace", step),
            Step::MapValues(step) => ("map_values", step),
            Step::ParseDates(step) => ("parse_dates", step),
            Step::FillNull(step) => ("fill_null", step),
            Step::DropNull(step) => ("drop_null", step),
            Step::Dedupe(step) => ("dedupe", step),
            Step::Filter(step) => ("filter", step),
            Step::Derive(step) => ("derive", step),
            Step::Clip(step) => ("clip", step),
            Step::Outliers(step) => ("outliers", step),
            Step::Mask(step) => ("mask", step),
            Step::Llm(step) => ("llm", step),
        }
    }

    /// The name as written in YAML.
    pub fn name(&self) -> &'static str {
        self.entry().0
    }

    /// The step, if it asks a language model.
    pub fn llm(&self) -> Option<&Llm> {
        match self {
            Step::Llm(step) => Some(step),
            _ => None,
        }
    }

    /// The mapping file that it needs, as written.
    pub fn mapping_file(&self) -> Option<&str> {
        match self {
            Step::MapValues(step) => step.file(),
            _ => None,
        }
    }

    pub(crate) fn apply(&self, plan: &mut Plan) -> Result<()> {
        self.entry().1.apply(plan)
    }

    pub(crate) fn needs_table(&self) -> bool {
        self.entry().1.needs_table()
    }

    pub(crate) fn needs_position(&self, table_follows: bool) -> bool {
        self.entry().1.needs_position(table_follows)
    }
}

/// What becomes of a cell that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The row goes to the refused rows, with the cell as it was.
    #[default]
    Refuse,
    /// The cell becomes empty.
    Null,
}

fn is_text(dtype: &DataType) -> bool {
    matches!(dtype, DataType::String)
}

fn is_number(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric()
}

fn any(_: &DataType) -> bool {
    true
}
