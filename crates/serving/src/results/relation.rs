//! Results in a table of PostgreSQL: asked there, with the same questions and the same answers as those in files.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact::PolarsResultExt;
use axum::http::StatusCode;
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Schema, Series, TimeUnit};
use postgresql::{Address, in_words, quoted};
use spec::{Error, Result, Root};
use tokio_postgres::types::{Kind as TypeKind, ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::query::{Bound, Filter, Query, Test};
use super::source::Answer;
use super::table::Page;
use crate::refusal::Refusal;
use crate::spec::PostgresSpec;

/// Connections that are kept open between requests.
const KEPT: usize = 8;
/// A question that takes longer is not answered.
const LONGEST: Duration = Duration::from_secs(25);

/// A table of a database, and how to reach it.
pub struct Relation {
    address: Address,
    /// As SQL has it, quoted.
    from: String,
    shown: String,
    key: Option<String>,
    idle: Mutex<Vec<Client>>,
}

/// A column as the server has it.
#[derive(Clone, Debug)]
pub struct Field {
    name: String,
    kind: Kind,
}

/// How values of a type are selected, compared and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Float32,
    Float64,
    /// With every digit: as text here, as a number there.
    Numeric,
    Date,
    Timestamp,
    /// A timestamp.
    TimestampTz,
    Text,
    /// A type that is shown as text, and has no order here: that of its texts would be another than the server's.
    Other,
}

impl Kind {
    fn of(server: &Type) -> Kind {
        // A type with conditions of its own is compared like the one that it is made of.
        if let TypeKind::Domain(inner) = server.kind() {
            return Kind::of(inner);
        }
        match *server {
            Type::BOOL => Kind::Bool,
            Type::INT2 | Type::INT4 | Type::INT8 => Kind::Int,
            Type::FLOAT4 => Kind::Float32,
            Type::FLOAT8 => Kind::Float64,
            Type::NUMERIC => Kind::Numeric,
            Type::DATE => Kind::Date,
            Type::TIMESTAMP => Kind::Timestamp,
            Type::TIMESTAMPTZ => Kind::TimestampTz,
            // As texts, UUIDs are in the order that the server has them in.
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UUID => Kind::Text,
            _ => Kind::Other,
        }
    }

    fn dtype(self) -> DataType {
        match self {
            Kind::Bool => DataType::Boolean,
            Kind::Int => DataType::Int64,
            Kind::Float32 => DataType::Float32,
            Kind::Float64 => DataType::Float64,
            Kind::Numeric => DataType::Decimal(38, 0),
            Kind::Date => DataType::Date,
            Kind::Timestamp | Kind::TimestampTz => DataType::Datetime(TimeUnit::Microseconds, None),
            Kind::Text | Kind::Other => DataType::String,
        }
    }

    /// The column in the list of a `SELECT`.
    fn selected(self, name: &str) -> String {
        match self {
            Kind::Bool | Kind::Float32 | Kind::Float64 => name.to_owned(),
            Kind::Int => format!("{name}::int8"),
            Kind::Numeric | Kind::Text | Kind::Other => format!("{name}::text"),
            Kind::Date => format!("({name} - DATE '1970-01-01')::int4"),
            Kind::Timestamp | Kind::TimestampTz => format!("(EXTRACT(EPOCH FROM {name}) * 1000000)::int8"),
        }
    }

    /// The column where it is compared or ordered. Texts go by their bytes, as in files, and not by a language's order.
    fn compared(self, name: &str) -> String {
        match self {
            Kind::Text | Kind::Other => format!("{name}::text COLLATE \"C\""),
            Kind::Int => format!("{name}::int8"),
            // NaN is missing, as in files.
            Kind::Float32 => format!("NULLIF({name}::float4, 'NaN')"),
            Kind::Float64 => format!("NULLIF({name}::float8, 'NaN')"),
            Kind::Numeric => format!("NULLIF({name}, 'NaN')"),
            _ => name.to_owned(),
        }
    }

