//! What a row holds: fields, and links.

use reqwest::Url;
use spec::text;

use super::document::Id;
use super::visit::Page;
use super::written::{Field, Which};

/// Attributes that hold one address.
const ADDRESSES: [&str; 9] =
    ["href", "src", "action", "formaction", "poster", "cite", "data-href", "data-src", "data-url"];

impl Page {
    /// The values of a field within `top`; none if it is not there.
    pub(super) fn values(&self, field: &Field, top: Id) -> Result<Option<String>, String> {
        let found = field.select.select(&self.document, top);
        let mut values = Vec::with_capacity(found.len());
        for id in found {
            match &field.attribute {
                None => values.push(self.document.text(id)),
                Some(name) => {
                    let value = self.document.element(id).and_then(|element| element.attribute(name));
                    if let Some(value) = value {
                        values.push(self.attribute(name, value)?);
                    }
                }
            }
        }
        if let Some(encoding) = self.garbled.filter(|_| values.iter().any(|value| value.contains('\u{fffd}'))) {
            return Err(format!("it has bytes that are not valid {encoding}"));
        }
        let value = match field.which {
            Which::First => values.into_iter().next(),
            Which::Last => values.pop(),
            Which::All if values.is_empty() => None,
            Which::All => Some(serde_json::Value::from(values).to_string()),
            Which::Only => match values.as_slice() {
                [] => None,
                [first, others @ ..] => match others.iter().find(|other| *other != first) {
                    None => Some(first.clone()),
                    Some(other) => {
                        let (first, other) = (text::cut(first, 40), text::cut(other, 40));
                        let count = values.len();
                        return Err(format!(
                            "{count} elements match '{}', with '{first}' and '{other}'; choose with 'which', or narrow the selector",
                            field.select
                        ));
                    }
                },
            },
        };
        Ok(value)
    }

    fn attribute(&self, name: &str, value: &str) -> Result<String, String> {
        if !ADDRESSES.contains(&name) {
            return Ok(value.to_owned());
        }
        match self.base.join(value.trim_ascii()) {
            Ok(url) => Ok(url.to_string()),
            Err(_) => Err(format!("'{}' is not a valid address", text::cut(value, 100))),
        }
    }

    /// Where the elements lead: each address once, in the order of the page. An element without an address, and one that only
    /// runs a script or leads to a place on its own page, is left out.
    pub(super) fn links(&self, elements: &[Id]) -> Result<Vec<Url>, String> {
        let mut links = Vec::new();
        for id in elements {
            let Some(href) = self.document.element(*id).and_then(|element| element.attribute("href")) else { continue };
            let href = href.trim_ascii();
            if href.is_empty() || href.starts_with('#') || href.to_ascii_lowercase().starts_with("javascript:") {
                continue;
            }
            let mut url =
                self.base.join(href).map_err(|_| format!("'{}' is not a valid address", text::cut(href, 100)))?;
            url.set_fragment(None);
            if !links.contains(&url) {
                links.push(url);
            }
        }
        Ok(links)
    }
}
