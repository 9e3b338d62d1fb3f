//! How predictions are written: as JSON, or as a table with the same values.

use polars::prelude::{Column, DataFrame};
use score::Predicted;
use spec::Result;

use crate::arm::Arm;
use crate::cell::Cell;
use crate::json;
use crate::predictions::{Part, Scored};
use crate::results::Format;
use artifact::PolarsResultExt;

/// The predictions of a request.
pub struct AnswerBody<'a> {
    pub id: &'a str,
    pub pipeline: &'a str,
    /// Key of each row, where it has one.
    pub keys: &'a [Option<Cell<'a>>],
    /// Where the prediction of each row is: which part, and which row of it.
    pub places: &'a [(usize, usize)],
    pub parts: &'a [Part<'a>],
    pub predicted: &'a [Scored],
}

impl AnswerBody<'_> {
    /// As a format of tables.
    ///
    /// Errors: a table that cannot be written.
    pub fn table(&self, format: Format) -> Result<Vec<u8>> {
        format.write(self.rows_as_table()?)
    }

    /// As JSON.
    pub fn json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + 160 * self.places.len());
        out.push(b'{');
        json::field(&mut out, "request_id", self.id);
        json::field(&mut out, "pipeline", self.pipeline);
        json::key(&mut out, "predictions");
        // What every row of a version ends with.
        let end = |part: &Part<'_>| {
            let mut end = Vec::new();
            json::field(&mut end, "version", &part.arm.version_text);
            json::field(&mut end, "arm", part.named.name.as_ref());
            end
        };
        let ends: Vec<Vec<u8>> = self.parts.iter().map(end).collect();
        json::list(&mut out, self.places.iter().enumerate(), |out, (row, (at, place))| {
            let (part, scored) = (&self.parts[*at], &self.predicted[*at]);
            out.push(b'{');
            if let Some(key) = &self.keys[row] {
                json::key(out, "key");
                json::cell(out, key);
            }
            write_scores(out, part.arm, &scored.predicted, *place);
            out.extend_from_slice(&ends[*at]);
            if let Some(reasons) = &scored.reasons {
                json::field(out, "reasons", &reasons[*place]);
            }
            out.push(b'}');
        });
        out.push(b'}');
        out
    }

    /// One row per prediction, in the order of the request. A column that only some versions have is empty for the others.
    fn rows_as_table(&self) -> Result<DataFrame> {
        let mut columns: Vec<Column> = Vec::new();
        if self.keys.iter().any(Option::is_some) {
            columns.push(self.key_column());
        }
        let number = |of: &dyn Fn(&Part<'_>, &Predicted, usize) -> Option<f64>| -> Vec<Option<f64>> {
            self.rows().map(|(part, scored, place)| of(part, &scored.predicted, place)).collect()
        };
        let mut add_numbers = |name: &str, numbers: Vec<Option<f64>>| {
            if numbers.iter().any(Option::is_some) {
                columns.push(Column::new(name.into(), numbers));
            }
        };
        add_numbers("score", number(&|part, predicted, row| part.arm.classes.is_none().then(|| predicted.scores[row])));
        add_numbers("low", number(&|_, predicted, row| Some(predicted.bounds.as_ref()?.low[row])));
        add_numbers("high", number(&|_, predicted, row| Some(predicted.bounds.as_ref()?.high[row])));
        let mut classes: Vec<&str> = Vec::new();
        for class in self.parts.iter().filter_map(|part| part.arm.classes.as_deref()).flatten() {
            if !classes.contains(&class.as_str()) {
                classes.push(class);
            }
        }
        for class in &classes {
            add_numbers(
                &format!("probability_{class}"),
                number(&|part, predicted, row| {
                    let names = part.arm.classes.as_deref()?;
                    let at = names.iter().position(|name| name == class)?;
                    Some(predicted.scores[row * names.len() + at])
                }),
            );
        }
        if !classes.is_empty() {
            let class = |(part, scored, place): (&Part<'_>, &Scored, usize)| {
                let names = part.arm.classes.as_deref()?;
                Some(names[scored.predicted.class(place, names.len())].clone())
            };
            columns.push(Column::new("class".into(), self.rows().map(class).collect::<Vec<_>>()));
        }
        let decisions: Vec<Option<bool>> = self
            .rows()
            .map(|(part, scored, place)| {
                let decisions = scored.predicted.decisions.as_ref().filter(|_| part.arm.classes.is_none())?;
                decisions.get(place).copied()
            })
            .collect();
        if decisions.iter().any(Option::is_some) {
            columns.push(Column::new("decision".into(), decisions));
        }
        let versions: Vec<&str> = self.rows().map(|(part, ..)| part.arm.version_text.as_str()).collect();
        columns.push(Column::new("version".into(), versions));
        let arms: Vec<&str> = self.rows().map(|(part, ..)| &*part.named.name).collect();
        columns.push(Column::new("arm".into(), arms));
        let reasons = |(_, scored, place): (&Part<'_>, &Scored, usize)| {
            // As the stage `predict` writes them.
            Some(scored.reasons.as_ref()?[place].join("; "))
        };
        let reasons: Vec<Option<String>> = self.rows().map(reasons).collect();
        if reasons.iter().any(Option::is_some) {
            columns.push(Column::new("reasons".into(), reasons));
        }
        DataFrame::new(self.places.len(), columns).during("the answer")
    }

    fn rows(&self) -> impl Iterator<Item = (&Part<'_>, &Scored, usize)> {
        self.places.iter().map(|(at, place)| (&self.parts[*at], &self.predicted[*at], *place))
    }

    /// Keys as numbers if all are, else as texts.
    fn key_column(&self) -> Column {
        let is_whole = |key: &Option<Cell<'_>>| matches!(key, None | Some(Cell::Int(_)));
        if self.keys.iter().all(is_whole) {
            let numbers =
                self.keys.iter().map(|key| if let Some(Cell::Int(number)) = key { Some(*number) } else { None });
            return Column::new("key".into(), numbers.collect::<Vec<Option<i64>>>());
        }
        let text = |key: &Option<Cell<'_>>| match key.as_ref()?.json() {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        Column::new("key".into(), self.keys.iter().map(text).collect::<Vec<Option<String>>>())
    }
}

/// Appends what the model says of one row, under the names of `predict`'s columns.
pub fn write_scores(out: &mut Vec<u8>, arm: &Arm, predicted: &Predicted, row: usize) {
    match &arm.classes {
        Some(names) => {
            let probabilities = &predicted.scores[row * names.len()..(row + 1) * names.len()];
            for (name, probability) in names.iter().zip(probabilities) {
                json::key(out, &format!("probability_{name}"));
                json::number(out, *probability);
            }
            json::field(out, "class", &names[predicted.class(row, names.len())]);
        }
        None => {
            json::key(out, "score");
            json::number(out, predicted.scores[row]);
            if let Some(bounds) = &predicted.bounds {
                json::key(out, "low");
                json::number(out, bounds.low[row]);
                json::key(out, "high");
                json::number(out, bounds.high[row]);
            }
            if let Some(decision) = predicted.decisions.as_ref().and_then(|decisions| decisions.get(row)) {
                json::field(out, "decision", decision);
            }
        }
    }
}
