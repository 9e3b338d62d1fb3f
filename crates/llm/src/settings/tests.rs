use super::*;

const CANARY: &str = "sk-canary-0123456789";

fn env(pairs: &[(&str, &str)]) -> Environment {
    Environment::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn failure(text: &str) -> String {
    Settings::parse(text, &env(&[])).unwrap_err().to_string()
}

#[test]
fn without_a_file_there_is_openai() {
    let settings = Settings::built_in(&env(&[])).unwrap();
    let model = settings.model("gpt-4o-mini");
    assert_eq!((model.wire_name.as_str(), model.provider.base_url.as_str()), ("gpt-4o-mini", OPENAI));
    assert!(!model.provider.is_configured());
    assert_eq!((settings.limits.requests_per_second, settings.limits.concurrency), (10.0, 8));
    let keyed = Settings::built_in(&env(&[("OPENAI_API_KEY", CANARY)])).unwrap().model("m");
    assert!(keyed.provider.is_configured());
    assert_eq!(keyed.provider.variable.as_deref(), Some("OPENAI_API_KEY"));
    let local = Settings::built_in(&env(&[("OPENAI_BASE_URL", "http://localhost:1/v1/")])).unwrap().model("m");
    assert!(local.provider.is_configured());
    assert_eq!(local.provider.base_url, "http://localhost:1/v1");
}

#[test]
fn models_have_providers_prices_and_other_names() {
    let settings = Settings::parse(
        "providers:\n  a: {base_url: http://a/v1}\n  b: {base_url: http://b/v1}\nprovider: b\nmodels:\n  \
         small: {provider: a, name: tiny, price: {input: 2, output: 4}, structured: json_object, extra: {seed: 7}}\n",
        &env(&[]),
    )
    .unwrap();
    let small = settings.model("small");
    assert_eq!((small.wire_name.as_str(), small.provider.name.as_str()), ("tiny", "a"));
    assert_eq!(small.price.unwrap().of(1_000_000, 500_000), 4.0);
    assert_eq!((small.structured, small.extra["seed"].as_i64()), (Structured::JsonObject, Some(7)));
    assert_eq!(settings.model("other").provider.name, "b");
}

#[test]
fn another_name_or_parameter_is_another_model() {
    let asked = |small: &str| {
        let text = format!("providers:\n  a: {{base_url: http://a/v1}}\nmodels:\n  small: {{{small}}}\n");
        Settings::parse(&text, &env(&[])).unwrap().asked("small")
    };
    assert_eq!(asked("price: {input: 2, output: 4}"), "small");
    assert!(asked("name: tiny").starts_with("small (sent as tiny, "));
    let different = ["name: tiny", "name: tiny-2", "extra: {seed: 7}", "extra: {seed: 8}", "name: small"].map(asked);
    assert!((1..different.len()).all(|at| !different[..at].contains(&different[at])), "{different:?}");
    assert_eq!(asked("name: small"), "small");
    assert_eq!(asked("extra: {a: 1, b: 2}"), asked("extra: {b: 2, a: 1}"));
}

#[test]
fn a_key_in_the_file_is_refused_and_not_repeated() {
    let text = failure(&format!("providers:\n  a: {{base_url: http://a/v1, key: {CANARY}}}\n"));
    assert_eq!(
        text,
        "llm.yaml:2:30: providers.a.key: a key does not belong into a file; put it into .env and write ${OPENAI_API_KEY:-}"
    );
}

#[test]
fn keys_do_not_show() {
    let settings = Settings::built_in(&env(&[("OPENAI_API_KEY", CANARY)])).unwrap();
    assert!(!format!("{settings:?}").contains(CANARY));
    assert!(!format!("{:?}", settings.model("m")).contains(CANARY));
    assert_eq!(settings.redact(&format!("Bearer {CANARY}.")), "Bearer ***.");
}

#[test]
fn mistakes_name_the_key() {
    let server = "providers:\n  a: {base_url: http://a/v1}\n";
    assert_eq!(
        failure(&format!("{server}provider: b\n")),
        "llm.yaml:3:1: provider: unknown provider 'b'; choose one of: a"
    );
    assert_eq!(
        failure(&format!("{server}limits: {{concurrency: 0}}\n")),
        "llm.yaml:3:10: limits.concurrency: found 0, expected 1 or more"
    );
    assert_eq!(
        failure(&format!("{server}limits: {{request_per_second: 3}}\n")),
        "llm.yaml:3:10: limits: unknown key 'request_per_second'; did you mean 'requests_per_second'?"
    );
    assert_eq!(
        failure(&format!("{server}daily: {{money: .nan}}\n")),
        "llm.yaml:3:16: daily.money: NaN is not a value; write a number, or leave it out"
    );
    assert!(failure(&format!("{server}daily: {{money: -5}}\n")).ends_with("daily.money: -5 is not 0 or more"));
    assert!(failure("providers:\n  a: {base_url: localhost:1}\n").contains("providers.a.base_url: not an address"));
}

#[test]
fn mangled_files_are_read_or_refused_with_their_place() {
    // The example of the module, without its margin.
    let example: String = include_str!("../settings.rs")
        .lines()
        .skip_while(|line| *line != "//! ```yaml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| format!("{}\n", line.trim_start_matches("//! ")))
        .collect();
    Settings::parse(&example, &env(&[])).unwrap();
    testkit::mangle_texts("llm.yaml", vec![example, BUILT_IN.to_owned()], |text| {
        Settings::parse(text, &env(&[("OPENAI_API_KEY", CANARY)])).map(drop).map_err(|error| error.to_string())
    });
}
