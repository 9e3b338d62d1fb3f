//! What the project says about itself must exist: pages, links and schemas.

use std::path::{Path, PathBuf};

use testkit::Project;
use tests::{ALL_TOOLS, repository};

#[test]
fn every_tool_has_a_page_and_a_schema() {
    for tool in ALL_TOOLS {
        for file in [format!("docs/tools/{tool}.md"), format!("docs/schemas/{tool}.json")] {
            assert!(repository().join(&file).is_file(), "no {file}; run `make docs`");
        }
    }
}

#[test]
fn the_page_of_exit_codes_says_what_the_tools_say() {
    let page = std::fs::read_to_string(repository().join("docs/exit-codes.md")).expect("the page can be read");
    let help = Project::new().run("ingest", ["--help"]).stdout();
    let codes = help.iter().skip_while(|line| *line != "Exit codes:").skip(1);
    let mut seen = 0;
    for (code, meaning) in codes.filter_map(|line| line.trim().split_once(' ')) {
        let meaning = meaning.trim();
        let row = page.lines().find(|line| line.starts_with(&format!("| **{code}** |")));
        let row = row.unwrap_or_else(|| panic!("docs/exit-codes.md has no row for {code}"));
        assert!(row.contains(meaning), "docs/exit-codes.md says of {code}:\n{row}\nbut --help says: {meaning}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

/// Types with the same name get numbers on a generated page (`Method2`), which readers cannot tell apart.
#[test]
fn types_on_a_page_have_names_of_their_own() {
    for page in std::fs::read_dir(repository().join("docs/tools")).unwrap() {
        let path = page.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        for name in &names {
            let plain = name.trim_end_matches(|c: char| c.is_ascii_digit());
            assert!(plain == *name || !names.contains(&plain), "{}: '{name}' and '{plain}'", path.display());
        }
    }
}

#[test]
fn the_index_lists_every_page() {
    let docs = repository().join("docs");
    let index = std::fs::read_to_string(docs.join("index.md")).expect("the index can be read");
    let mut pages = Vec::new();
    collect(&docs, "md", &mut pages);
    let name = |page: &PathBuf| page.strip_prefix(&docs).expect("below docs/").display().to_string();
    let listed: Vec<&str> = links(&index);
    let missing: Vec<String> =
        pages.iter().map(name).filter(|name| name != "index.md" && !listed.contains(&name.as_str())).collect();
    assert!(pages.len() > 60 && missing.is_empty(), "not in docs/index.md: {missing:?}");
}

/// `soft` (default) in a description, and `"default": "hard"` beside it, would be two defaults.
#[test]
fn a_default_that_a_description_names_is_the_default() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for file in std::fs::read_dir(repository().join("docs/schemas")).unwrap() {
        let path = file.unwrap().path();
        let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut open = vec![&schema];
        while let Some(value) = open.pop() {
            open.extend(value.as_array().into_iter().flatten());
            open.extend(value.as_object().into_iter().flat_map(|object| object.values()));
            let (Some(text), Some(default)) = (value["description"].as_str(), value["default"].as_str()) else {
                continue;
            };
            let Some((before, _)) = text.split_once("` (default") else { continue };
            let named = before.rsplit('`').next().unwrap_or_default();
            compared += 1;
            if named != default {
                wrong.push(format!("{}: '{default}' is the default, but: {text}", path.display()));
            }
        }
    }
    assert!(compared > 50 && wrong.is_empty(), "{compared} compared: {wrong:#?}");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages = vec![repository().join("README.md")];
    collect(&repository().join("docs"), "md", &mut pages);
    let mut broken = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).expect("a page can be read");
        for target in links(&text) {
            let file = target.split('#').next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let to = if file.is_empty() { page.clone() } else { page.with_file_name("").join(file) };
            let part =
                target.split_once('#').map(|(_, part)| part).filter(|_| to.extension().is_some_and(|end| end == "md"));
            let is_there = to.exists()
                && part.is_none_or(|part| {
                    headings(&std::fs::read_to_string(&to).expect("a page")).iter().any(|at| at == part)
                });
            if !is_there {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

/// Crates, files, folders and tests that the pages for developers name. The step `shout` is their example of a new one.
#[test]
fn what_the_pages_for_developers_name_is_there() {
    let page = |name: &str| std::fs::read_to_string(repository().join("docs").join(name)).expect(name);
    let (architecture, contributing) = (page("architecture.md"), page("contributing.md"));
    let crates = architecture.split("\n## ").find(|section| section.starts_with("6. Crates")).expect("section 6");
    let drawn: Vec<&str> = crates.split(|c: char| !c.is_alphanumeric()).collect();
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(repository().join("crates")).expect("crates/") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name in UTF-8");
        if !drawn.contains(&name.as_str()) {
            missing.push(format!("the crate {name} in docs/architecture.md"));
        }
    }
    let mut files = Vec::new();
    ["crates", "tests"].iter().for_each(|folder| collect(&repository().join(folder), "rs", &mut files));
    let sources: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).expect("a source")).collect();
    let prose = [architecture, contributing].map(|page| page.split("```").step_by(2).collect::<String>()).concat();
    let named = prose.split('`').skip(1).step_by(2).filter_map(|text| text.split(' ').next());
    for name in named {
        let is_path =
            ["crates/", "tests/", "docs/", "scripts/", "resources/", ".ci/"].iter().any(|at| name.starts_with(at));
        let is_test = name.matches('_').count() > 2 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let is_there = match (is_path, is_test) {
            (true, _) => name.contains(['<', '{']) || name.ends_with("/shout.rs") || repository().join(name).exists(),
            (_, true) => sources.iter().any(|source| source.contains(&format!("fn {name}("))),
            _ => true,
        };
        if !is_there {
            missing.push(name.to_owned());
        }
    }
    assert!(missing.is_empty(), "not there: {missing:?}");
}

fn collect(folder: &Path, ending: &str, pages: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, ending, pages);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            pages.push(path);
        }
    }
}

/// The lines of a page outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        in_code ^= line.trim_start().starts_with("```");
        !in_code
    })
}

/// Targets of `[text](target)`, outside of code blocks.
fn links(text: &str) -> Vec<&str> {
    prose(text).flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next())).collect()
}

/// The anchors of the headings, as Markdown viewers derive them: letters, digits, `-` and `_`, spaces as `-`.
fn headings(text: &str) -> Vec<String> {
    let heading = |line: &str| {
        let text = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))?;
        let kept = text.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
        Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
    };
    prose(text).filter_map(heading).collect()
}
