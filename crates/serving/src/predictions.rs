//! Predictions: from a request's body to the answer and the lines of its log. No network here, and no waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use polars::prelude::DataFrame;
use score::{Numbers, Predicted};

use crate::answer_body::{self, AnswerBody};
use crate::arm::{Arm, NamedArm};
use crate::block;
use crate::cell::{Cell, Row};
use crate::deployment::Deployment;
use crate::json;
use crate::masking::Masking;
use crate::raw::Raw;
use crate::record;
use crate::refusal::{Failed, Refusal, panicked};
use crate::request::{Request, Rows, Values, no_rows, read};
use crate::results::Format;
use crate::spec::ServeSpec;
use crate::tabular::{Parameters, Table};

/// Bytes of a body up to which a request is answered on the thread that received it.
const SMALL_BODY: usize = 16 << 10;
/// Rows up to which it is.
const FEW_ROWS: usize = 8;

/// What every request of a pipeline needs.
pub struct Context<'a> {
    pub pipeline: &'a str,
    pub spec: &'a ServeSpec,
    pub deployment: &'a Deployment,
    pub masking: &'a Masking,
    /// What rows are computed with that come without features.
    pub raw: Option<&'a Raw>,
    /// Whether there is, or will be, something to compute them with.
    pub has_rows: bool,
    /// Why there is nothing to compute them with, if it is known.
    pub no_rows: Option<String>,
}

/// A request for predictions as received.
pub struct PredictionRequest<'a> {
    /// The format of the body.
    pub sent: Format,
    /// The format that the answer shall have.
    pub accepted: Format,
    pub body: &'a [u8],
    /// The longest body that is accepted, in bytes.
    pub most_bytes: usize,
    /// The parameters of the address; a body in JSON has them itself.
    pub parameters: &'a [(String, String)],
    pub id: &'a str,
    pub received: Instant,
}

impl PredictionRequest<'_> {
    /// Whether the request is so small that handing it to another thread would cost more than answering it. A list of many keys
    /// is short, too, but would be read here for nothing.
    pub fn is_small(&self) -> bool {
        let has_many_keys = || {
            let keys = self.body.starts_with(b"{\"keys\"");
            keys && self.body.iter().filter(|byte| **byte == b',').count() >= FEW_ROWS
        };
        let is_json = self.sent == Format::Json && self.accepted == Format::Json;
        is_json && self.body.len() <= SMALL_BODY && !has_many_keys()
    }
}

/// An answered request.
pub struct Answer {
    /// The body of the answer.
    pub body: Vec<u8>,
    /// The arms that answered, with how many rows and for how long their model worked.
    pub by_arm: Vec<ArmWork>,
}

/// What one version did for a request.
pub struct ArmWork {
    pub name: Arc<str>,
    pub arm: Arc<Arm>,
    pub rows: usize,
    pub shadow: bool,
}

/// Microseconds of the parts of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    pub parse: u64,
    pub features: u64,
    pub model: u64,
}

/// Rows of a request that one version scores.
pub struct Part<'a> {
    pub named: &'a NamedArm,
    pub arm: &'a Arc<Arm>,
    /// Places of its rows in the request.
    rows: Vec<usize>,
    /// Rows in the stored features, for those asked by key.
    stored: Vec<Option<u32>>,
    values: Vec<f64>,
    /// The same numbers, once all rows are there.
    numbers: Numbers,
    /// All rows of the request as the version sees them, if they were computed at once.
    computed: Option<Vec<f64>>,
    /// Whether [`Part::computed`] was tried.
    tried: bool,
    shadow: bool,
}

