//! `millrace link`: the tools under their own names.

use std::path::{Path, PathBuf};

use spec::{Error, Exit, Result, Root};

use crate::TOOLS;

/// Put links to the tools into a folder, so that `bin/clean churn` works as the documentation writes it
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The folder; without one, bin/ of the project
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub fn link(arguments: &Arguments) -> Result<Exit> {
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => Root::find()?.join("bin"),
    };
    link_all(&folder)?;
    tool::say(format!("{}: links to {}", folder.display(), own_path()?.display()));
    Ok(Exit::Done)
}

/// The names of all tools and `millrace` itself.
fn names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|entry| entry.tool.name()).chain(["millrace"])
}

/// Refuses a folder where something that is not a link has the name of a tool.
pub fn check(folder: &Path) -> Result<()> {
    for link in names().map(|name| folder.join(name)) {
        if std::fs::symlink_metadata(&link).is_ok_and(|found| !found.is_symlink()) {
            return Err(Error::cannot_run(format!("{}: exists and is not a link", link.display()))
                .hint("remove it, or name another folder"));
        }
    }
    Ok(())
}

/// Links all tools and `millrace` itself, each replaced at once. What is there and is not a link stays, and then nothing is linked.
pub fn link_all(folder: &Path) -> Result<()> {
    let program = own_path()?;
    check(folder)?;
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    for name in names() {
        let link = folder.join(name);
        let new = folder.join(format!(".{name}.new"));
        let _ = std::fs::remove_file(&new);
        std::os::unix::fs::symlink(&program, &new)
            .and_then(|()| std::fs::rename(&new, &link))
            .map_err(|error| Error::io("link", &link, &error))?;
    }
    Ok(())
}

/// This program.
pub fn own_path() -> Result<PathBuf> {
    std::env::current_exe().map_err(|error| Error::io("find", Path::new("millrace"), &error))
}