    fn column(self, name: &str, rows: &[Row], at: usize) -> std::result::Result<Column, tokio_postgres::Error> {
        fn all<'a, T: tokio_postgres::types::FromSql<'a>>(
            rows: &'a [Row],
            at: usize,
        ) -> std::result::Result<Vec<Option<T>>, tokio_postgres::Error> {
            rows.iter().map(|row| row.try_get(at)).collect()
        }
        let name = name.into();
        Ok(match self {
            Kind::Bool => Series::new(name, all::<bool>(rows, at)?),
            Kind::Int | Kind::Timestamp | Kind::TimestampTz => Series::new(name, all::<i64>(rows, at)?),
            Kind::Float32 => Series::new(name, all::<f32>(rows, at)?),
            Kind::Float64 => Series::new(name, all::<f64>(rows, at)?),
            Kind::Date => Series::new(name, all::<i32>(rows, at)?),
            Kind::Numeric | Kind::Text | Kind::Other => Series::new(name, all::<String>(rows, at)?),
        }
        .into_column())
    }
}

/// A column of the table. By its bare name `ORDER BY` would take the one of the answer, which may be a text.
fn column_of_table(name: &str) -> String {
    format!("the_table.{}", quoted(name))
}

/// What a query binds, in order.
type Bounds = Vec<Box<dyn ToSql + Sync + Send>>;

impl Relation {
    /// Errors: an address that cannot be read. Nothing is connected yet.
    pub fn new(spec: &PostgresSpec, root: &Root) -> Result<Relation> {
        let mut address = Address::new(&spec.url, root)?;
        let options = format!("-c statement_timeout={}", LONGEST.as_millis());
        address.config.options(&options);
        let from = spec.table.split('.').map(quoted).collect::<Vec<_>>().join(".");
        let shown = format!("{}/{}", address.shown(), spec.table);
        Ok(Relation { address, from, shown, key: spec.key.clone(), idle: Mutex::default() })
    }