/// Answers a request. `None`: the request is too large for a thread that serves the network; call again with `large` on one for blocking work. `log` gets the
/// lines for the journal, one per version that scored, once nothing can be refused any more: a disk that writes them does not wait
/// for the text of the answer.
///
/// Errors: see [`Refusal`].
pub fn answer(
    context: &Context<'_>,
    asked: &PredictionRequest<'_>,
    large: bool,
    log: &mut dyn FnMut(Vec<u8>),
) -> Result<Option<Answer>, Refusal> {
    let Context { spec, deployment, .. } = context;
    let PredictionRequest { body, id, received, .. } = *asked;
    let table;
    let request = match asked.sent {
        Format::Json => {
            Parameters::refuse(asked.parameters)?;
            read(body, spec.max_rows, spec.max_reasons)?
        }
        format => {
            let parameters = Parameters::read(asked.parameters, spec.max_reasons)?;
            table = Table::read(format, body, spec.max_rows, asked.most_bytes)?;
            table.request(&parameters, &deployment.arms[0].arm.manifest().entity)?
        }
    };
    // A request without rows would leave no line in the log.
    if request.rows.len() == 0 {
        return Err(no_rows().way_out("give at least one"));
    }
    if !large && (request.rows.len() > FEW_ROWS || request.reasons > 0 || matches!(request.rows, Rows::Raw(_))) {
        return Ok(None);
    }
    let parsed = Instant::now();
    let keys = keys_of(&request, deployment);
    let computed = match (&request.rows, context.raw) {
        (Rows::Raw(rows), Some(raw)) => Some(raw.features(rows)?),
        (Rows::Raw(_), None) if context.has_rows => {
            let why = context.no_rows.clone().unwrap_or_else(|| "the clean tables are not read yet".to_owned());
            return Err(Refusal::unavailable("no_rows", why).way_out("try again later, or give a key or features"));
        }
        (Rows::Raw(_), None) => {
            let message = "features of this pipeline are not those of rows";
            let refusal = Refusal::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "no_rows", message);
            return Err(refusal.way_out("give a key or features"));
        }
        _ => None,
    };
    let mut parts = parts(&request, &keys, computed.as_ref(), deployment, id)?;
    let prepared = Instant::now();
    let mut predicted = Vec::with_capacity(parts.len());
    let mut failed = None;
    parts.retain(|part| match guarded(|| score(part, &request)) {
        Ok(scored) => {
            predicted.push(scored);
            true
        }
        // A shadow that fails concerns only the log of the server.
        Err(refusal) if part.shadow => {
            tracing::warn!("serve {}: shadow '{}': {}", context.pipeline, part.named.name, refusal.message);
            false
        }
        // What the request gave cannot be scored: no version would have.
        Err(refusal) if !refusal.status.is_server_error() => {
            failed = Some(refusal);
            false
        }
        Err(refusal) => {
            part.arm.speed.answered(received.elapsed(), true);
            // The comparison of versions has to know which version failed.
            let key = part.rows.first().and_then(|row| keys[*row].as_ref());
            let by = Failed {
                arm: part.named.name.to_string(),
                version: part.arm.version_text.clone(),
                unit: request.unit.as_deref().map(|unit| context.masking.value("unit", unit.into())),
                key: key.map(|key| context.masking.key(&part.arm.manifest().entity, key.json())),
            };
            failed = Some(Refusal { failed: Some(Box::new(by)), ..refusal });
            false
        }
    });
    if let Some(refusal) = failed {
        return Err(refusal);
    }
    // Counted here, so that a version is known to be slow even if no client waited for its answer.
    for part in parts.iter().filter(|part| !part.shadow) {
        part.arm.speed.answered(received.elapsed(), false);
    }
    let us = |from: Instant, to: Instant| to.duration_since(from).as_micros() as u64;
    let scored_at = Instant::now();
    let times = Parts { parse: us(received, parsed), features: us(parsed, prepared), model: us(prepared, scored_at) };
    let count = request.rows.len();
    // Where each row's prediction is: of answering parts only.
    let mut places = vec![(0, 0); count];
    for (at, part) in parts.iter().enumerate().filter(|(_, part)| !part.shadow) {
        for (place, row) in part.rows.iter().enumerate() {
            places[*row] = (at, place);
        }
    }
    let body = AnswerBody {
        id,
        pipeline: context.pipeline,
        keys: &keys,
        places: &places,
        parts: &parts,
        predicted: &predicted,
    };
    // JSON can always be written.
    let table = match asked.accepted {
        Format::Json => None,
        format => Some(body.table(format)?),
    };
    // A row takes less time among others than alone.
    let mut lines = Vec::with_capacity(1024 + 192 * count);
    let time = record::now();
    for (part, scored) in parts.iter().zip(&predicted) {
        let line = record::Line {
            time: &time,
            request: id,
            unit: request.unit.as_deref(),
            entity: &part.arm.manifest().entity,
            arm: &part.named.name,
            version: &part.arm.version_text,
            way: match request.rows {
                Rows::Keys(_) => "key",
                Rows::Features(_) | Rows::Table(_) => "features",
                Rows::Raw(_) => "row",
            },
            shadow: part.shadow,
            times,
            scored_at,
        };
        let columns = record::Columns { masking: context.masking, signature: &part.arm.signature };
        let inputs = match &request.rows {
            Rows::Raw(rows) => Some(rows.as_slice()),
            _ => None,
        };
        match part.rows[..] {
            [row] => {
                let inputs = inputs.map(|inputs| &inputs[row]);
                let of_row = record::LineRow { row, key: keys[row].as_ref(), inputs, values: part.numbers.by_row() };
                line.write_one(&mut lines, &columns, &of_row, |out| {
                    answer_body::write_scores(out, part.arm, &scored.predicted, 0);
                });
            }
            _ => {
                let rows = block::Rows {
                    entity: line.entity,
                    places: &part.rows,
                    keys: &keys,
                    inputs,
                    values: &part.numbers,
                    predicted: &scored.predicted,
                    classes: part.arm.classes.as_deref(),
                };
                line.write_several(&mut lines, &columns, &rows);
            }
        }
    }
    log(lines);
    let body = table.unwrap_or_else(|| body.json());
    let by_arm = parts.iter().map(|part| ArmWork {
        name: part.named.name.clone(),
        arm: part.arm.clone(),
        rows: part.rows.len(),
        shadow: part.shadow,
    });
    let by_arm = by_arm.collect();
    Ok(Some(Answer { body, by_arm }))
}

