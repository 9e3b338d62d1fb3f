//! Prompt templates: checked when the task is read, rendered for one input at a time.

use std::collections::BTreeSet;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;
use spec::{Error, Result, did_you_mean};

use crate::Input;

const SYSTEM: &str = "system_message";
const PROMPT: &str = "prompt";

/// Who says a message of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

impl Message {
    pub fn new(role: Role, content: impl Into<String>) -> Message {
        Message { role, content: content.into() }
    }
}

/// What one input says to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The system message; empty if the task has none.
    pub system: String,
    /// The prompt.
    pub user: String,
}

/// The templates of a task. Undefined variables are refused, nulls render as nothing, nothing is escaped.
#[derive(Debug)]
pub struct Prompts {
    environment: Environment<'static>,
    /// The system message, if it holds no variable and so is the same for every input.
    constant: Option<String>,
    inputs: Vec<String>,
}

impl Prompts {
    /// Compiles the templates.
    ///
    /// # Errors
    /// Cannot run: a template does not parse, or uses a variable that is none of `inputs`.
    pub fn compile(system: &str, prompt: &str, inputs: &[String]) -> Result<Prompts> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_formatter(|out, state, value| match value.is_none() {
            true => Ok(()),
            false => minijinja::escape_formatter(out, state, value),
        });
        let mut used = BTreeSet::new();
        for (name, source) in [(SYSTEM, system), (PROMPT, prompt)] {
            environment.add_template_owned(name, source.to_owned()).map_err(|error| fault(name, &error))?;
            let template = environment.get_template(name).map_err(|error| fault(name, &error))?;
            let variables: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
            let known: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
            for variable in variables {
                if !inputs.contains(&variable) && !known.contains(variable.as_str()) {
                    return Err(Error::cannot_run(format!("'{variable}' is not an input column"))
                        .hint(did_you_mean(&variable, inputs.iter().map(String::as_str)))
                        .at(name));
                }
                used.insert((name, variable));
            }
        }
        let mut prompts = Prompts { environment, constant: None, inputs: inputs.to_vec() };
        if !used.iter().any(|(name, variable)| *name == SYSTEM && inputs.contains(variable)) {
            prompts.constant = Some(prompts.render_one(SYSTEM, &Input::new()).map_err(Error::cannot_run)?);
        }
        Ok(prompts)
    }

    /// Renders both templates with the columns of `input`; columns that are missing there count as null.
    ///
    /// # Errors
    /// What the template could not do with this input.
    pub fn render(&self, input: &Input) -> Result<Rendered, String> {
        let system = match &self.constant {
            Some(text) => text.clone(),
            None => self.render_one(SYSTEM, input)?,
        };
        Ok(Rendered { system, user: self.render_one(PROMPT, input)? })
    }

    fn render_one(&self, name: &str, input: &Input) -> Result<String, String> {
        let columns = self.inputs.iter().map(|column| (column.as_str(), value(input.get(column))));
        let context = minijinja::Value::from_pairs(columns);
        let template = self.environment.get_template(name).map_err(|error| fault(name, &error).to_string())?;
        template.render(context).map_err(|error| fault(name, &error).to_string())
    }
}

/// Columns hold scalars; anything deeper is shown as JSON.
fn value(cell: Option<&Value>) -> minijinja::Value {
    match cell {
        None | Some(Value::Null) => minijinja::Value::from(()),
        Some(Value::Bool(value)) => minijinja::Value::from(*value),
        Some(Value::String(text)) => minijinja::Value::from(text.as_str()),
        Some(Value::Number(number)) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => minijinja::Value::from(integer),
            (_, Some(integer), _) => minijinja::Value::from(integer),
            (_, _, real) => minijinja::Value::from(real.unwrap_or(f64::NAN)),
        },
        Some(deeper) => minijinja::Value::from(deeper.to_string()),
    }
}

fn fault(name: &str, error: &minijinja::Error) -> Error {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => Error::cannot_run(format!("line {line} of the template: {detail}")).at(name),
        None => Error::cannot_run(detail).at(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compile(system: &str, prompt: &str) -> Result<Prompts> {
        Prompts::compile(system, prompt, &["text".to_owned(), "stars".to_owned()])
    }

    fn input(value: Value) -> Input {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn renders_columns_without_escaping() {
        let prompts = compile("Be brief.", "{{ stars }}: {{ text }}{% if stars > 3 %}!{% endif %}").unwrap();
        let rendered = prompts.render(&input(json!({"text": "<b>&\"", "stars": 4}))).unwrap();
        assert_eq!(rendered, Rendered { system: "Be brief.".to_owned(), user: "4: <b>&\"!".to_owned() });
        let rendered = prompts.render(&input(json!({"text": null, "stars": 1.5}))).unwrap();
        assert_eq!(rendered.user, "1.5: ");
    }

    #[test]
    fn a_variable_that_is_not_a_column_is_named_with_its_neighbour() {
        let text = |system, prompt| compile(system, prompt).unwrap_err().to_string();
        assert_eq!(text("", "{{ txt }}"), "prompt: 'txt' is not an input column; did you mean 'text'?");
        assert_eq!(
            text("{{ language }}", "{{ text }}"),
            "system_message: 'language' is not an input column; choose one of: text, stars"
        );
    }

    #[test]
    fn names_that_the_template_makes_itself_are_not_columns() {
        assert!(compile("", "{% for i in range(3) %}{{ i }}{{ loop.index }}{% endfor %}{{ text }}").is_ok());
    }

    #[test]
    fn a_broken_template_is_placed() {
        let error = compile("", "a\n{{ text").unwrap_err().to_string();
        assert!(error.starts_with("prompt: line 2 of the template: "), "{error}");
    }
}
