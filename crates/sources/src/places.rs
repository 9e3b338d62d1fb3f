//! Finds the files and objects that the paths of a spec name: globs, standard input, compression. Says what a file is
//! that cannot be read.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use artifact::{Fingerprint, Input, fingerprint};
use glob::{MatchOptions, Pattern};
use spec::{Error, Result, Root, Url};
use store::{Cloud, Depth, Object};

use crate::command::Program;
use crate::file_spec::{Compression, FileSpec, Format};
use crate::gzip::{Gzip, MAGIC};
use crate::zipped::Member;

/// How places of programs begin.
pub(crate) const PROGRAM: &str = "command:";

/// Something to read from.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Stdin,
    File {
        path: PathBuf,
        /// Relative to the project root where it lies below it.
        shown: String,
    },
    /// In a store: read as it comes.
    Object {
        object: Object,
        /// Its address.
        shown: String,
    },
    /// What a program prints.
    Program(Arc<Program>),
    /// In an archive.
    Member(Member),
}

impl Place {
    pub(crate) fn shown(&self) -> &str {
        match self {
            Place::Stdin => "-",
            Place::File { shown, .. } | Place::Object { shown, .. } => shown,
            Place::Program(program) => &program.shown,
            Place::Member(member) => &member.shown,
        }
    }

    /// Whether there is nothing in it, as far as is known without opening it.
    pub(crate) fn has_no_bytes(&self) -> bool {
        match self {
            Place::Stdin | Place::Program(_) | Place::Member(_) => false,
            Place::File { path, .. } => path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == 0),
            Place::Object { object, .. } => object.size() == 0,
        }
    }

    /// Whether it stands for an archive that holds no file.
    pub(crate) fn is_empty_archive(&self) -> bool {
        matches!(self, Place::Member(member) if member.is_nothing())
    }

    fn object(object: Object) -> Place {
        Place::Object { shown: object.url().to_string(), object }
    }

    fn file(root: &Root, path: PathBuf) -> Place {
        let shown = root.relative(&path).display().to_string();
        Place::File { path, shown }
    }

    /// How the evidence records this place. A stream cannot be read twice, so it never equals an earlier one.
    pub(crate) fn input(&self) -> Result<Input> {
        let given = match self {
            Place::Stdin => Fingerprint::Given(once("standard input")),
            Place::Program(_) => Fingerprint::Given(once("a program")),
            Place::Member(member) => Fingerprint::Given(once(&member.shown)),
            Place::File { path, .. } if !is_regular(path) => Fingerprint::Given(once("stream")),
            Place::File { path, shown } => {
                fingerprint(path).map_err(|error| error.hint(format!("check the rights of '{shown}'")))?
            }
            Place::Object { object, .. } => Fingerprint::Object { size: object.size(), version: object.version() },
        };
        Ok(Input { path: self.shown().to_owned(), fingerprint: given, rows: None })
    }

    /// The lower-case extensions of the name: the last but one is the format's if the last is a compression's.
    fn extensions(&self) -> (Option<Compression>, String) {
        extensions(self.shown())
    }

    pub(crate) fn format(&self, spec: &FileSpec) -> Result<Format> {
        if let Some(format) = spec.format {
            return Ok(format);
        }
        let (_, extension) = self.extensions();
        match self {
            Place::Stdin | Place::Program(_) => Ok(Format::Csv),
            Place::File { shown, .. } | Place::Object { shown, .. } | Place::Member(Member { shown, .. }) => {
                Format::of_extension(&extension).ok_or_else(|| {
                    let error = Error::cannot_run(format!("{shown}: the name does not tell the format"));
                    match is_packed(shown) {
                        true => error.hint(
                            "of archives only .zip is read, and of compressed files .gz and .zst; unpack it, or read \
                                            what a program such as 'tar -xOf' prints with a source 'command'",
                        ),
                        false => error.hint(format!("add 'format:' to the source: {}", Format::names())),
                    }
                })
            }
        }
    }

    /// The bytes, decompressed.
    pub(crate) fn open(&self, spec: &FileSpec) -> Result<Box<dyn Read + Send>> {
        let raw: Box<dyn Read + Send> = match self {
            Place::Stdin => Box::new(io::stdin()),
            Place::File { path, shown } => {
                Box::new(File::open(path).map_err(|error| Error::io("read", Path::new(shown), &error))?)
            }
            Place::Object { object, .. } => Box::new(object.open()),
            Place::Program(program) => return Ok(Box::new(program.start()?)),
            Place::Member(member) => member.open()?,
        };
        let compression = spec.compression.or(self.extensions().0).unwrap_or(Compression::None);
        let (magic, word): (&[u8], &str) = match compression {
            Compression::None => return Ok(raw),
            Compression::Gzip => (&MAGIC, "gzip"),
            Compression::Zstd => (&[0x28, 0xB5, 0x2F, 0xFD], "zstd"),
        };
        let failed = |error: &io::Error| Error::io("read", Path::new(self.shown()), error);
        let mut raw = io::BufReader::with_capacity(1 << 17, raw);
        let head = raw.fill_buf().map_err(|error| failed(&error))?;
        if head.is_empty() {
            // An empty file, which is not a compressed one either.
            return Ok(Box::new(raw));
        }
        if !head.starts_with(magic) {
            return Err(Error::cannot_run(format!("{}: not compressed by {word}", self.shown()))
                .hint("add 'compression: none', or the right one"));
        }
        Ok(match compression {
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(raw).map_err(|error| failed(&error))?),
            _ => Box::new(Gzip::new(raw)),
        })
    }
}