/// The key of each row: the requested one, or what the row has in the entity's column.
fn keys_of<'a>(request: &Request<'a>, deployment: &Deployment) -> Vec<Option<Cell<'a>>> {
    let entity = &deployment.arms[0].arm.manifest().entity;
    let key = |key: &Cell<'a>| matches!(key, Cell::Text(_) | Cell::Int(_) | Cell::Unsigned(_)).then(|| key.clone());
    match &request.rows {
        Rows::Keys(keys) => keys.iter().cloned().map(Some).collect(),
        Rows::Features(rows) | Rows::Raw(rows) => rows
            .iter()
            .map(|Row(columns)| columns.iter().find(|(name, _)| name == entity).and_then(|(_, cell)| key(cell)))
            .collect(),
        Rows::Table(table) => match table.columns.iter().find(|(name, _)| name == entity) {
            Some((_, Values::Cells(cells))) => cells.iter().map(key).collect(),
            // Keys are never floats.
            Some((_, Values::Floats(_))) | None => vec![None; table.rows],
        },
    }
}

/// Text of a key, from which the arm is chosen. `buffer`: where a number is written.
fn text_of<'a>(key: &'a Cell<'_>, buffer: &'a mut [u8; 21]) -> std::borrow::Cow<'a, str> {
    match key {
        Cell::Text(text) => text.as_ref().into(),
        Cell::Int(number) => json::whole(*number, buffer).into(),
        Cell::Unsigned(number) => number.to_string().into(),
        _ => "".into(),
    }
}

/// Divides the rows among the versions that score them, with their numbers.
fn parts<'a>(
    request: &Request<'_>,
    keys: &[Option<Cell<'_>>],
    computed: Option<&DataFrame>,
    deployment: &'a Deployment,
    id: &str,
) -> Result<Vec<Part<'a>>, Refusal> {
    let mut parts: Vec<Part<'a>> = Vec::with_capacity(1 + deployment.shadows().len());
    let several = request.rows.len() > 1;
    for (row, key) in keys.iter().enumerate() {
        let (named, arm) = match deployment.only() {
            Some(only) => only,
            None => {
                let mut buffer = [0; 21];
                let key_text = key.as_ref().map(|key| text_of(key, &mut buffer));
                deployment.choose(request.unit.as_deref().or(key_text.as_deref()).unwrap_or(id))
            }
        };
        let chosen = std::iter::once((named, arm, false));
        let shadows = deployment.shadows().iter().map(|shadow| (shadow, &shadow.arm, true));
        for (named, arm, shadow) in chosen.chain(shadows) {
            let is_same = |part: &Part<'_>| Arc::ptr_eq(part.arm, arm) && Arc::ptr_eq(&part.named.name, &named.name);
            let at = match parts.iter().position(is_same) {
                Some(at) => at,
                None => {
                    let count = request.rows.len();
                    parts.push(Part {
                        named,
                        arm,
                        rows: Vec::with_capacity(count),
                        stored: Vec::with_capacity(count),
                        values: Vec::with_capacity(count * arm.signature.width()),
                        numbers: Numbers::default(),
                        computed: None,
                        tried: false,
                        shadow,
                    });
                    parts.len() - 1
                }
            };
            let part = &mut parts[at];
            let filled = fill(part, request, computed, row);
            match filled {
                Ok(stored) => {
                    part.rows.push(row);
                    part.stored.push(stored);
                }
                // A shadow that does not understand the request does not fail it.
                Err(_) if shadow => {
                    let width = part.arm.signature.width();
                    part.values.truncate(part.rows.len() * width);
                }
                Err(refusal) => return Err(if several { refusal.at_row(row) } else { refusal }),
            }
        }
    }
    parts.retain(|part| !part.rows.is_empty());
    for part in &mut parts {
        part.numbers = Numbers::new(part.arm.signature.width(), std::mem::take(&mut part.values));
    }
    Ok(parts)
}

