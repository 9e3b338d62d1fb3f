//! The published fuzzer of OpenAPI, schemathesis, against the interface as it describes itself: no 500, and every answer is one
//! that the document names.

use std::process::{Command, Stdio};

use testkit::Serve;
use tests::served::people;

#[test]
fn every_answer_is_one_that_the_document_names() {
    let version = Command::new("schemathesis").arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        testkit::skipped("schemathesis", "no schemathesis; `pip install schemathesis` runs this test");
        return;
    }
    let project = people();
    let server = Serve::start(&project, &[]);
    server.wait("the clean tables", || !server.client().get("/api/v1/pipelines/p").json()["row"].is_null());
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                  response_headers_conformance,unsupported_method";
    let document = format!("{}/openapi.json", server.url());
    let mut command = Command::new("schemathesis");
    command.args([
        "run",
        &document,
        "-c",
        checks,
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        "25",
        "--seed",
        "1",
    ]);
    // It keeps what it found in its working folder.
    let output = command.current_dir(project.root()).stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // Every operation that the document has was tried.
    let number = |name: &str| {
        let line =
            said.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {said}"));
        line.split('/').map(|part| part.trim().parse::<u32>().expect("a number")).collect::<Vec<_>>()
    };
    let selected = number("Selected:");
    assert_eq!((selected[0], number("Tested:")[0]), (selected[1], selected[1]), "{said}");
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains("internal error"), "{said}");
}
