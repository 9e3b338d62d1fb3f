//! `-o PATH`: where it leads, and how it is written.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use artifact::Temporary;
use spec::{Error, Result};

/// What `-o` names.
enum Place {
    /// A file, or a new one: written under a temporary name, and then replaced as a whole.
    File(PathBuf),
    /// A device, a named pipe, or a descriptor of this process, as `>(gzip > x.gz)` makes one: written as it is, since it must
    /// not be replaced by a file.
    Stream(File),
}

/// Writes to `output`, a path or `-` for stdout. Returns whether it is a file, whose path can be printed.
///
/// # Errors
/// Cannot run: `output` names no file, a folder, an artifact, or what cannot be written.
pub fn write_to(output: &str, write: impl FnOnce(&mut (dyn Write + Send), &str) -> Result<()>) -> Result<bool> {
    if output == "-" {
        write(&mut io::stdout(), "stdout")?;
        return Ok(false);
    }
    match place(output)? {
        Place::Stream(mut stream) => {
            write(&mut stream, output)?;
            Ok(false)
        }
        Place::File(target) => {
            let before = target.metadata().ok().map(|before| before.permissions());
            let mut temporary = Temporary::beside(&target)?;
            write(temporary.file(), output)?;
            if let Some(before) = before {
                keep(temporary.file(), before, &target)?;
            }
            temporary.replace(&target)?;
            Ok(true)
        }
    }
}

/// Who may read the file stays as it was.
fn keep(file: &File, before: Permissions, target: &Path) -> Result<()> {
    file.set_permissions(before).map_err(|error| Error::io("keep the rights of", target, &error))
}

fn place(output: &str) -> Result<Place> {
    let failed = |error: io::Error| Error::io("write", Path::new(output), &error);
    if output.is_empty() {
        return Err(Error::cannot_run("-o: no file is named").hint("name one, or '-' for stdout"));
    }
    let path = std::path::absolute(output).map_err(failed)?;
    if path.is_dir() {
        return Err(Error::cannot_run(format!("{output}: a folder")).hint("name a file in it"));
    }
    let streams = |kind: std::fs::FileType| kind.is_char_device() || kind.is_block_device() || kind.is_fifo();
    let is_stream = match path.metadata() {
        Ok(there) => streams(there.file_type()) || is_descriptor(&path),
        Err(_) => false,
    };
    if is_stream {
        return OpenOptions::new().write(true).open(&path).map(Place::Stream).map_err(failed);
    }
    // A link stays; what it leads to is replaced.
    let target = path.canonicalize().unwrap_or(path);
    if target.exists() && target.parent().is_some_and(|folder| folder.join("latest").is_file()) {
        return Err(Error::cannot_run(format!("{output}: an artifact of a stage, and those are never overwritten"))
            .hint("name a file in another folder"));
    }
    Ok(Place::File(target))
}

/// Whether the path names a descriptor of this process: `/dev/stdout`, `/dev/fd/63`.
fn is_descriptor(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr"].iter().any(|name| path == Path::new(name))
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd")
}
