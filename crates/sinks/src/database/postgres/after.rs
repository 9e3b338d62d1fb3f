//! Triggers that run after a row is stored: the statement that stores it returns it as it was before them. Only where a table
//! has triggers, its rows are looked up once more, on the server, and compared with those that were staged.

use postgresql::quoted;
use spec::{Error, Result};

use super::{STAGING, Target, said, sql_type};
use crate::Mode;

/// Whether a table, or a part of it, has triggers that are on; `$1` is its name.
const TRIGGERS: &str = "WITH RECURSIVE parts AS (SELECT to_regclass($1)::oid AS part UNION SELECT inhrelid FROM pg_inherits \
                        JOIN parts ON inhparent = part) SELECT EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid IN \
                        (SELECT part FROM parts) AND NOT tgisinternal AND tgenabled <> 'D')";

impl Target<'_> {
    /// Compares the rows with those that were staged once all triggers have run.
    ///
    /// # Errors
    /// Refused: a row is not there as it was sent.
    pub(super) async fn check_after_triggers(&self, types: &[String]) -> Result<()> {
        let (load, table) = (self.load, &self.names.table);
        let found = self.client.query_one(TRIGGERS, &[table]).await.map_err(|error| said(&error))?;
        if !found.get::<_, bool>(0) {
            return Ok(());
        }
        // Triggers may wait for the end of the transaction.
        self.run("SET CONSTRAINTS ALL IMMEDIATE").await?;
        let pairs = || load.fields.iter().zip(types);
        let back: Vec<String> =
            pairs().map(|(field, _)| format!("t.{}::{}", quoted(&field.name), sql_type(field.of))).collect();
        let which = match load.database.mode {
            Mode::Replace => String::new(),
            Mode::Upsert => {
                let keys = pairs().filter(|(field, _)| load.is_key(field));
                let same = keys.map(|(field, of)| format!("t.{0} = s.{0}::{of}", quoted(&field.name)));
                format!(" JOIN {STAGING} s ON {}", same.collect::<Vec<_>>().join(" AND "))
            }
            Mode::Append => self.of_this_transaction().await?.to_owned(),
        };
        let sql = format!(
            "SELECT count(*) FROM (SELECT {} FROM {STAGING} EXCEPT ALL SELECT {} FROM {table} t{which}) missing",
            load.columns(quoted),
            back.join(", ")
        );
        let missing = self.client.query_one(&sql, &[]).await.map_err(|error| said(&error))?.get::<_, i64>(0);
        match missing {
            0 => Ok(()),
            missing => {
                let rows = spec::text::count(missing as u64, "row");
                Err(Error::refused(format!("triggers changed or removed {rows} of those delivered"))
                    .hint("look for triggers of the table that run after a row is stored; nothing was delivered"))
            }
        }
    }

    /// Limits the rows of a table to those that this transaction wrote. Views have no such mark.
    async fn of_this_transaction(&self) -> Result<&'static str> {
        let sql = "SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = to_regclass($1)";
        let row = self.client.query_one(sql, &[&self.names.table]).await.map_err(|error| said(&error))?;
        // Ages count from the transaction at work; those of its parts are below 0.
        Ok(if row.get(0) { " WHERE age(t.xmin) <= 0" } else { "" })
    }
}
