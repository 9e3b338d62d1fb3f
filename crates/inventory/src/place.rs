//! Where tables are: a pipeline, and the layer of it that one stage owns.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use spec::{Name, Tool};

/// What one stage of a pipeline writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    Raw,
    Clean,
    Features,
    Models,
    Predict,
    Export,
    Monitor,
}

impl Layer {
    /// In the order in which tables become each other.
    pub const ALL: [Layer; 7] =
        [Layer::Raw, Layer::Clean, Layer::Features, Layer::Models, Layer::Predict, Layer::Export, Layer::Monitor];

    /// As people name it.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Raw => "raw",
            Layer::Clean => "clean",
            Layer::Features => "features",
            Layer::Models => "models",
            Layer::Predict => "predict",
            Layer::Export => "export",
            Layer::Monitor => "monitor",
        }
    }

    /// The stage that writes it.
    pub fn tool(self) -> Tool {
        match self {
            Layer::Raw => Tool::Ingest,
            Layer::Clean => Tool::Clean,
            Layer::Features => Tool::Features,
            Layer::Models => Tool::Train,
            Layer::Predict => Tool::Predict,
            Layer::Export => Tool::Export,
            Layer::Monitor => Tool::Monitor,
        }
    }

    /// The layer that a word means: its name, or the tool that writes it.
    pub(crate) fn named(word: &str) -> Option<Layer> {
        Layer::ALL.into_iter().find(|layer| layer.name() == word || layer.tool().name() == word)
    }
}

/// A layer of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub pipeline: String,
    pub layer: Layer,
}

impl Place {
    /// The folder, relative to the root; `None` for a folder whose name cannot be that of a pipeline.
    pub fn folder(&self) -> Option<PathBuf> {
        Some(self.layer.tool().folder(&Name::new(self.pipeline.as_str()).ok()?))
    }

    /// The place whose folder holds the file at `path`, which is relative to the root.
    pub(crate) fn holding(path: &Path) -> Option<Place> {
        let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap_or_default()).collect();
        let place = |pipeline: &str, layer| Some(Place { pipeline: pipeline.to_owned(), layer });
        match parts.as_slice() {
            ["data", "raw", pipeline, _] => place(pipeline, Layer::Raw),
            ["data", "processed", pipeline, "clean", _] => place(pipeline, Layer::Clean),
            ["data", "processed", pipeline, "features", _] => place(pipeline, Layer::Features),
            ["data", "models", pipeline, _] => place(pipeline, Layer::Models),
            ["data", "output", pipeline, "predict", _] => place(pipeline, Layer::Predict),
            ["data", "output", pipeline, "export", _] => place(pipeline, Layer::Export),
            ["data", "output", pipeline, "monitor", _] => place(pipeline, Layer::Monitor),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.pipeline, self.layer.name())
    }
}

/// A table of a project: `churn.clean.purchases`. All versions of a model are one, called `model`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    pub place: Place,
    pub table: String,
}

/// What the versions of a model are called together.
pub const MODEL: &str = "model";

impl TableId {
    pub(crate) fn new(place: &Place, table: impl Into<String>) -> TableId {
        TableId { place: place.clone(), table: table.into() }
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.place, self.table)
    }
}

impl Serialize for TableId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