fn extensions(path: &str) -> (Option<Compression>, String) {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let (stem, compression) = match name.rsplit_once('.') {
        Some((stem, "gz" | "gzip")) => (stem, Some(Compression::Gzip)),
        Some((stem, "zst" | "zstd")) => (stem, Some(Compression::Zstd)),
        _ => (name.as_str(), None),
    };
    let extension = stem.rsplit_once('.').map_or("", |(_, extension)| extension).to_owned();
    (compression, extension)
}

/// The format that the extension of a path, or of a pattern for paths, says.
pub(crate) fn format_of_path(path: &str) -> Option<Format> {
    Format::of_extension(&extensions(path).1)
}

fn is_regular(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file())
}

/// A state that never equals another: for what cannot be compared with an earlier reading.
pub(crate) fn once(what: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{what}, read by process {} at {}", std::process::id(), now.as_nanos())
}

/// The places that `paths` name, in the order of the list; matches of a glob in the order of their names.
pub(crate) fn places(root: &Root, paths: &[String], cloud: &Cloud) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for path in paths {
        if path == "-" {
            places.push(Place::Stdin);
            continue;
        }
        if Url::is_meant(path) {
            places.extend(objects(path, cloud)?.into_iter().map(Place::object));
            continue;
        }
        let file = root.join(path);
        if path.contains(['*', '?', '[']) && !file.exists() {
            places.extend(matches(root, path)?);
            continue;
        }
        match file.metadata() {
            Ok(meta) if meta.is_dir() => {
                let folder = path.trim_end_matches('/');
                return Err(Error::cannot_run(format!("{folder}: is a folder"))
                    .hint(format!("name the files in it, such as '{folder}/*.csv'")));
            }
            Ok(_) => places.push(Place::file(root, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::cannot_run(format!("{path}: no such file"))
                    .hint("check 'path'; relative paths count from the project root"));
            }
            Err(error) => return Err(Error::io("read", Path::new(path), &error)),
        }
    }
    if places.iter().filter(|place| matches!(place, Place::Stdin)).count() > 1 {
        return Err(Error::cannot_run("'-' is named twice").hint("standard input can be read only once"));
    }
    let mut seen = HashSet::new();
    match places.iter().find(|place| !seen.insert(place.shown())) {
        Some(twice) => Err(Error::cannot_run(format!("{}: is named twice under 'path'", twice.shown()))
            .hint("take out one of the paths; its rows would be read twice")),
        None => Ok(places),
    }
}