    /// The address without user and password, and the table.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    fn failed(&self, error: &tokio_postgres::Error) -> Refusal {
        let error = in_words(error, "results.postgres").context(&self.shown);
        tracing::warn!("serve: {error}");
        let refusal = Refusal::unavailable("database", "the database of the results cannot be queried now");
        refusal.way_out("try again later; the server's log has the cause")
    }

    async fn client(&self) -> std::result::Result<Client, Refusal> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match kept {
                Some(client) if client.is_closed() => {}
                Some(client) => return Ok(client),
                None => break,
            }
        }
        postgresql::connect(&self.address).await.map_err(|error: Error| {
            tracing::warn!("serve: {}", error.context(&self.shown));
            let refusal = Refusal::unavailable("database", "the database of the results cannot be reached");
            refusal.way_out("try again later; the server's log has the cause")
        })
    }

    fn keep(&self, client: Client) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(client);
        }
    }

    /// The columns now, because a delivery may add one; and whether rows have places (those of views have none).
    async fn fields(
        &self,
        transaction: &Transaction<'_>,
    ) -> std::result::Result<(Vec<Field>, bool), tokio_postgres::Error> {
        let statement = transaction.prepare(&format!("SELECT * FROM {}", self.from)).await?;
        let columns = statement.columns().iter();
        let fields = columns.map(|column| Field { name: column.name().to_owned(), kind: Kind::of(column.type_()) });
        let kind = "SELECT relkind IN ('r', 'm', 'p') FROM pg_class WHERE oid = $1::text::regclass";
        let has_places = transaction.query_one(kind, &[&self.from]).await?.try_get(0)?;
        Ok((fields.collect(), has_places))
    }

    /// Queries within one snapshot of the database, so that a count and its rows belong together.
    async fn ask(&self, question: Question<'_>) -> std::result::Result<Answer, Refusal> {
        let mut client = self.client().await?;
        let answered = self.asked(&mut client, question).await;
        // After an error of the connection another one is made; any other error leaves it usable.
        if !client.is_closed() {
            self.keep(client);
        }
        answered
    }

    async fn asked(&self, client: &mut Client, question: Question<'_>) -> std::result::Result<Answer, Refusal> {
        let failed = |error: tokio_postgres::Error| self.failed(&error);
        let begun = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let transaction = begun.start().await.map_err(failed)?;
        let (fields, has_places) = self.fields(&transaction).await.map_err(failed)?;
        let schema: Schema = fields.iter().map(|field| (field.name.as_str().into(), field.kind.dtype())).collect();
        let entity = match &self.key {
            Some(key) => key.clone(),
            None => fields.first().map(|field| field.name.clone()).unwrap_or_default(),
        };
        let query = match question {
            Question::Page(parameters, most) => Query::read(parameters, &schema, most)?,
            Question::Key(key) => Query::of_key(&entity, key, &schema)?,
        };
        let unordered = |name: &str| fields.iter().any(|field| field.name == name && field.kind == Kind::Other);
        if let Some((name, _)) = query.sort.as_ref().filter(|(name, _)| unordered(name)) {
            return Err(no_order(name));
        }
        let all = count(&transaction, &self.from, "", &[]).await.map_err(failed)?;
        let (condition, bounds) = condition(&query.filters, &fields, &schema)?;
        let references: Vec<&(dyn ToSql + Sync)> = bounds.iter().map(|bound| &**bound as &(dyn ToSql + Sync)).collect();
        let total = match condition.is_empty() {
            true => all,
            false => count(&transaction, &self.from, &condition, &references).await.map_err(failed)?,
        };
        let chosen: Vec<&Field> =
            query.fields.iter().filter_map(|name| fields.iter().find(|field| field.name == *name)).collect();
        let columns: Vec<String> =
            chosen.iter().map(|field| field.kind.selected(&column_of_table(&field.name))).collect();
        let statement = format!(
            "SELECT {} FROM {} AS the_table{condition}{} LIMIT {} OFFSET {}",
            columns.join(", "),
            self.from,
            order(&query, &fields, &entity, has_places),
            query.per_page,
            query.page.saturating_sub(1).saturating_mul(query.per_page).min(i64::MAX as usize)
        );
        let rows = transaction.query(&statement, &references).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        let columns = chosen.iter().enumerate().map(|(at, field)| {
            let column = field.kind.column(&field.name, &rows, at).map_err(failed)?;
            let dtype = match field.kind {
                // Its digits are in a text.
                Kind::Numeric => return Ok(column),
                kind => kind.dtype(),
            };
            Ok(column.cast(&dtype).during(&field.name)?)
        });
        let columns = columns.collect::<std::result::Result<Vec<Column>, Refusal>>()?;
        let rows = DataFrame::new(rows.len(), columns).during("results")?;
        Ok(Answer { page: Page { rows, total }, query, schema: Arc::new(schema), entity, all })
    }

    /// The page that these parameters ask for.
    pub async fn page(&self, parameters: &[(String, String)], most: usize) -> std::result::Result<Answer, Refusal> {
        self.ask(Question::Page(parameters, most)).await
    }

    /// The rows of a key; none if it has none.
    pub async fn of_key(&self, key: &str) -> std::result::Result<Answer, Refusal> {
        self.ask(Question::Key(key)).await
    }
}

