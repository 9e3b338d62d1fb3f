//! The columns that a task adds, and the JSON Schema that its answers are held to.
//!
//! ```yaml
//! outputs:
//!   cleaned_text: string
//!   sentiment: [positive, neutral, negative]
//!   score: integer
//!   city: {type: [string, "null"], description: "the city named, if any"}
//! ```
//!
//! or a whole JSON Schema with `type: object` and `properties`.

use serde_json::{Map, Value, json};
use spec::{Error, Result, did_you_mean};

const TYPES: [&str; 4] = ["string", "integer", "number", "boolean"];

/// What an answer must look like.
#[derive(Debug)]
pub struct Schema {
    json: Value,
    columns: Vec<String>,
    strict: bool,
    validator: jsonschema::Validator,
}

impl Schema {
    /// Reads `outputs` as written: a map of columns, or a whole JSON Schema of an object.
    ///
    /// # Errors
    /// Cannot run: no column, an unknown type, or not a JSON Schema.
    pub fn of_outputs(outputs: &Map<String, Value>) -> Result<Schema> {
        let whole = outputs.get("type").and_then(Value::as_str) == Some("object")
            && outputs.get("properties").is_some_and(Value::is_object);
        let json = match whole {
            true => Value::Object(outputs.clone()),
            false => of_columns(outputs)?,
        };
        Schema::of_json(json)
    }

    fn of_json(json: Value) -> Result<Schema> {
        let columns: Vec<String> =
            json["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        if columns.is_empty() {
            return Err(Error::cannot_run("no column is named")
                .hint("write for example {cleaned: string}")
                .at("outputs"));
        }
        let validator = jsonschema::validator_for(&json)
            .map_err(|error| Error::cannot_run(format!("not a JSON Schema: {error}")).at("outputs"))?;
        let strict = is_strict(&json);
        Ok(Schema { json, columns, strict, validator })
    }

    /// The schema itself.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Names of the columns that an answer fills.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What the cells of one of these columns are.
    pub fn kind(&self, column: &str) -> Kind {
        kind_of(&self.json["properties"][column])
    }

    /// Whether servers may hold the model to the schema token by token: every object closed, every key required.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// What is wrong with `answer`, in words for the model and for people; at most three faults are named. An integer must have
    /// its place in a column of 64 bits.
    pub fn check(&self, answer: &Value) -> Result<(), String> {
        let faults = self.validator.iter_errors(answer).map(|fault| match fault.instance_path().as_str() {
            "" => fault.to_string(),
            place => format!("at {place}: {fault}"),
        });
        let too_long = answer.as_object().into_iter().flatten().filter(|(name, value)| {
            self.kind(name) == Kind::Integer && value.is_number() && integer_of(value).is_none()
        });
        let too_long = too_long.map(|(name, value)| format!("at /{name}: {value} is not an integer of 64 bits"));
        let faults: Vec<String> = faults.chain(too_long).take(3).collect();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(faults.join("; ")),
        }
    }

    /// The schema of one request for several rows: `{"answers": [{"row": 1, …}, …]}`.
    pub fn of_rows(&self) -> Value {
        let mut row = self.json.clone();
        if let Some(properties) = row.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("row".to_owned(), json!({"type": "integer"}));
        }
        if let Some(object) = row.as_object_mut() {
            let required = object.entry("required").or_insert_with(|| json!([]));
            if let Some(names) = required.as_array_mut() {
                names.insert(0, json!("row"));
            }
        }
        json!({
            "type": "object",
            "properties": {"answers": {"type": "array", "items": row}},
            "required": ["answers"],
            "additionalProperties": false
        })
    }
}

/// What the cells of a column are that answers fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
}

/// What a JSON Schema makes of a column. Several types together, lists and objects are text; `null` is an empty cell of any.
fn kind_of(schema: &Value) -> Kind {
    let named: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        one => one.as_str().into_iter().collect(),
    };
    match named[..] {
        ["integer"] => Kind::Integer,
        ["number"] | ["integer", "number"] | ["number", "integer"] => Kind::Number,
        ["boolean"] => Kind::Boolean,
        _ => Kind::Text,
    }
}

/// The value as an integer of 64 bits; JSON Schema counts 3.0 as one, too.
pub fn integer_of(value: &Value) -> Option<i64> {
    // The nearest float above the largest integer.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let of_float = |value: f64| (value.fract() == 0.0 && (-END..END).contains(&value)).then_some(value as i64);
    value.as_i64().or_else(|| value.as_f64().filter(|_| !value.is_u64()).and_then(of_float))
}

