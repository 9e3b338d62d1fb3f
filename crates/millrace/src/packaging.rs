//! What packages install beside the program: completions and manual pages.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use spec::{Error, Exit, Result, Tool};

use crate::command_line::{command, schemas};
use crate::run::stages;

/// Print completions for a shell
#[derive(clap::Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Write manual pages into a folder
#[derive(clap::Args, Debug)]
pub struct Manual {
    /// The folder
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The date on the pages, such as that of a release: 2026-11-27
    #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
    date: String,
}

pub fn completions(arguments: &Completions) -> Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut with_values(command()), "millrace", &mut text);
    tool::print(&with_pipelines(arguments.shell, &String::from_utf8_lossy(&text)))?;
    Ok(Exit::Done)
}

/// Stands for the names of the project's pipelines, which only the shell can find.
const PIPELINES: &str = "@PIPELINES@";

/// The command line with the values that its parser does not list, since it has errors of its own for them.
fn with_values(command: clap::Command) -> clap::Command {
    command
        .mut_args(|argument| {
            let values: Vec<&str> =
                match argument.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()) {
                    Some("PIPELINE") if argument.get_long() != Some("from") => vec![PIPELINES],
                    Some("STAGE") => stages().map(Tool::name).collect(),
                    Some("NAME") if argument.get_long() == Some("schema") => {
                        schemas().iter().map(|(name, _)| *name).collect()
                    }
                    _ => return argument,
                };
            argument.value_parser(PossibleValuesParser::new(values))
        })
        .mut_subcommands(with_values)
}

/// A script that looks for the pipelines where the tools do.
fn with_pipelines(shell: Shell, script: &str) -> String {
    match shell {
        Shell::Bash => script.replace(PIPELINES, "$(_millrace_pipelines)") + BASH,
        Shell::Zsh => {
            let (head, body) = script.split_once('\n').unwrap_or((script, ""));
            // Its first line says what the file is for.
            format!("{head}\n{ZSH}{}", body.replace(&format!(":({PIPELINES})"), ":_millrace_pipelines"))
        }
        Shell::Fish => {
            // It has no values of arguments without a dash.
            let all = command();
            let takes_pipeline = |command: &clap::Command| {
                command.get_positionals().any(|argument| {
                    argument.get_value_names().is_some_and(|names| names.iter().any(|name| name.as_str() == "PIPELINE"))
                })
            };
            let names: Vec<&str> =
                all.get_subcommands().filter(|one| takes_pipeline(one)).map(clap::Command::get_name).collect();
            let list = "(__millrace_pipelines)";
            let lines = script.replace(&format!("{PIPELINES}\\t''"), list);
            let using = format!("__fish_millrace_using_subcommand {}", names.join(" "));
            format!("{lines}{FISH}complete -c millrace -n \"{using}\" -a \"{list}\" -d pipeline\n")
        }
        _ => script.replace(PIPELINES, ""),
    }
}

const BASH: &str = r#"
_millrace_pipelines() {
    local folder=${MILLRACE_ROOT:-$PWD}
    while [[ ! -d $folder/resources && $folder != "${folder%/*}" ]]; do folder=${folder%/*}; done
    command ls "$folder/resources" 2>/dev/null
}
"#;

const ZSH: &str = r#"
_millrace_pipelines() {
    local folder=${MILLRACE_ROOT:-$PWD}
    while [[ ! -d $folder/resources && $folder != ${folder%/*} ]]; do folder=${folder%/*}; done
    local -a names=($folder/resources/*(N-/:t))
    compadd -a names
}
"#;

const FISH: &str = r#"
function __millrace_pipelines
    set -l folder $PWD
    set -q MILLRACE_ROOT; and set folder $MILLRACE_ROOT
    while not test -d "$folder/resources"
        set -l above (string replace -r '/[^/]*$' '' -- $folder)
        test "$above" = "$folder"; and return
        set folder $above
    end
    command ls "$folder/resources"
end
"#;

pub fn manual(arguments: &Manual) -> Result<Exit> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    let mut all = command().disable_help_subcommand(true);
    all.build();
    pages(&all, folder, &arguments.date)?;
    Ok(Exit::Done)
}

/// The page of a command, and those of the commands below it.
fn pages(command: &clap::Command, folder: &Path, date: &str) -> Result<()> {
    let page =
        Man::new(command.clone()).section("1").date(date).source(concat!("millrace ", env!("CARGO_PKG_VERSION")));
    let file = folder.join(page.get_filename());
    let text = text_of(&page, command);
    text.and_then(|text| std::fs::write(&file, text)).map_err(|error| Error::io("write", &file, &error))?;
    command.get_subcommands().try_for_each(|below| pages(below, folder, date))
}

/// The sections that the crate has, but examples and exit codes line by line: as a paragraph they would run into each other.
fn text_of(page: &Man, command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(behind) = command.get_after_long_help().or(command.get_after_help()) {
        let mut roff = Roff::new();
        roff.control("SH", ["NOTES"]).control("nf", []);
        for line in behind.to_string().lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []).to_writer(&mut text)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_under_the_name_that_others_call_it_by() {
        let folder = tempfile::tempdir().unwrap();
        manual(&Manual { folder: folder.path().to_owned(), date: "2026-11-27".to_owned() }).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
        let run = read("millrace-run");
        assert!(run.contains(r"\fBmillrace run\fR") && run.contains(r#".TH millrace-run 1 2026-11-27"#), "{run}");
        // The crate writes a page that is referred to as millrace\-clean(1).
        let mut referred = 0;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let page = std::fs::read_to_string(entry.unwrap().path()).unwrap().replace("\\-", "-");
            for name in page.lines().filter_map(|line| line.strip_suffix("(1)")) {
                assert!(folder.path().join(format!("{name}.1")).is_file(), "no page {name}");
                referred += 1;
            }
        }
        assert!(referred > 25, "{referred}");
        let clean = read("millrace-clean");
        assert!(clean.contains(".nf\n") && clean.contains("\n  2   could not run"), "{clean}");
    }

    #[test]
    fn completions_know_pipelines_stages_and_schemas() {
        let script = |shell| {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut with_values(command()), "millrace", &mut text);
            with_pipelines(shell, &String::from_utf8_lossy(&text))
        };
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(script.contains("millrace_pipelines)") || script.contains(":_millrace_pipelines'"), "{shell}");
            assert!(
                script.contains("churn") && script.contains("alerts") && !script.contains(PIPELINES),
                "{shell}: {script}"
            );
        }
        let bash = script(Shell::Bash);
        assert!(
            bash.contains(
                r#"opts="-h --only --scheduled --gave-up --because --help $(_millrace_pipelines) ingest clean"#
            ),
            "{bash}"
        );
        with_values(command()).debug_assert();
    }
}
