//! What every source implements.

use std::path::Path;

use artifact::{Batches, Input};
use polars::prelude::Schema;
use spec::{Map, Result, Root};
use store::Cloud;

use crate::column_spec::ColumnSpec;
use crate::ending::Ending;
use crate::incremental::Reach;
use crate::places::Place;
use crate::reading::{Settings, Target};
use crate::typed::Typing;

/// A kind of source. It is listed in [`crate::SourceSpec`].
pub(crate) trait Source {
    /// Finds what would be read, without reading it.
    fn locate(&self, root: &Root, cloud: &Cloud) -> Result<Located>;

    /// Begins to read what was located: finds out columns and types from the first rows, and checks what is declared against
    /// them. Errors later on come out of the batches.
    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened>;

    /// Its settings that decide what a column holds, as opposed to where its rows lie and how they are fetched.
    fn settings(&self, of: &Target<'_>) -> Settings;

    /// Whether a run may read only what came after the last one.
    fn is_incremental(&self) -> bool {
        false
    }

    /// Whether its records may lack columns, so that `optional` has an effect.
    fn may_lack_columns(&self) -> bool {
        false
    }
}

/// Settings with many keys are boxed.
impl<S: Source> Source for Box<S> {
    fn locate(&self, root: &Root, cloud: &Cloud) -> Result<Located> {
        (**self).locate(root, cloud)
    }

    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        (**self).open(located, request)
    }

    fn settings(&self, of: &Target<'_>) -> Settings {
        (**self).settings(of)
    }

    fn is_incremental(&self) -> bool {
        (**self).is_incremental()
    }

    fn may_lack_columns(&self) -> bool {
        (**self).may_lack_columns()
    }
}

/// What is requested of a source.
pub(crate) struct Request<'a> {
    pub root: &'a Root,
    /// What `columns:` declares.
    pub columns: Option<&'a Map<ColumnSpec>>,
    /// What to read of an incremental source; others are read as a whole.
    pub reach: &'a Reach,
    /// Whether earlier runs read records with the declared columns, to which this one adds.
    pub adds: bool,
    /// Where objects of a store are copied to that cannot be read as they come.
    pub copies: &'a Path,
}

/// What a source reads.
#[derive(Clone, Debug, Default)]
pub struct Located {
    /// For the evidence, and for the question whether a table is up to date.
    pub inputs: Vec<Input>,
    /// The files of a source of files.
    pub(crate) places: Vec<Place>,
}

impl From<Input> for Located {
    fn from(input: Input) -> Located {
        Located { inputs: vec![input], places: Vec::new() }
    }
}

/// A source that is being read.
pub struct Opened {
    /// What is read, for the evidence.
    pub inputs: Vec<Input>,
    /// Columns of the rows that are passed on: those of the table, then `_file` and `_row`.
    pub schema: Schema,
    /// Columns of refused rows: those of the table as text, then `_file`, `_row`, `_raw` (the whole record, where
    /// it could not be cut into columns) and `_reason`.
    pub refused_schema: Schema,
    pub batches: Batches,
    pub ending: Ending,
}

impl Opened {
    /// A source whose cells are read as `typing` says.
    pub(crate) fn typed(
        inputs: Vec<Input>,
        (schema, refused_schema): (Schema, Schema),
        batches: Batches,
        ending: Ending,
    ) -> Opened {
        Opened { inputs, schema, refused_schema, batches, ending }
    }
}

impl Typing {
    /// Those of the rows that are passed on, and of refused rows.
    pub(crate) fn schemas(&self) -> (Schema, Schema) {
        (self.schema(), self.refused_schema())
    }
}