fn of_columns(outputs: &Map<String, Value>) -> Result<Value> {
    let mut properties = Map::new();
    for (column, written) in outputs {
        let schema = match written {
            Value::String(name) if TYPES.contains(&name.as_str()) => json!({"type": name}),
            Value::String(name) => {
                return Err(Error::cannot_run(format!("unknown type '{name}'"))
                    .hint(did_you_mean(name, TYPES))
                    .at(column)
                    .at("outputs"));
            }
            Value::Array(choices) if !choices.is_empty() && choices.iter().all(Value::is_string) => {
                json!({"type": "string", "enum": choices})
            }
            Value::Object(_) => written.clone(),
            _ => {
                return Err(Error::cannot_run(format!("found {written}"))
                    .hint("write a type (string, integer, number, boolean), a list of allowed texts, or a JSON Schema")
                    .at(column)
                    .at("outputs"));
            }
        };
        properties.insert(column.clone(), schema);
    }
    let required: Vec<&String> = outputs.keys().collect();
    Ok(json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false}))
}

/// OpenAI's rule for `strict: true` (guide "Structured Outputs"): every object is closed and requires all its keys.
fn is_strict(schema: &Value) -> bool {
    let own = match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            let required = schema.get("required").and_then(Value::as_array);
            let names = |name: &String| required.is_some_and(|r| r.iter().any(|n| n.as_str() == Some(name)));
            schema.get("additionalProperties") == Some(&Value::Bool(false))
                && properties.keys().all(names)
                && properties.values().all(is_strict)
        }
        None => true,
    };
    own && schema.get("items").is_none_or(is_strict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(outputs: Value) -> Result<Schema> {
        Schema::of_outputs(outputs.as_object().unwrap())
    }

    #[test]
    fn short_types_become_a_closed_schema() {
        let schema = schema(json!({"text": "string", "mood": ["good", "bad"]})).unwrap();
        assert!(schema.is_strict());
        assert_eq!(schema.check(&json!({"text": "a", "mood": "bad"})), Ok(()));
        let fault = schema.check(&json!({"text": 1, "mood": "bad"})).unwrap_err();
        assert_eq!(fault, "at /text: 1 is not of type \"string\"");
        assert!(schema.check(&json!({"text": "a", "mood": "bad", "more": 1})).is_err());
        assert!(schema.check(&json!({"text": "a"})).unwrap_err().contains("\"mood\" is a required property"));
    }

    #[test]
    fn integers_have_64_bits() {
        let schema = schema(json!({"n": {"type": ["integer", "null"]}, "x": "number"})).unwrap();
        for fits in [json!(i64::MAX), json!(i64::MIN), json!(3.0), json!(i64::MIN as f64), json!(null)] {
            assert_eq!(schema.check(&json!({"n": fits, "x": 1e300})), Ok(()), "{fits}");
        }
        for beyond in [json!(u64::MAX), json!(9.3e18), json!(1e300), json!(-1e300)] {
            let fault = schema.check(&json!({"n": beyond, "x": 1})).unwrap_err();
            assert_eq!(fault, format!("at /n: {beyond} is not an integer of 64 bits"));
        }
        assert_eq!([json!(3.0), json!(3.5), json!(u64::MAX)].map(|value| integer_of(&value)), [Some(3), None, None]);
    }

    #[test]
    fn several_types_together_are_text() {
        for (schema, kind) in [
            (json!({"type": ["null", "integer"]}), Kind::Integer),
            (json!({"type": "number"}), Kind::Number),
            (json!({"type": ["integer", "number", "null"]}), Kind::Number),
            (json!({"type": "boolean"}), Kind::Boolean),
            (json!({"type": ["integer", "string"]}), Kind::Text),
            (json!({"type": ["string", "integer"]}), Kind::Text),
            (json!({"enum": ["a", "b"]}), Kind::Text),
            (json!({"type": "array"}), Kind::Text),
        ] {
            assert_eq!(kind_of(&schema), kind, "{schema}");
        }
    }

    #[test]
    fn a_whole_schema_stands_as_it_is() {
        let whole = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let schema = schema(whole.clone()).unwrap();
        assert_eq!(schema.json(), &whole);
        assert_eq!(schema.columns(), ["a"]);
        assert!(!schema.is_strict(), "an open object cannot be held token by token");
    }

    #[test]
    fn mistakes_name_the_column_and_the_way_out() {
        let text = |outputs| schema(outputs).unwrap_err().to_string();
        assert_eq!(text(json!({"a": "strin"})), "outputs.a: unknown type 'strin'; did you mean 'string'?");
        assert_eq!(text(json!({})), "outputs: no column is named; write for example {cleaned: string}");
        assert!(text(json!({"a": {"type": "nonsense"}})).starts_with("outputs: not a JSON Schema"));
    }

    #[test]
    fn rows_carry_their_number() {
        let rows = schema(json!({"text": "string"})).unwrap().of_rows();
        assert!(is_strict(&rows));
        assert_eq!(rows["properties"]["answers"]["items"]["required"], json!(["row", "text"]));
    }
}
