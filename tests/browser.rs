//! What the tests of pages share: somebody with a browser, and a project where cron could run.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};

use quick_xml::Reader;
use quick_xml::events::Event;
use testkit::{HttpClient, HttpResponse, Outcome, Project, Serve, binary};

use crate::{TOOLS, repository};

/// Somebody with a browser: one host, one cookie.
pub struct Browser {
    pub client: HttpClient,
    origin: String,
    pub cookie: String,
}

impl Browser {
    pub fn new(server: &Serve) -> Browser {
        Browser { client: server.client(), origin: server.url().to_owned(), cookie: String::new() }
    }

    pub fn logged_in(server: &Serve, token: &str) -> Browser {
        let mut browser = Browser::new(server);
        browser.post("/login", &[("token", token), ("next", "/")]).has_status(303);
        browser
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> HttpResponse {
        let cookie = self.cookie.clone();
        self.client.send("GET", path, &[("cookie", &cookie)], b"").unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    #[track_caller]
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> HttpResponse {
        let (cookie, origin) = (self.cookie.clone(), self.origin.clone());
        let headers = [("cookie", cookie.as_str()), ("origin", &origin), ("sec-fetch-site", "same-origin")];
        self.send(path, fields, &headers)
    }

    #[track_caller]
    pub fn send(&mut self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> HttpResponse {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
        let response = self.client.send("POST", path, &headers, body.join("&").as_bytes());
        let response = response.unwrap_or_else(|error| panic!("POST {path}: {error}"));
        if let Some(cookie) = response.header("set-cookie") {
            self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        }
        response
    }

    /// The token that the forms of a page carry.
    #[track_caller]
    pub fn csrf(&mut self, path: &str) -> String {
        let page = self.get(path).has_status(200).text();
        let rest = page.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("no form in {page}")).1;
        rest.split('"').next().expect("a value").to_owned()
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The addresses that the links and pictures of a page lead to. Panics if the page is not well-formed, or holds anything that
/// comes from data as markup.
#[track_caller]
pub fn addresses(page: &str) -> BTreeSet<String> {
    let mut reader = Reader::from_str(page);
    let mut found = BTreeSet::new();
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} in {page}")) {
            Event::Eof => return found,
            Event::Start(element) | Event::Empty(element) => {
                let name = element.name().as_ref().to_owned();
                for attribute in element.attributes() {
                    let attribute = attribute.unwrap_or_else(|error| panic!("{error} in {page}"));
                    let (key, value) = (attribute.key.as_ref().to_owned(), attribute.value.replace("&amp;", "&"));
                    assert!(!key.starts_with("on") && key != "style", "{key} in {page}");
                    if name == "script" {
                        assert!(key != "src" || value.starts_with("/assets/"), "{value}");
                    }
                    if ["href", "src"].contains(&key.as_str()) && !value.starts_with('#') {
                        assert!(value.starts_with('/') && !value.starts_with("//"), "{value} in {page}");
                        found.insert(value.split('#').next().unwrap_or_default().to_owned());
                    }
                }
            }
            _ => {}
        }
    }
}

/// Follows every link from the first page on; the text of all pages.
pub fn crawl(browser: &mut Browser) -> Vec<(String, String)> {
    let (mut open, mut seen, mut pages) = (vec!["/".to_owned()], BTreeSet::new(), Vec::new());
    while let Some(path) = open.pop() {
        // Rows of tables lead to pages of one kind, orders and filters to the same rows.
        let kind = path.split('?').next().unwrap_or_default().to_owned();
        let of_kind = seen.iter().filter(|known: &&String| known.split('?').next() == Some(kind.as_str())).count();
        if of_kind >= 6 || !seen.insert(path.clone()) {
            continue;
        }
        let response = browser.get(&path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        assert!(
            response.header("content-security-policy").is_some_and(|policy| policy.contains("frame-ancestors 'none'"))
                || path.starts_with("/assets"),
            "{path}"
        );
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{path}");
        if !response.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) || path.ends_with("/card")
        {
            continue;
        }
        let text = response.text();
        open.extend(addresses(&text));
        pages.push((path, text));
    }
    pages
}

/// A project where cron could run its pipelines.
pub fn with_script(project: Project) -> Project {
    with_named_script(project, "run-pipeline")
}

/// A project with a script of this one, and the tools that it calls.
pub fn with_named_script(project: Project, name: &str) -> Project {
    let path = format!("scripts/{name}");
    let script = std::fs::read(repository().join(&path)).expect("the script");
    project.write(&path, script).make_folder("bin");
    let file = project.root().join(&path);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("rights");
    for tool in TOOLS.iter().chain(&["monitor", "release", "millrace"]) {
        symlink(binary(tool), project.root().join("bin").join(tool)).expect("a link");
    }
    project
}

/// Runs a pipeline as cron does.
pub fn by_cron(project: &Project, arguments: &[&str]) -> Outcome {
    by_script(project, "run-pipeline", arguments)
}

/// Runs a script of the project.
pub fn by_script(project: &Project, name: &str, arguments: &[&str]) -> Outcome {
    // With the environment that the tools have in tests.
    let tool = project.command("ingest", [] as [&str; 0]);
    let mut script = std::process::Command::new(project.root().join("scripts").join(name));
    script.args(arguments).current_dir(project.root()).env_clear();
    script.envs(tool.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = script.output().expect("the script runs");
    Outcome::new(output, project.root(), name.to_owned())
}
