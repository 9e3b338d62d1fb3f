//! The clean steps: one file per step, and here the one list of all of them, `steps!`.

mod aggregate;
mod cast;
mod clip;
mod cluster;
mod collapse_repeats;
mod dates;
mod dedupe;
mod derive;
mod drop;
mod drop_null;
mod explode;
mod fill_down;
mod fill_null;
mod filter;
mod fix_mojibake;
pub(crate) mod join;
mod limits;
mod llm;
mod map_values;
mod mask;
mod normalize_text;
mod one_or_many;
mod outliers;
mod pairs;
mod parse_dates;
mod pivot;
mod remove_invisible;
mod rename;
mod repair;
mod replace;
mod replacement;
mod scalar;
mod scd2;
mod select;
mod similar;
mod space_punctuation;
mod sql;
mod strip_html;
mod surrogate_key;
mod trim;
mod union;
mod unpivot;
mod window;
mod within;

#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
mod text_tests;

use polars::prelude::DataType;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use spec::Result;

use crate::beside::OtherTable;
use crate::plan::Plan;
pub(crate) use cluster::Method;
pub(crate) use map_values::{Known, Mapped};
pub(crate) use repair::{By, SourceOrder};

/// Declares the steps: type and name of each, in the order of the docs.
macro_rules! steps {
    ($($(#[doc = $doc:literal])* $module:ident::$step:ident,)*) => {
        $(pub use $module::$step;)*

        /// One clean step, written `- trim: {columns: [name]}`.
        #[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Step {
            $($(#[doc = $doc])* $step($step),)*
        }

        impl Step {
            /// The names of all steps, in the order of the docs.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($module)),*];

            fn entry(&self) -> (&'static str, &dyn Apply) {
                match self {
                    $(Step::$step(step) => (stringify!($module), step),)*
                }
            }
        }
    };
}

steps! {
    /// Gives columns new names.
    rename::Rename,
    /// Keeps the named columns only, in that order.
    select::Select,
    /// Drops columns.
    drop::Drop,
    /// Changes the type of columns.
    cast::Cast,
    /// Removes white space at both ends of texts.
    trim::Trim,
    /// Unifies Unicode form, white space and case of texts.
    normalize_text::NormalizeText,
    /// Repairs UTF-8 that was read as another encoding.
    fix_mojibake::FixMojibake,
    /// Removes HTML tags and resolves character references.
    strip_html::StripHtml,
    /// Removes invisible characters.
    remove_invisible::RemoveInvisible,
    /// Shortens runs of one character.
    collapse_repeats::CollapseRepeats,
    /// Corrects the white space around punctuation.
    space_punctuation::SpacePunctuation,
    /// Replaces parts of texts.
    replace::Replace,
    /// Replaces whole values by a table.
    map_values::MapValues,
    /// Finds different spellings of one value.
    cluster::Cluster,
    /// Reads dates written in one of several formats.
    parse_dates::ParseDates,
    /// Fills empty cells.
    fill_null::FillNull,
    /// Fills empty cells from the row above.
    fill_down::FillDown,
    /// Makes the rows of one key agree on columns that the key determines.
    repair::Repair,
    /// Drops rows with empty cells.
    drop_null::DropNull,
    /// Drops duplicate rows.
    dedupe::Dedupe,
    /// Keeps the rows for which an SQL expression is true.
    filter::Filter,
    /// Computes columns by SQL expressions.
    derive::Derive,
    /// Limits numbers to a range.
    clip::Clip,
    /// Deals with values far from the others.
    outliers::Outliers,
    /// Makes personal data unreadable.
    mask::Mask,
    /// Lets a language model do what rules cannot.
    llm::Llm,
    /// Brings columns of another table to the rows that belong together.
    join::Join,
    /// Makes one row for all rows that have the same keys.
    aggregate::Aggregate,
    /// Computes columns that look at other rows.
    window::Window,
    /// Adds the rows of another table.
    union::Union,
    /// Makes columns of the values of a column.
    pivot::Pivot,
    /// Makes a row for each of several columns.
    unpivot::Unpivot,
    /// Makes a row for each part of a text or list.
    explode::Explode,
    /// Gives each different key a key of one column.
    surrogate_key::SurrogateKey,
    /// Makes versions of keys from snapshots.
    scd2::Scd2,
    /// Runs one SELECT.
    sql::Sql,
}

/// What a step does.
pub(crate) trait Apply {
    /// Adds to the plan what the step does.
    fn apply(&self, plan: &mut Plan) -> Result<()>;

    /// Whether it asks something of the whole table before the pass.
    fn needs_table(&self) -> bool {
        false
    }

    /// The other tables that it reads.
    fn other_tables(&self) -> Vec<&OtherTable> {
        Vec::new()
    }

    /// Whether it distinguishes rows by their position. `table_follows`: a later step asks something of the whole table.
    fn needs_position(&self, table_follows: bool) -> bool {
        let _ = table_follows;
        false
    }
}

impl Step {
    /// The name as written in YAML.
    pub fn name(&self) -> &'static str {
        self.entry().0
    }

    /// All that distinguishes the step from others of its name, secrets apart: what is given, in the order of the keys.
    /// Change ids and definitions depend on it, so a setting that is added later must be left out where it has its
    /// default.
    pub fn settings(&self) -> Json {
        let settings = match serde_json::to_value(self) {
            Ok(Json::Object(mut entries)) => entries.remove(self.name()).unwrap_or_default(),
            _ => Json::Null,
        };
        artifact::stripped(settings)
    }

    /// The other tables that it reads.
    pub fn other_tables(&self) -> Vec<&OtherTable> {
        self.entry().1.other_tables()
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
            Step::Cluster(step) => step.file(),
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

/// What to do with a cell that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