/// Appends the numbers of a row; gives its place among the stored ones if it was found there.
fn fill(
    part: &mut Part<'_>,
    request: &Request<'_>,
    computed: Option<&DataFrame>,
    row: usize,
) -> Result<Option<u32>, Refusal> {
    match &request.rows {
        Rows::Keys(keys) => {
            let stored = part.arm.stored.as_ref().ok_or_else(|| {
                Refusal::not_found("this pipeline has no stored features").way_out("give the features of the row")
            })?;
            let place = stored.find(&keys[row])?;
            part.values.extend_from_slice(stored.values(place));
            Ok(Some(place))
        }
        Rows::Features(rows) => {
            part.arm.signature.encode(&rows[row].0, &mut part.values)?;
            Ok(None)
        }
        Rows::Table(table) => {
            if !std::mem::replace(&mut part.tried, true) {
                part.computed = part.arm.signature.encode_table(table);
            }
            match &part.computed {
                Some(values) => {
                    let width = part.arm.signature.width();
                    part.values.extend_from_slice(&values[row * width..(row + 1) * width]);
                }
                // A row is refused: alone it shows what is wrong with it.
                None => part.arm.signature.encode(&table.row(row).0, &mut part.values)?,
            }
            Ok(None)
        }
        Rows::Raw(_) => {
            let Some(computed) = computed else { return Ok(None) };
            part.arm.signature.check_categories(computed, row)?;
            if part.computed.is_none() {
                let matrix = part.arm.scorer.matrix_of(computed).map_err(Refusal::of_row)?;
                part.computed = Some(matrix.row_major(0..matrix.rows()));
            }
            let width = part.arm.signature.width();
            let values = part.computed.as_deref().unwrap_or_default();
            part.values.extend_from_slice(&values[row * width..(row + 1) * width]);
            Ok(None)
        }
    }
}

/// No column of real data holds numbers of this size.
const HUGE: f64 = 1e100;

/// The first row of a request whose score is not finite because one of its values is too large for that. Without such a
/// value, the version is at fault.
fn beyond(part: &Part<'_>, request: &Request<'_>) -> Option<Refusal> {
    let width = part.numbers.width();
    let is_beyond = |values: &[f64]| {
        let row = || Numbers::new(width, values.to_vec());
        values.iter().any(|value| value.abs() >= HUGE)
            && part.arm.scorer.predict_values(&row()).is_err_and(|error| error.class() == spec::Class::Refused)
    };
    let place = part.numbers.by_row().chunks(width).position(is_beyond)?;
    let message = "the score of the row is not a finite number";
    let refusal = Refusal::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "out_of_range", message)
        .way_out("one of its values is far beyond those that the model learned from");
    Some(if request.rows.len() > 1 { refusal.at_row(part.rows[place]) } else { refusal })
}

/// The scores of a version for its rows.
pub struct Scored {
    pub predicted: Predicted,
    pub reasons: Option<Vec<Vec<String>>>,
}

/// A panic while a version scores is that version's failure.
fn guarded<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(panicked(payload.as_ref())))
}

fn score(part: &Part<'_>, request: &Request<'_>) -> Result<Scored, Refusal> {
    let scorer = &part.arm.scorer;
    let predicted = match (scorer.predict_values(&part.numbers), &request.rows) {
        (Ok(predicted), _) => predicted,
        (Err(error), Rows::Keys(_)) => return Err(error.into()),
        (Err(error), _) => return Err(beyond(part, request).unwrap_or_else(|| error.into())),
    };
    let reasons = match request.reasons {
        0 => None,
        _ if part.shadow => None,
        count => {
            let matrix = scorer.matrix(&part.numbers)?;
            let unseen = |row: usize, feature: usize| {
                let stored = part.arm.stored.as_ref()?;
                stored.unseen(part.stored[row]?, feature).map(str::to_owned)
            };
            scorer.reasons_of(&matrix, &unseen, count)?
        }
    };
    Ok(Scored { predicted, reasons })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_keys_are_not_read_where_they_are_not_answered() {
        let is_small = |body: &str| {
            let asked = PredictionRequest {
                sent: Format::Json,
                accepted: Format::Json,
                body: body.as_bytes(),
                most_bytes: 1 << 20,
                parameters: &[],
                id: "r",
                received: Instant::now(),
            };
            asked.is_small()
        };
        let keys = |count: usize| format!("{{\"keys\": {:?}}}", vec![7; count]);
        assert!(is_small(&keys(FEW_ROWS)) && !is_small(&keys(FEW_ROWS + 1)));
        let row = (0..300).map(|at| format!("\"f{at}\": {at}")).collect::<Vec<_>>().join(", ");
        assert!(is_small(&format!("{{\"features\": {{{row}}}}}")), "a single row of many columns");
        assert!(!is_small(&" ".repeat(SMALL_BODY + 1)));
    }
}