/// The object at an address, or those that match it.
fn objects(address: &str, cloud: &Cloud) -> Result<Vec<Object>> {
    let url: Url = address.parse()?;
    if url.is_folder() {
        return Err(Error::cannot_run(format!("{url}: is a folder"))
            .hint(format!("name the objects in it, such as '{}'", url.join("*.csv"))));
    }
    let Some(wild) = url.key().find(['*', '?', '[']) else { return Ok(vec![cloud.find(&url)?]) };
    let pattern = Pattern::new(url.key())
        .map_err(|error| Error::cannot_run(format!("{address}: not a pattern: {}", error.msg)))?;
    let folder = url.with_key(url.key()[..wild].rsplit_once('/').map_or("", |(folder, _)| folder));
    let depth = if url.key()[wild..].contains('/') || url.key().contains("**") { Depth::All } else { Depth::Folder };
    let alike = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let mut found = cloud.list(&folder, depth)?;
    found.retain(|object| pattern.matches_with(object.url().key(), alike));
    match found.is_empty() {
        true => Err(Error::cannot_run(format!("{url}: no object matches")).hint("check 'path'")),
        false => Ok(found),
    }
}

fn matches(root: &Root, pattern: &str) -> Result<Vec<Place>> {
    let full = match Path::new(pattern).is_absolute() {
        true => pattern.to_owned(),
        false => format!("{}/{pattern}", Pattern::escape(&root.path().display().to_string())),
    };
    // As shells have it: `*` matches no hidden file, which may be one that is being written.
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    let found = glob::glob_with(&full, options)
        .map_err(|error| Error::cannot_run(format!("{pattern}: not a pattern: {}", error.msg)))?;
    let mut places = Vec::new();
    for entry in found {
        let path = entry.map_err(|error| Error::io("read", error.path(), error.error()))?;
        // Spreadsheet programs keep a file `~$b.xlsx` beside the open `b.xlsx`.
        let is_lock = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"~$"));
        if !path.is_dir() && !is_lock {
            places.push(Place::file(root, path));
        }
    }
    match places.is_empty() {
        true => Err(Error::cannot_run(format!("{pattern}: no file matches"))
            .hint("check 'path'; relative paths count from the project root")),
        false => Ok(places),
    }
}

/// Whether a name is that of an archive or of a compressed file, of a kind that is not read.
fn is_packed(shown: &str) -> bool {
    let name = shown.to_ascii_lowercase();
    let ends = [".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zip", ".lz4", ".z"];
    ends.iter().any(|end| name.ends_with(end)) || name.contains(".tar.")
}

/// Whether it is what a program prints, as errors name it: no settings of files help there.
pub(crate) fn is_of_program(shown: &str) -> bool {
    shown.starts_with(PROGRAM)
}

/// What a file is whose first bytes are not text, and the way out.
pub(crate) fn not_text(head: &[u8]) -> Option<(&'static str, &'static str)> {
    if head.get(257..262) == Some(b"ustar".as_slice()) {
        return Some(("a tar archive", "unpack it, or read what 'tar -xOf' prints with a source 'command'"));
    }
    Some(match head {
        [0x1F, 0x8B, ..] => ("compressed by gzip", "add 'compression: gzip'"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => ("compressed by zstd", "add 'compression: zstd'"),
        [b'P', b'K', 3, 4, ..] => {
            ("a zip archive or an Excel file", "name it with the extension .zip, or add 'format: excel'")
        }
        [b'P', b'A', b'R', b'1', ..] => ("a Parquet file", "add 'format: parquet'"),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => {
            ("UTF-32, which is not read", "convert it to UTF-8: iconv -f UTF-32 -t UTF-8")
        }
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return None,
        [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => {
            ("UTF-32, which is not read", "convert it to UTF-8: iconv -f UTF-32 -t UTF-8")
        }
        [_, 0, _, 0, ..] => ("UTF-16 without a byte order mark", "add 'encoding: utf-16le'"),
        [0, _, 0, _, ..] => ("UTF-16 without a byte order mark", "add 'encoding: utf-16be'"),
        _ => return None,
    })
}
