//! Where things are: the project root and the folder that each stage owns.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Name, Result, did_you_mean};

/// The tools, in the order of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    Ingest,
    Clean,
    Features,
    Train,
    Predict,
    Export,
    Monitor,
    Release,
    Serve,
    Catalog,
}

impl Tool {
    pub const ALL: [Tool; 10] = [
        Tool::Ingest,
        Tool::Clean,
        Tool::Features,
        Tool::Train,
        Tool::Predict,
        Tool::Export,
        Tool::Monitor,
        Tool::Release,
        Tool::Serve,
        Tool::Catalog,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Tool::Ingest => "ingest",
            Tool::Clean => "clean",
            Tool::Features => "features",
            Tool::Train => "train",
            Tool::Predict => "predict",
            Tool::Export => "export",
            Tool::Monitor => "monitor",
            Tool::Release => "release",
            Tool::Serve => "serve",
            Tool::Catalog => "catalog",
        }
    }

    /// The tool that comes before it in a pipeline that has all of them: whose `latest` it reads when no input is named.
    pub fn upstream(self) -> Option<Tool> {
        match self {
            // What these read is more than one stage's output.
            Tool::Ingest | Tool::Monitor | Tool::Release | Tool::Serve | Tool::Catalog => None,
            Tool::Clean => Some(Tool::Ingest),
            Tool::Features => Some(Tool::Clean),
            Tool::Train | Tool::Predict => Some(Tool::Features),
            Tool::Export => Some(Tool::Predict),
        }
    }

    /// The folder that the tool owns for `pipeline`, relative to the project root. `release` decides in the folder of
    /// `train`; what `serve` has been asked is a source for `ingest`; `catalog` writes for all pipelines together.
    pub fn folder(self, pipeline: &Name) -> PathBuf {
        let pipeline = pipeline.as_str();
        let data = Path::new("data");
        match self {
            Tool::Ingest => data.join("raw").join(pipeline),
            Tool::Clean | Tool::Features => data.join("processed").join(pipeline).join(self.name()),
            Tool::Train | Tool::Release => data.join("models").join(pipeline),
            Tool::Catalog => data.join("catalog"),
            Tool::Serve => data.join("raw").join(format!("{pipeline}_served")),
            Tool::Predict | Tool::Export | Tool::Monitor => data.join("output").join(pipeline).join(self.name()),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The project root: `MILLRACE_ROOT`, or the nearest folder upwards that holds `resources/`.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    pub fn find() -> Result<Root> {
        if let Some(named) = std::env::var_os("MILLRACE_ROOT").filter(|value| !value.is_empty()) {
            let path = PathBuf::from(named);
            return match path.join("resources").is_dir() {
                true => Ok(Root(path)),
                false => {
                    Err(Error::cannot_run(format!("MILLRACE_ROOT={}: no folder 'resources' there", path.display()))
                        .hint("point it at the folder that holds resources/"))
                }
            };
        }
        let here = std::env::current_dir().map_err(|e| Error::io("read", Path::new("."), &e))?;
        here.ancestors()
            .find(|folder| folder.join("resources").is_dir())
            .map(|folder| Root(folder.to_owned()))
            .ok_or_else(|| {
                Error::cannot_run(format!("no folder 'resources' in {} or above it", here.display()))
                    .hint("change into the project, or set MILLRACE_ROOT")
            })
    }

    /// A root given by the caller.
    pub fn at(path: impl Into<PathBuf>) -> Root {
        Root(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `path` as a tool opens it: relative paths count from the root.
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    /// `path` as it is printed and recorded: relative to the root where it lies below it.
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.0).unwrap_or(path)
    }

    /// `resources/<pipeline>/<tool>.yaml`, relative to the root; an unknown pipeline is an error that
    /// names the nearest one.
    pub fn spec(&self, pipeline: &Name, tool: Tool) -> Result<PathBuf> {
        let folder = Path::new("resources").join(pipeline.as_str());
        if !self.join(&folder).is_dir() {
            let known = self.pipelines();
            return Err(Error::cannot_run(format!("no pipeline '{pipeline}' (no folder {})", folder.display()))
                .hint(did_you_mean(pipeline.as_str(), known.iter().map(String::as_str))));
        }
        let file = folder.join(format!("{tool}.yaml"));
        match self.join(&file).is_file() {
            true => Ok(file),
            false => Err(Error::cannot_run(format!("{}: no such file", file.display())).hint(format!(
                "pipeline '{pipeline}' needs it for '{tool}'; `{tool} --schema` prints what it may hold"
            ))),
        }
    }

    /// The tool whose `latest` is read when no input is named: the nearest one before `tool` that the pipeline has a
    /// file for. So `export` delivers the clean tables of a pipeline without a model.
    pub fn upstream(&self, pipeline: &Name, tool: Tool) -> Option<Tool> {
        let folder = self.join("resources").join(pipeline.as_str());
        std::iter::successors(tool.upstream(), |before| before.upstream())
            .find(|before| folder.join(format!("{before}.yaml")).is_file())
            .or(tool.upstream())
    }

    /// Names of all pipelines: the folders in `resources/`, sorted.
    pub fn pipelines(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.join("resources")).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}
