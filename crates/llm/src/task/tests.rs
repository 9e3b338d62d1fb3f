use super::*;

const WRITTEN: &str = "
task_name: clean_review
description: Correct spelling
inputs: [text]
outputs: {cleaned: string}
system_message: You correct reviews.
prompt: |
  Correct this:
  {{ text }}
model: small
fallback: [large]
temperature: 0
max_tokens: 50
examples:
  - input: {text: gud}
    output: {cleaned: good}
";

fn read(text: &str) -> Result<TaskFile> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("resources")).unwrap();
    std::fs::write(folder.path().join("resources/t.yaml"), text).unwrap();
    TaskFile::load(&Root::at(folder.path()), Path::new("resources/t.yaml"), &Environment::default())
}

fn failure(from: &str, to: &str) -> String {
    assert!(WRITTEN.contains(from));
    read(&WRITTEN.replace(from, to)).unwrap_err().to_string()
}

fn input(text: &str) -> Input {
    json!({"text": text}).as_object().unwrap().clone()
}

#[test]
fn a_task_becomes_a_conversation() {
    let task = read(WRITTEN).unwrap();
    assert_eq!(task.models(), ["small", "large"]);
    let rendered = task.render(&input("bda")).unwrap();
    let said: Vec<(Role, String)> = task.conversation(&rendered).into_iter().map(|m| (m.role, m.content)).collect();
    assert_eq!(
        said,
        [
            (Role::System, "You correct reviews.".to_owned()),
            (Role::User, "Correct this:\ngud".to_owned()),
            (Role::Assistant, "{\"cleaned\":\"good\"}".to_owned()),
            (Role::User, "Correct this:\nbda".to_owned()),
        ]
    );
}

#[test]
fn several_rows_are_numbered() {
    let task = read(WRITTEN).unwrap();
    let rows = [task.render(&input("a")).unwrap(), task.render(&input("b")).unwrap()];
    let said = task.conversation_of_rows(&rows.iter().collect::<Vec<_>>());
    let last: Value = serde_json::from_str(&said.last().unwrap().content).unwrap();
    assert_eq!(last, json!([{"row": 1, "task": "Correct this:\na"}, {"row": 2, "task": "Correct this:\nb"}]));
    let shown: Value = serde_json::from_str(&said[2].content).unwrap();
    assert_eq!(shown, json!({"answers": [{"row": 1, "cleaned": "good"}]}));
}

#[test]
fn json_is_read_as_well() {
    let task =
        read(r#"{"task_name": "t", "prompt": "{{ a }}", "model": "m", "inputs": ["a"], "outputs": {"b": "integer"}}"#);
    assert_eq!(task.unwrap().outputs(), ["b"]);
}

#[test]
fn a_missing_variable_is_placed_before_anything_is_spent() {
    assert_eq!(
        failure("{{ text }}", "{{ txt }}"),
        "resources/t.yaml:9:6: prompt: 'txt' is not an input column; did you mean 'text'?"
    );
}

#[test]
fn unknown_keys_are_placed() {
    assert_eq!(
        failure("temperature: 0", "temprature: 0"),
        "resources/t.yaml:12:1: unknown key 'temprature'; did you mean 'temperature'?"
    );
    assert_eq!(failure("model: small\n", ""), "resources/t.yaml:2:1: missing key 'model'");
}

#[test]
fn mistakes_name_the_key() {
    assert_eq!(
        failure("cleaned: good", "cleand: good"),
        "resources/t.yaml:16:5: examples[0].output: Additional properties are not allowed ('cleand' was unexpected); \
         \"cleaned\" is a required property"
    );
    assert_eq!(
        failure("temperature: 0", "temperature: 3"),
        "resources/t.yaml:12:1: temperature: found a value outside 0 to 2"
    );
    assert_eq!(
        failure("max_tokens: 50", "batch_rows: 0"),
        "resources/t.yaml:13:1: batch_rows: found 0, expected 1 to 200"
    );
    assert_eq!(failure("[large]", "[small]"), "resources/t.yaml:11:1: fallback: 'small' is named twice");
}

#[test]
fn keys_cover_all_that_the_model_is_sent_and_nothing_else() {
    let key = |text: &str, model: &str, row: &str| {
        let task = read(text).unwrap();
        task.keys(model, &Map::new()).key(&task.render(&input(row)).unwrap())
    };
    let same = key(WRITTEN, "small", "a");
    for (from, to) in [("max_tokens: 50", "max_tokens: 50\nbatch_rows: 5"), ("Correct spelling", "Other words")] {
        assert_eq!(key(&WRITTEN.replace(from, to), "small", "a"), same, "{to}");
    }
    for (from, to) in [
        ("correct reviews", "improve reviews"),
        ("Correct this", "Mend this"),
        ("cleaned: string", "cleaned: {type: string, maxLength: 9}"),
        ("temperature: 0", "temperature: 1"),
        ("max_tokens: 50", "max_tokens: 51"),
        ("{cleaned: good}", "{cleaned: fine}"),
    ] {
        assert_ne!(key(&WRITTEN.replace(from, to), "small", "a"), same, "{to}");
    }
    assert_ne!(key(WRITTEN, "large", "a"), same);
    assert_ne!(key(WRITTEN, "small", "b"), same);
}

#[test]
fn a_key_is_the_hash_of_canonical_json() {
    let task = read(WRITTEN).unwrap();
    let rendered = task.render(&input("a")).unwrap();
    let messages: Vec<Value> = task
        .conversation(&rendered)
        .iter()
        .map(|message| json!({"role": message.role.name(), "content": message.content}))
        .collect();
    let whole = json!({
        "messages": messages, "model": "small", "schema": task.schema().json(),
        "parameters": {"extra": {}, "max_tokens": 50, "temperature": 0.0},
    });
    let expected = blake3::hash(canonical::text(&whole).as_bytes());
    assert_eq!(&task.keys("small", &Map::new()).key(&rendered), expected.as_bytes());
}

#[test]
fn the_shape_of_both_files_can_be_printed() {
    let keys = |schema: schemars::Schema| {
        let schema = schema.to_value();
        assert_eq!(schema["additionalProperties"], json!(false));
        let mut keys: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(
        keys(schemars::schema_for!(TaskSpec)),
        "batch_rows description examples fallback inputs max_tokens model outputs prompt system_message task_name temperature"
    );
    assert_eq!(keys(schemars::schema_for!(crate::SettingsSpec)), "daily limits log_bodies models provider providers");
}

#[test]
fn mangled_files_are_read_or_refused_with_their_place() {
    let tasks = ["reviews", "texts"].map(|pipeline| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../resources").join(pipeline).join("tasks");
        std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
    });
    let mut tasks: Vec<String> = tasks.into_iter().flatten().collect();
    tasks.push(WRITTEN.to_owned());
    tasks.sort();
    testkit::mangle_texts("task.yaml", tasks, |text| {
        let read = TaskFile::parse(text, Path::new("task.yaml"), &Environment::default());
        read.map(drop).map_err(|error| error.to_string())
    });
}
