//! The command line of `catalog`, and what each command calls.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use inventory::Inventory;
use spec::{Exit, Result, Root, Tool};
use tool::{About, Common, Program, Project};

use crate::{keeping, listing, showing, tracing};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    filter: listing::Filter,
    /// Print JSON: of a list one object per line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print everything that is known about a table: columns, types, statistics, descriptions, checks with their
    /// history, schema versions
    Show {
        /// The table, such as orders, raw.orders or shop.clean.orders
        table: String,
    },
    /// Print what a table, or a column of it, is made of and what is made of it
    Lineage {
        /// The table, or TABLE.COLUMN
        table: String,
    },
    /// Print the raw cells behind rows of a table: file, line, original text, and every step that changed them
    Trace {
        /// The pipeline
        pipeline: String,
        /// The table
        table: String,
        /// What the rows hold, such as customer_id=123
        #[arg(value_name = "COLUMN=VALUE", required = true)]
        wanted: Vec<String>,
        /// How many of the rows behind a row to show; the others are counted
        #[arg(long, default_value_t = 5, value_name = "ROWS", value_parser = tool::whole_number::<usize>)]
        rows: usize,
    },
    /// Print what would change if a column did
    Impact {
        /// The column, such as raw.orders.price
        #[arg(value_name = "TABLE.COLUMN")]
        column: String,
    },
    /// Write a page for every table: a site that is opened from the disk
    Docs {
        /// The folder to write to
        #[arg(long, short, default_value = "data/catalog", value_name = "FOLDER")]
        output: PathBuf,
    },
    /// Read every artifact again and compare it with its hash; name what is damaged or missing (exit code 1)
    Verify,
    /// Remove old artifacts that nothing needs; without --yes only print what would go
    Prune {
        /// Keep everything younger than this, such as 30d
        #[arg(long, value_name = "SPAN")]
        keep: String,
        /// Remove what is printed
        #[arg(long)]
        yes: bool,
        /// Do not wait for running stages: end with exit code 75
        #[arg(long)]
        no_wait: bool,
        /// Remove it from the store that MILLRACE_STORE names, too
        #[arg(long)]
        store: bool,
    },
    /// Copy the project to a folder or an object store: only what is new is sent
    Backup {
        /// Where to, such as s3://bucket/backups/ or file:///mnt/backups/
        #[arg(value_name = "URL")]
        to: String,
    },
    /// Bring back what is missing from a backup, each file compared with its hash
    Restore {
        /// Where the backup is
        #[arg(value_name = "URL")]
        from: String,
        /// The backup of this time instead of the newest, as `--list` prints them
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Print the times of the backups that are there
        #[arg(long, conflicts_with_all = ["at", "overwrite"])]
        list: bool,
        /// Also replace files that differ from the backup
        #[arg(long)]
        overwrite: bool,
    },
    /// Print OpenLineage events of the runs behind the artifacts that are there, one per line
    Events {
        /// Only runs of this pipeline
        pipeline: Option<String>,
    },
}

pub struct Catalog;

impl Program for Catalog {
    const TOOL: Tool = Tool::Catalog;
    const ABOUT: About = About {
        short: "List tables, show where they came from, and verify that they are intact",
        long: "Reads the footers of all artifacts, the run log, change logs and decisions of the project. It keeps nothing of \
               its own but an index of footers: whatever it says is as true as the files. Without a command it lists all tables. Descriptions, owners \
               and tags come from the key `describe` in each stage's YAML file.",
        examples: &[
            ("catalog", "list all tables: layer, rows, size, quality, age, owner"),
            ("catalog --layer clean --tag finance", "list a part of them"),
            ("catalog show orders", "everything that is known about a table"),
            ("catalog lineage scores", "what a table was made from, and what was made from it"),
            ("catalog trace churn scores customer_id=123", "the raw cells behind a prediction"),
            ("catalog impact raw.orders.price", "what would change if a column did"),
            ("catalog docs", "write the site data/catalog/index.html"),
            ("catalog prune --keep 30d", "print what could be removed; with --yes remove it"),
            ("catalog backup s3://bucket/backups/", "send what is new since the last backup"),
        ],
    };
    type Arguments = Arguments;

    /// It has no file of its own; from the files of other tools it reads only `describe`.
    fn schema() -> serde_json::Value {
        let mut schema = schemars::schema_for!(stage::Descriptions).to_value();
        schema["description"] = "What a stage's file may hold under `describe`, by table.".into();
        schema
    }

    fn subject(arguments: &Arguments) -> String {
        arguments.command.as_ref().map(Command::name).unwrap_or_default().to_owned()
    }

    fn run(arguments: Arguments, common: Common) -> Result<Exit> {
        let Arguments { command, filter, json } = arguments;
        if let Some(Command::Restore { from, at, list, overwrite }) = command {
            return keeping::restore(&from, at.as_deref(), list, overwrite, json);
        }
        let project = Project::open()?;
        match command {
            None => listing::list(&warned(Inventory::read_current(&project.root)?), &filter, json),
            Some(Command::Show { table }) => showing::show(&read(&project.root)?, &table, json),
            Some(Command::Lineage { table }) => showing::lineage(&read(&project.root)?, &table, json),
            Some(Command::Impact { column }) => showing::impact(&read(&project.root)?, &column, json),
            Some(Command::Trace { pipeline, table, wanted, rows }) => {
                tracing::trace(&project, &read(&project.root)?, &pipeline, &table, &wanted, rows, json)
            }
            Some(Command::Docs { output }) => keeping::docs(&project, &read(&project.root)?, &output),
            Some(Command::Verify) => keeping::verify(&project, &read(&project.root)?, json),
            Some(Command::Prune { keep, yes, no_wait, store }) => {
                keeping::prune(&project, &keeping::Prune { keep: &keep, yes, no_wait, in_store: store }, json)
            }
            Some(Command::Backup { to }) => keeping::backup(&project, &to, json, !common.quiet),
            Some(Command::Events { pipeline }) => listing::events(&read(&project.root)?, pipeline.as_deref()),
            Some(Command::Restore { .. }) => Ok(Exit::Done),
        }
    }
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::Show { .. } => "show",
            Command::Lineage { .. } => "lineage",
            Command::Trace { .. } => "trace",
            Command::Impact { .. } => "impact",
            Command::Docs { .. } => "docs",
            Command::Verify => "verify",
            Command::Prune { .. } => "prune",
            Command::Backup { .. } => "backup",
            Command::Restore { .. } => "restore",
            Command::Events { .. } => "events",
        }
    }
}

/// What the project holds. Artifacts that cannot be read are only warned of, since they hide no others.
fn read(root: &Root) -> Result<Inventory> {
    artifact::set_up_engine();
    Ok(warned(Inventory::read(root)?))
}

fn warned(inventory: Inventory) -> Inventory {
    for problem in inventory.damaged() {
        tool::warn(format!("{}: {}", problem.path.display(), problem.what));
    }
    inventory
}
