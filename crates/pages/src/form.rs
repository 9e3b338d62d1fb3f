//! Forms. Those that change something carry the session's token.

use std::fmt::Display;

use crate::{Address, Element, Html, el};

/// A form under construction. Each input has its label, so that readers of screens and large fingers find it.
#[derive(Clone, Debug)]
pub struct Form(Element);

/// An input with its label.
#[derive(Clone, Debug)]
pub struct Field {
    label: Html,
    input: Element,
    help: Option<Html>,
}

impl Field {
    /// A line of text.
    pub fn line(name: &str, label: impl Into<Html>, value: impl Display) -> Field {
        Field::input("text", name, label, value)
    }

    /// An input of one of HTML's types, such as `search`.
    pub fn input(kind: &'static str, name: &str, label: impl Into<Html>, value: impl Display) -> Field {
        let input = el("input").attr("type", kind).attr("name", name).attr("value", value);
        Field { label: label.into(), input, help: None }
    }

    /// A secret: never filled in.
    pub fn secret(name: &str, label: impl Into<Html>) -> Field {
        let input = el("input").attr("type", "password").attr("name", name).attr("autocomplete", "current-password");
        Field { label: label.into(), input, help: None }
    }

    /// A choice of values, each with what is shown.
    pub fn choice<V: Display, S: Into<Html>>(
        name: &str,
        label: impl Into<Html>,
        chosen: &str,
        options: impl IntoIterator<Item = (V, S)>,
    ) -> Field {
        let option = |(value, shown): (V, S)| {
            let value = value.to_string();
            el("option").flag("selected", value == chosen).attr("value", value).add(shown)
        };
        let input = el("select").attr("name", name).all(options.into_iter().map(option));
        Field { label: label.into(), input, help: None }
    }

    /// A text beside the input.
    pub fn help(mut self, help: impl Into<Html>) -> Field {
        self.help = Some(help.into());
        self
    }

    pub fn required(mut self) -> Field {
        self.input = self.input.flag("required", true);
        self
    }

    /// Where the keyboard is when the page opens.
    pub fn first(mut self) -> Field {
        self.input = self.input.flag("autofocus", true);
        self
    }

    pub fn longest(mut self, characters: usize) -> Field {
        self.input = self.input.attr("maxlength", characters);
        self
    }

    /// The label around its input.
    pub fn html(self) -> Element {
        let label = el("label").add(el("span").class("label").add(self.label)).add(self.input);
        label.add(self.help.map(|help| el("span").class("help").add(help)))
    }
}

impl Form {
    /// A form that asks and changes nothing: its fields become the query.
    pub fn get(address: &Address) -> Form {
        Form(el("form").attr("method", "get").action(address))
    }

    /// A form that changes something; `token` is the session's, under the name `csrf`.
    pub fn post(address: &Address, token: &str) -> Form {
        Form(el("form").attr("method", "post").action(address)).hidden("csrf", token)
    }

    pub fn class(self, class: &'static str) -> Form {
        Form(self.0.class(class))
    }

    pub fn hidden(self, name: &str, value: impl Display) -> Form {
        Form(self.0.add(el("input").attr("type", "hidden").attr("name", name).attr("value", value)))
    }

    pub fn field(self, field: Field) -> Form {
        Form(self.0.add(field.html()))
    }

    #[expect(clippy::should_implement_trait, reason = "nothing is summed here")]
    pub fn add(self, part: impl Into<Html>) -> Form {
        Form(self.0.add(part))
    }

    pub fn button(self, text: impl Into<Html>) -> Form {
        Form(self.0.add(el("button").attr("type", "submit").add(text)))
    }
}

impl From<Form> for Html {
    fn from(form: Form) -> Html {
        form.0.into()
    }
}
