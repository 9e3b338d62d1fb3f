//! Structs and lists in Parquet: dotted paths into structs, lists whose elements are rows, and both as JSON text.

use polars::prelude::*;
use spec::{Error, Result, did_you_mean};

use artifact::{PolarsResultExt, type_name};

use crate::http::tree::Explode;

/// The column at a dotted path, and its type. A name may itself hold dots: the longest that there is counts.
pub(crate) fn find(schema: &Schema, path: &str) -> Option<(Expr, DataType)> {
    if let Some(dtype) = schema.get(path) {
        return Some((col(path), dtype.clone()));
    }
    let (column, rest) = cuts(path).find(|(column, _)| schema.contains(column))?;
    let mut found = (col(column), schema.get(column)?.clone());
    let mut rest = rest;
    while !rest.is_empty() {
        let DataType::Struct(fields) = &found.1 else { return None };
        let field = |name: &str| fields.iter().find(|field| field.name() == name);
        let (name, behind) = match field(rest) {
            Some(_) => (rest, ""),
            None => cuts(rest).find(|(name, _)| field(name).is_some())?,
        };
        let dtype = field(name)?.dtype().clone();
        found = (found.0.struct_().field_by_name(name), dtype);
        rest = behind;
    }
    Some(found)
}

/// Every way to cut a path in two, the longest beginning first.
fn cuts(path: &str) -> impl Iterator<Item = (&str, &str)> {
    path.rmatch_indices('.').map(|(dot, _)| (&path[..dot], &path[dot + 1..]))
}

/// The paths of columns and of the fields of structs, for errors.
fn paths(schema: &Schema) -> Vec<String> {
    let mut paths = Vec::new();
    for (name, dtype) in schema.iter() {
        paths.push(name.to_string());
        if let DataType::Struct(fields) = dtype {
            paths.extend(fields.iter().map(|field| format!("{name}.{}", field.name())));
        }
    }
    paths
}

/// The error for a path that leads nowhere.
pub(crate) fn missing(schema: &Schema, path: &str, shown: &str) -> Error {
    let mut paths = paths(schema);
    // The path is right up to here, and wrong after it.
    if let Some((outer, _)) = path.rsplit_once('.') {
        let beside = format!("{outer}.");
        if paths.iter().any(|known| known.starts_with(&beside)) {
            paths.retain(|known| known.starts_with(&beside));
        }
    }
    Error::cannot_run(format!("{shown}: no column '{path}'")).hint(did_you_mean(path, paths.iter().map(String::as_str)))
}

/// The rows of `plan` with one for each element of the lists at the paths; an empty list and null make one without an element.
pub(crate) fn exploded(mut plan: LazyFrame, explode: &Explode, shown: &str) -> Result<LazyFrame> {
    for path in &explode.0 {
        let name = path.to_string();
        let schema = plan.collect_schema().during(shown)?;
        let (column, dtype) = find(&schema, &name).ok_or_else(|| missing(&schema, &name, shown))?;
        if !matches!(dtype, DataType::List(_)) {
            return Err(Error::cannot_run(format!(
                "{shown}: column '{name}' is {}, and 'explode' is for lists",
                type_name(&dtype)
            ))
            .hint("take it out of 'explode'"));
        }
        if !schema.contains(&name) {
            plan = plan.with_column(column.alias(name.as_str()));
        }
        let options = ExplodeOptions { empty_as_null: true, keep_nulls: true };
        plan = plan.explode(by_name([name.as_str()], true, false), options);
    }
    Ok(plan)
}

/// Whether values have parts, all of which JSON can hold.
pub(crate) fn has_json(dtype: &DataType) -> bool {
    fn holds_bytes(dtype: &DataType) -> bool {
        match dtype {
            DataType::List(inner) | DataType::Array(inner, _) => holds_bytes(inner),
            DataType::Struct(fields) => fields.iter().any(|field| holds_bytes(field.dtype())),
            other => matches!(other, DataType::Binary | DataType::BinaryOffset),
        }
    }
    matches!(dtype, DataType::List(_) | DataType::Struct(_) | DataType::Array(..)) && !holds_bytes(dtype)
}

/// Values with parts as JSON text.
pub(crate) fn as_json(column: &Series) -> PolarsResult<Series> {
    let mut texts = StringChunkedBuilder::new(column.name().clone(), column.len());
    let mut text = String::new();
    for value in column.rechunk().iter() {
        text.clear();
        match value {
            AnyValue::Null => texts.append_null(),
            value => {
                write(&value, &mut text)?;
                texts.append_value(&text);
            }
        }
    }
    Ok(texts.finish().into_series())
}

fn write(value: &AnyValue<'_>, out: &mut String) -> PolarsResult<()> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        AnyValue::Null => out.push_str("null"),
        AnyValue::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        AnyValue::Float64(number) if number.is_finite() => out.push_str(&serde_json::Value::from(*number).to_string()),
        // As its own digits, not as those of the nearest float64.
        AnyValue::Float32(number) if number.is_finite() => out.push_str(&number.to_string()),
        // JSON knows neither NaN nor infinity.
        AnyValue::Float64(number) => out.push_str(&quoted(&number.to_string())),
        AnyValue::Float32(number) => out.push_str(&quoted(&number.to_string())),
        AnyValue::List(values) | AnyValue::Array(values, _) => {
            out.push('[');
            for (at, value) in values.rechunk().iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(&value, out)?;
            }
            out.push(']');
        }
        AnyValue::Struct(_, _, fields) => members(fields.iter().zip(value._iter_struct_av()), out)?,
        AnyValue::StructOwned(parts) => members(parts.1.iter().zip(parts.0.iter().cloned()), out)?,
        AnyValue::Binary(_) | AnyValue::BinaryOwned(_) => {
            polars_bail!(ComputeError: "bytes within a list or a struct");
        }
        number if value.is_primitive_numeric() => out.push_str(&number.to_string()),
        other => out.push_str(&quoted(&match other.get_str() {
            Some(text) => text.to_owned(),
            None => plain(other)?,
        })),
    }
    Ok(())
}

/// Days and timestamps as anywhere else, also those that no calendar has.
fn plain(value: &AnyValue<'_>) -> PolarsResult<String> {
    let one = Series::from_any_values(PlSmallStr::EMPTY, std::slice::from_ref(value), true)?;
    let text = values::text_of(&one);
    let text = text.as_ref().map(|text| text.str()).transpose()?.and_then(|text| text.get(0));
    Ok(text.map_or_else(|| value.to_string(), str::to_owned))
}

fn members<'a, 'v>(members: impl Iterator<Item = (&'a Field, AnyValue<'v>)>, out: &mut String) -> PolarsResult<()> {
    out.push('{');
    for (at, (field, value)) in members.enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(field.name().as_str()).to_string());
        out.push(':');
        write(&value, out)?;
    }
    out.push('}');
    Ok(())
}
