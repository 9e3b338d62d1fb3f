//! What packages install beside the program: completions and manual pages.

use std::path::PathBuf;

use clap_complete::Shell;
use spec::{Error, Exit, Result};

use crate::command_line::command;

/// Print completions for a shell
#[derive(clap::Args, Debug)]
pub struct Completions {
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Write manual pages into a folder
#[derive(clap::Args, Debug)]
pub struct Manual {
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub fn completions(arguments: &Completions) -> Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "millrace", &mut text);
    tool::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}

pub fn manual(arguments: &Manual) -> Result<Exit> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    let all = command().disable_help_subcommand(true);
    let pages = all.get_subcommands().map(|page| (format!("millrace-{}", page.get_name()), page.clone()));
    for (name, page) in pages.chain([("millrace".to_owned(), all.clone())]) {
        // The parser takes names that live as long as the program.
        let name: &'static str = Box::leak(name.into_boxed_str());
        let file = folder.join(format!("{name}.1"));
        let mut text = Vec::new();
        // With the date of the build, each build would be different.
        let page = clap_mangen::Man::new(page.name(name)).title(name.to_uppercase()).section("1").date("");
        page.render(&mut text)
            .and_then(|()| std::fs::write(&file, text))
            .map_err(|error| Error::io("write", &file, &error))?;
    }
    Ok(Exit::Done)
}
