//! Where the results of a pipeline are: in memory, from files, or in a table of PostgreSQL.

use std::sync::Arc;

use polars::prelude::{DataFrame, Schema};

use super::query::Query;
use super::relation::{Relation, none_of};
use super::table::{Page, Results};
use crate::app::App;
use crate::refusal::Refusal;
use crate::results_routes::computed;

/// The results of a pipeline.
#[derive(Clone)]
pub enum Source {
    Files(Arc<Results>),
    Postgres(Arc<Relation>),
}

/// What a source has of what was asked.
pub struct Answer {
    pub page: Page,
    pub query: Query,
    pub schema: Arc<Schema>,
    /// The column of the key.
    pub entity: String,
    /// Rows without any filter.
    pub all: usize,
}

impl Source {
    /// The hash of what the source holds, where that is known without asking.
    pub fn content(&self) -> Option<&str> {
        match self {
            Source::Files(results) => Some(&results.content),
            Source::Postgres(_) => None,
        }
    }

    /// Where the rows come from: paths of artifacts, or a table.
    pub fn places(&self) -> Vec<String> {
        match self {
            Source::Files(results) => results.snapshot.paths.iter().map(|path| path.display().to_string()).collect(),
            Source::Postgres(relation) => vec![relation.shown().to_owned()],
        }
    }

    /// The page that these parameters ask for, of at most so many rows.
    pub async fn page(&self, app: &App, parameters: &[(String, String)], most: usize) -> Result<Answer, Refusal> {
        match self {
            Source::Files(results) => {
                let query = Query::read(parameters, results.schema(), most)?;
                let results = results.clone();
                computed(app, move || {
                    let page = results.page(&query)?;
                    let (entity, all) = (results.entity.clone(), results.rows.height());
                    Ok(Answer { page, query, schema: Arc::new(results.schema().clone()), entity, all })
                })
                .await
            }
            Source::Postgres(relation) => relation.page(parameters, most).await,
        }
    }

    /// The columns, and which of them is the key.
    pub async fn columns(&self, app: &App) -> Result<(Arc<Schema>, String), Refusal> {
        match self {
            Source::Files(results) => Ok((Arc::new(results.schema().clone()), results.entity.clone())),
            Source::Postgres(_) => {
                let one = [("per_page".to_owned(), "1".to_owned())];
                self.page(app, &one, 1).await.map(|answer| (answer.schema, answer.entity))
            }
        }
    }

    /// The rows of a key, none if it has none, and the column of the key.
    ///
    /// Errors (404): the column has a type that the key is not a value of.
    pub async fn of_key(&self, key: &str) -> Result<(DataFrame, String), Refusal> {
        match self {
            Source::Files(results) => Ok((results.of_key(key)?, results.entity.clone())),
            Source::Postgres(relation) => relation.of_key(key).await.map(|answer| (answer.page.rows, answer.entity)),
        }
    }

    /// As [`Source::of_key`].
    ///
    /// Errors (404): the key has no rows.
    pub async fn of_known_key(&self, key: &str) -> Result<DataFrame, Refusal> {
        let (rows, entity) = self.of_key(key).await?;
        if rows.height() == 0 { Err(none_of(&entity, key)) } else { Ok(rows) }
    }
}