enum Question<'a> {
    Page(&'a [(String, String)], usize),
    Key(&'a str),
}

async fn count(
    transaction: &Transaction<'_>,
    from: &str,
    condition: &str,
    bounds: &[&(dyn ToSql + Sync)],
) -> std::result::Result<usize, tokio_postgres::Error> {
    let row = transaction.query_one(&format!("SELECT count(*) FROM {from} AS the_table{condition}"), bounds).await?;
    Ok(usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default())
}

/// The order of the rows: missing values last, and equal ones always in the same order, so that pages neither repeat nor miss
/// a row.
fn order(query: &Query, fields: &[Field], entity: &str, has_places: bool) -> String {
    let by = |name: &str, falls: bool| {
        let field = fields.iter().find(|field| field.name == name)?;
        let way = if falls { "DESC" } else { "ASC" };
        Some(format!("{} {way} NULLS LAST", field.kind.compared(&column_of_table(name))))
    };
    let asked = query.sort.as_ref().and_then(|(name, falls)| by(name, *falls));
    let place = has_places.then(|| "the_table.ctid".to_owned());
    let all: Vec<String> = asked.into_iter().chain(by(entity, false)).chain(place).collect();
    format!(" ORDER BY {}", all.join(", "))
}

/// The filters as a condition. Values are bound as parameters, never part of the text.
fn condition(filters: &[Filter], fields: &[Field], schema: &Schema) -> std::result::Result<(String, Bounds), Refusal> {
    let (mut parts, mut bounds): (Vec<String>, Bounds) = (Vec::new(), Vec::new());
    for filter in filters {
        let Some(field) = fields.iter().find(|field| field.name == filter.column) else { continue };
        if filter.value.contains('\0') {
            let refusal =
                Refusal::wrong("wrong_value", &filter.column, "no text in the database holds the character U+0000");
            return Err(refusal);
        }
        let is_equality = matches!(filter.test, Test::Eq | Test::Ne | Test::Contains | Test::Null);
        if field.kind == Kind::Other && !is_equality {
            return Err(no_order(&field.name));
        }
        let name = column_of_table(&field.name);
        let column = field.kind.compared(&name);
        let place = bounds.len() + 1;
        let sign = match filter.test {
            Test::Eq => "=",
            Test::Ne => "<>",
            Test::Lt => "<",
            Test::Le => "<=",
            Test::Gt => ">",
            Test::Ge => ">=",
            Test::Contains | Test::Null => "",
        };
        match filter.bound(schema)? {
            Bound::Null(is_null) => parts.push(format!("{column} IS {}NULL", if is_null { "" } else { "NOT " })),
            Bound::Contains(text) => {
                parts.push(format!("position(lower(${place}::text) IN lower({name}::text)) > 0"));
                bounds.push(Box::new(text));
            }
            Bound::Text(text) => {
                parts.push(format!("{column} {sign} ${place}::text"));
                bounds.push(Box::new(text));
            }
            Bound::Bool(value) => {
                parts.push(format!("{column} {sign} ${place}::bool"));
                bounds.push(Box::new(value));
            }
            Bound::Int(value) => {
                parts.push(format!("{column} {sign} ${place}::int8"));
                bounds.push(Box::new(value));
            }
            // The digits that were written: no number of another base comes in between.
            Bound::Float(_) if field.kind == Kind::Numeric => {
                parts.push(format!("{column} {sign} ${place}::text::numeric"));
                bounds.push(Box::new(filter.value.trim().to_owned()));
            }
            Bound::Unsigned(value) => {
                parts.push(format!("{column} {sign} ${place}::text::numeric"));
                bounds.push(Box::new(value.to_string()));
            }
            Bound::Float(value) if field.kind == Kind::Float32 => {
                parts.push(format!("{column} {sign} ${place}::float4"));
                bounds.push(Box::new(value as f32));
            }
            Bound::Float(value) => {
                parts.push(format!("{column} {sign} ${place}::float8"));
                bounds.push(Box::new(value));
            }
            Bound::Day(day) => {
                parts.push(format!("{column} {sign} DATE '1970-01-01' + ${place}::int4"));
                bounds.push(Box::new(day));
            }
            Bound::Moment(micros) => {
                let zero = if field.kind == Kind::TimestampTz {
                    "TIMESTAMPTZ '1970-01-01Z'"
                } else {
                    "TIMESTAMP '1970-01-01'"
                };
                parts.push(format!("{column} {sign} {zero} + ${place}::int8 * INTERVAL '1 microsecond'"));
                bounds.push(Box::new(micros));
            }
        }
    }
    match parts.is_empty() {
        true => Ok((String::new(), bounds)),
        false => Ok((format!(" WHERE {}", parts.join(" AND ")), bounds)),
    }
}

fn no_order(name: &str) -> Refusal {
    Refusal::wrong("no_order", name, format!("column '{name}' has a type without an order here"))
        .way_out("compare it with eq, ne, contains or null, or sort by another column")
}

/// A table that has no row of what is requested.
pub fn none_of(entity: &str, key: &str) -> Refusal {
    let message = format!("no '{entity}' is '{}' in the newest results", spec::text::cut(key, 100));
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "not_found", message);
    Refusal { column: Some(entity.to_owned()), ..refusal }.value(key)
}
