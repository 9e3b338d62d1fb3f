//! From the spec and the tables' columns to a checked plan.

use std::collections::BTreeMap;

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{DataType, Schema};
use spec::{Error, Result, ResultExt, did_you_mean};

use super::late::MOST_LATE;
use super::plan::{Earlier, How, Near, NearWhat, Op, Open, RowsPlan};
use super::spec::{CountWithin, DISTANCE, Lookup, Names, Nearest, Past, RowFeature, RowSpec, Score};
use crate::as_of::ByKey;
use crate::clock::Clock;
use crate::known::{Knowledge, Known, known_at_name};
use expr::RowExpr;
use values::form::{Form, Kind, kind_name, nanoseconds};

impl RowsPlan {
    /// Checks `spec` against the tables.
    ///
    /// Errors (cannot run): unknown tables and columns, each with its nearest neighbour; columns of an unfit type;
    /// features of the row itself that read the label.
    pub fn new(spec: &RowSpec, open: Open) -> Result<RowsPlan> {
        let table = spec.table.to_string();
        let schema = open(&table)?.collect_schema().during(format!("table '{table}'"))?;
        let place = format!("table '{table}'");
        let time_type = dtype_of(&schema, &spec.time, &format!("{place}: 'time'"))?;
        let label_sql = spec.label.is.sql().clone();
        let mut plan = RowsPlan {
            clock: Clock::of(&time_type, &spec.time, spec.zone)?,
            key: spec.key.clone(),
            time: spec.time.clone(),
            time_type,
            label_known: spec.label.known(),
            label_known_at: None,
            known: Knowledge::default(),
            label: spec.label.name.clone(),
            hidden: spec.label.known_with.clone().unwrap_or_else(|| label_sql.sql().columns()),
            label_sql,
            rows: spec.rows.filter.clone(),
            score: spec.score.clone(),
            features: Vec::new(),
            needs: BTreeMap::new(),
            names: schema.iter_names().map(ToString::to_string).collect(),
            of_earlier_rows: Vec::new(),
            schemas: BTreeMap::from([(table.clone(), schema)]),
            table,
        };
        plan.read_own(&spec.time, "'time'")?;
        if let Some(key) = &spec.key {
            plan.read_own(key, "'key'")?;
        }
        for provenance in [artifact::FILE, artifact::ROW] {
            if plan.schemas[&plan.table].contains(provenance) {
                plan.read_own(provenance, "provenance")?;
            }
        }
        plan.label_fits(spec)?;
        plan.known_fits(spec, open)?;
        let conditions = [("rows", plan.rows.clone()), ("score", plan.score_condition())];
        for (place, condition) in conditions {
            if let Some(condition) = condition {
                plan.condition(&plan.table.clone(), &condition, &format!("'{place}'"))?;
            }
        }
        for (name, feature) in spec.features.iter() {
            let place = format!("feature '{name}'");
            let how = plan.how(feature, &place, open)?;
            plan.name_fits(name, &how)?;
            if matches!(&how, How::Earlier(_) | How::Sql { late: true, .. }) {
                plan.of_earlier_rows.push(name.to_owned());
            }
            if !plan.names.iter().any(|known| known == name) {
                plan.names.push(name.to_owned());
            }
            plan.features.push((name.to_owned(), how));
        }
        Ok(plan)
    }

    fn score_condition(&self) -> Option<RowExpr> {
        match &self.score {
            Some(Score::Where(condition)) => Some(condition.clone()),
            Some(Score::From(_)) | None => None,
        }
    }

    fn label_fits(&mut self, spec: &RowSpec) -> Result<()> {
        let place = format!("label '{}'", self.label);
        let columns = self.label_sql.sql().columns();
        if columns.is_empty() {
            return Err(Error::cannot_run(format!("{place} reads no column")).hint("name the column to predict"));
        }
        for column in columns.iter().chain(&self.hidden.clone()) {
            self.read_own(column, &place)?;
        }
        if !self.hidden.iter().any(|hidden| columns.contains(hidden)) {
            return Err(Error::cannot_run(format!("{place}: 'known_with' holds no column that 'is' reads"))
                .hint(format!("name at least one of: {}", columns.join(", "))));
        }
        if spec.label.delay.is_some() && spec.label.known_at.is_some() {
            return Err(Error::cannot_run(format!("{place}: 'delay' and 'known_at' both say when it is known"))
                .hint("write one of them"));
        }
        if spec.label.known_at.is_some() || spec.known_at.is_some() {
            self.label_known_at = Some(known_at_name(&self.label));
        }
        let carried = Some(&spec.time).into_iter().chain(&spec.key);
        for name in carried {
            if self.label_known_at.as_ref() == Some(name) {
                return Err(Error::cannot_run(format!(
                    "{place}: '{name}' is the name of the column that says when it is known"
                ))
                .hint("rename the column in clean.yaml, or the label"));
            }
            if *name == self.label || self.hidden.contains(name) {
                return Err(Error::cannot_run(format!("{place} is computed from '{name}', a column of every example"))
                    .hint("name another column as the label, or as time and key"));
            }
        }
        Ok(())
    }

    /// What becomes known late. The columns of a delayed label are among it: earlier rows show them only then.
    fn known_fits(&mut self, spec: &RowSpec, open: Open) -> Result<()> {
        let (table, place) = (self.table.clone(), format!("table '{}'", self.table));
        let schema = self.schemas[&table].clone();
        let mut known =
            Knowledge::new(spec.known_at.as_ref(), &spec.known_late, &schema, (&self.time, self.clock), &place)?;
        self.changes_fit(&table, &known, &place, open)?;
        for column in
            known.columns.iter().map(|(column, _)| column).chain(known.changes.iter().map(|(column, _)| column))
        {
            if *column == self.time || self.key.as_ref() == Some(column) {
                return Err(Error::cannot_run(format!(
                    "'known_late': '{column}' is a column of every example, so it must be known at once"
                ))
                .hint("name columns that were filled or changed later"));
            }
            if self.hidden.contains(column) && spec.known_late.get(column).is_some() {
                return Err(Error::cannot_run(format!("'known_late': '{column}' is known with the label"))
                    .hint("write label.delay, how long after the row's time the label is known, or label.known_at, the column that says when"));
            }
        }
        if let Some(how) = &self.label_known {
            let key = if matches!(how, Known::At(_)) { "known_at" } else { "delay" };
            how.fits(&schema, self.clock, &format!("'label.{key}'"))?;
            known.columns.extend(self.hidden.iter().map(|column| (column.clone(), how.clone())));
            known.add_moment(how, &self.time);
        }
        let moments: Vec<String> = known.moments().map(str::to_owned).collect();
        moments.iter().try_for_each(|column| self.read_own(column, &place))?;
        self.known = known;
        Ok(())
    }

    /// The tables of changes of a table's columns.
    fn changes_fit(&mut self, table: &str, known: &Knowledge, place: &str, open: Open) -> Result<()> {
        for (column, changes) in &known.changes {
            let place = format!("{place}: 'known_late'");
            let other = changes.of.as_str();
            self.open(other, &place, open)?;
            changes.fits(column, &self.schemas[table], &self.schemas[other], self.clock, &place)?;
            for (own, _) in changes.pairs() {
                self.read(table, &own, &place)?;
            }
            for their in changes.reads(column) {
                self.read(other, &their, &place)?;
            }
        }
        Ok(())
    }

    /// A name means one thing only: a feature may be called like a column if it is that column.
    fn name_fits(&self, name: &str, how: &How) -> Result<()> {
        let carried = [Some(&self.time), self.key.as_ref()].into_iter().flatten().any(|carried| carried == name);
        if name == self.label || carried || self.label_known_at.as_deref() == Some(name) {
            return Err(Error::cannot_run(format!("feature '{name}' has the name of the time, the key or the label"))
                .hint("name it otherwise"));
        }
        let itself = matches!(how, How::Sql { sql, .. } if sql.sql().text().trim() == name);
        if self.schemas[&self.table].contains(name) && !itself {
            return Err(Error::cannot_run(format!(
                "feature '{name}' has the name of a column of table '{}', but is another value",
                self.table
            ))
            .hint("name it otherwise"));
        }
        Ok(())
    }

    fn how(&mut self, feature: &RowFeature, place: &str, open: Open) -> Result<How> {
        if let Some((op, past)) = Op::of(feature) {
            return self.earlier(op, past, place, open).map(How::Earlier);
        }
        match feature {
            RowFeature::Sql(sql) => {
                let mut late = false;
                for column in sql.is.sql().columns() {
                    late |= self.of_earlier_rows.contains(&column);
                    self.own(&column, place)?;
                }
                Ok(How::Sql { sql: sql.is.clone(), late })
            }
            RowFeature::Nearest(near) => self.nearest(near, place, open).map(How::Near),
            RowFeature::CountWithin(within) => self.within(within, place, open).map(How::Near),
            RowFeature::Lookup(lookup) => self.by_key(lookup, place, open).map(How::ByKey),
            _ => Err(Error::cannot_run(format!("{place}: not an aggregate"))),
        }
    }

    fn nearest(&mut self, near: &Nearest, place: &str, open: Open) -> Result<Near> {
        let theirs = near.theirs.clone().unwrap_or_else(|| near.at.clone());
        let table = self.places(near.of.as_str(), &near.at, &theirs, place, open)?;
        let what = match near.take.as_str() {
            DISTANCE => NearWhat::Distance,
            column => {
                self.read(&table, column, place)?;
                NearWhat::Column(column.to_owned())
            }
        };
        Ok(Near { table, at: near.at.clone(), theirs, what })
    }

    fn within(&mut self, within: &CountWithin, place: &str, open: Open) -> Result<Near> {
        let theirs = within.theirs.clone().unwrap_or_else(|| within.at.clone());
        let table = self.places(within.of.as_str(), &within.at, &theirs, place, open)?;
        if let Some(filter) = &within.filter {
            self.condition(&table, filter, place)?;
        }
        let what = NearWhat::Within(within.radius, within.filter.clone());
        Ok(Near { table, at: within.at.clone(), theirs, what })
    }

    fn places(
        &mut self,
        table: &str,
        at: &[String; 2],
        theirs: &[String; 2],
        place: &str,
        open: Open,
    ) -> Result<String> {
        self.open(table, place, open)?;
        for column in at {
            self.of_row(column, place)?;
            if let Some(dtype) = self.schemas[&self.table].get(column) {
                number(dtype, column, place)?;
            }
        }
        for column in theirs {
            number(&self.read(table, column, place)?, column, place)?;
        }
        Ok(table.to_owned())
    }

    fn by_key(&mut self, lookup: &Lookup, place: &str, open: Open) -> Result<ByKey> {
        let table = lookup.of.to_string();
        self.open(&table, place, open)?;
        if lookup.on.0.is_empty() {
            return Err(Error::cannot_run(format!("{place}: 'on' names no column")).hint("name the key"));
        }
        let on = self.pairs(&lookup.on, &lookup.theirs, Some(&table), place)?;
        let dtype = self.read(&table, &lookup.take, place)?;
        if Kind::of(&dtype).is_none() {
            return Err(Error::cannot_run(format!("{place}: '{}' is {}", lookup.take, type_name(&dtype)))
                .hint("take a column of plain values"));
        }
        let schema = self.schemas[&table].clone();
        let by_key = ByKey {
            table: table.clone(),
            on,
            take: lookup.take.clone(),
            time: lookup.time.clone(),
            known: lookup.known_at.clone(),
        };
        by_key.fits(&schema, self.clock, place)?;
        by_key.theirs().iter().try_for_each(|column| self.read(&table, column, place).map(|_| ()))?;
        Ok(by_key)
    }

    fn earlier(&mut self, op: Op, past: &Past, place: &str, open: Open) -> Result<Earlier> {
        let from = match &past.from {
            None => None,
            Some(from) => {
                let time = past.time.clone().unwrap_or_else(|| self.time.clone());
                self.open(from.as_str(), place, open)?;
                let dtype = self.read(from.as_str(), &time, &format!("{place}: 'time'"))?;
                if !counts_as(&dtype, &self.time_type) {
                    return Err(Error::cannot_run(format!(
                        "{place}: '{time}' of table '{from}' is {}, but '{}' is {}",
                        clock_name(&dtype),
                        self.time,
                        clock_name(&self.time_type)
                    ))
                    .hint("cast one of them in clean.yaml"));
                }
                Some((from.to_string(), time))
            }
        };
        let seen = from.as_ref().map(|(table, _)| table.clone());
        if let Some(late) = past.by.0.iter().find(|by| seen.is_none() && self.known.is_late(by)) {
            return Err(Error::cannot_run(format!("{place}: 'by' reads '{late}', which is known late"))
                .hint("group by columns that are known at once"));
        }
        let by = self.pairs(&past.by, &past.theirs, seen.as_deref(), place)?;
        for (sql, condition) in [(&past.of, false), (&past.filter, true)] {
            let Some(sql) = sql else { continue };
            match &seen {
                Some(table) if condition => self.condition(table, sql, place)?,
                Some(table) => sql.sql().columns().iter().try_for_each(|c| self.read(table, c, place).map(|_| ()))?,
                None => self.of_earlier(sql, condition, place)?,
            }
        }
        if let Some(of) = past.of.as_ref().filter(|_| op.computes()) {
            let table = seen.as_deref().unwrap_or(&self.table);
            if let Some(dtype) = self.gives(table, of, place)? {
                number(&dtype, of.sql().text(), place)?;
            }
        }
        let reads: Vec<String> =
            [&past.of, &past.filter].into_iter().flatten().flat_map(|sql| sql.sql().columns()).collect();
        let known = match &seen {
            None => self.known.of(&reads),
            Some(table) => {
                let schema = self.schemas[table].clone();
                let (known_at, known_late) = (past.known_at.as_ref(), &past.known_late);
                let time = from.as_ref().map_or(self.time.as_str(), |(_, time)| time);
                let known = Knowledge::new(known_at, known_late, &schema, (time, self.clock), place)?;
                if let Some((_, late)) = by.iter().find(|(_, their)| known.is_late(their)) {
                    return Err(Error::cannot_run(format!(
                        "{place}: 'by' reads '{late}' of '{table}', which is known late"
                    ))
                    .hint("group by columns that are known at once"));
                }
                let known = known.of(&reads);
                known.moments().try_for_each(|column| self.read(table, column, place).map(|_| ()))?;
                self.changes_fit(table, &known, place, open)?;
                known
            }
        };
        known.can_be_read(&reads, place)?;
        if known.columns.len() > MOST_LATE {
            return Err(Error::cannot_run(format!(
                "{place} reads {} columns that are known late, more than {MOST_LATE}",
                known.columns.len()
            ))
            .hint("derive one column of them in clean.yaml"));
        }
        for span in [past.window, past.lag].into_iter().flatten() {
            self.clock.measures(span, place)?;
        }
        Ok(Earlier {
            op,
            of: past.of.clone(),
            filter: past.filter.clone(),
            by,
            window: past.window,
            lag: past.lag,
            from,
            known,
        })
    }

    /// Columns of the row with those that they are compared with.
    fn pairs(
        &mut self,
        own: &Names,
        theirs: &Names,
        table: Option<&str>,
        place: &str,
    ) -> Result<Vec<(String, String)>> {
        let theirs = if theirs.0.is_empty() { &own.0 } else { &theirs.0 };
        if theirs.len() != own.0.len() {
            return Err(Error::cannot_run(format!("{place}: {} columns here, {} there", own.0.len(), theirs.len()))
                .hint("name as many in 'theirs'"));
        }
        for (own, their) in own.0.iter().zip(theirs) {
            let mine = self.of_row(own, place)?;
            if let Some(dtype) = mine.as_ref().filter(|mine| Kind::of(mine).is_none()) {
                return Err(Error::cannot_run(format!("{place}: '{own}' is {}", type_name(dtype)))
                    .hint("name a column of plain values"));
            }
            let Some(table) = table else { continue };
            let other = self.read(table, their, place)?;
            if let Some(mine) = mine.filter(|mine| Form::of_both(mine, &other).is_none()) {
                return Err(Error::cannot_run(format!(
                    "{place}: '{own}' is {}, but '{their}' of table '{table}' is {}",
                    kind_name(&mine),
                    kind_name(&other)
                ))
                .hint("cast one of them in clean.yaml"));
            }
        }
        Ok(own.0.iter().cloned().zip(theirs.iter().cloned()).collect())
    }

    /// A value of the row itself that does not depend on earlier rows. Its type if it is a column.
    fn of_row(&mut self, column: &str, place: &str) -> Result<Option<DataType>> {
        self.own(column, place)?;
        if self.of_earlier_rows.iter().any(|late| late == column) {
            return Err(Error::cannot_run(format!("{place}: '{column}' is itself computed from earlier rows"))
                .hint("name a column, or a feature of the row itself"));
        }
        Ok(self.schemas[&self.table].get(column).cloned())
    }

    /// A column or feature that the row itself may read: not the label.
    fn own(&mut self, column: &str, place: &str) -> Result<()> {
        if self.hidden.iter().any(|hidden| hidden == column) {
            return Err(Error::cannot_run(format!(
                "{place} reads '{column}' of the row itself: it holds the label, which is not known yet"
            ))
            .hint(format!("use an aggregate over earlier rows, such as {{mean: {{of: {column}}}}}")));
        }
        if self.known.is_late(column) {
            return Err(Error::cannot_run(format!(
                "{place} reads '{column}' of the row itself: by 'known_at' and 'known_late' it is not known yet"
            ))
            .hint(format!("use an aggregate over earlier rows, such as {{last: {{of: {column}}}}}")));
        }
        self.anything(column, place)
    }

    fn anything(&mut self, column: &str, place: &str) -> Result<()> {
        if self.schemas[&self.table].contains(column) {
            return self.read_own(column, place);
        }
        if !self.names.iter().any(|known| known == column) {
            let known = self.names.iter().map(String::as_str).filter(|name| !name.starts_with('_'));
            return Err(Error::cannot_run(format!(
                "{place}: '{column}' is neither a column of table '{}' nor a feature further up",
                self.table
            ))
            .hint(did_you_mean(column, known)));
        }
        Ok(())
    }

    /// An expression of an earlier row of the own table, whose label is known by then.
    fn of_earlier(&mut self, sql: &RowExpr, condition: bool, place: &str) -> Result<()> {
        for column in sql.sql().columns() {
            self.anything(&column, place)?;
            if self.of_earlier_rows.contains(&column) {
                return Err(Error::cannot_run(format!("{place}: '{column}' is itself computed from earlier rows"))
                    .hint("name columns, or features of the row itself"));
            }
        }
        match self.gives(&self.table, sql, place)? {
            Some(dtype) if condition => truth(&dtype, sql, place),
            _ => Ok(()),
        }
    }

    /// The type of an expression over a table's columns; nothing if it reads features.
    fn gives(&self, table: &str, sql: &RowExpr, place: &str) -> Result<Option<DataType>> {
        let schema = &self.schemas[table];
        if sql.sql().columns().iter().any(|column| !schema.contains(column)) {
            return Ok(None);
        }
        sql.sql().compile(schema, place).map(|value| Some(value.dtype))
    }

    fn condition(&mut self, table: &str, sql: &RowExpr, place: &str) -> Result<()> {
        for column in sql.sql().columns() {
            self.read(table, &column, place)?;
        }
        match self.gives(table, sql, place)? {
            Some(dtype) => truth(&dtype, sql, place),
            None => Ok(()),
        }
    }

    /// Opens another table. The own one is only seen as of a time.
    fn open(&mut self, table: &str, place: &str, open: Open) -> Result<()> {
        if table == self.table {
            return Err(Error::cannot_run(format!(
                "{place}: table '{table}' holds the examples themselves, later ones and their labels among them"
            ))
            .hint("use an aggregate over earlier rows without 'from'"));
        }
        if !self.schemas.contains_key(table) {
            let schema = open(table).context(place)?.collect_schema().during(format!("{place}: table '{table}'"))?;
            self.schemas.insert(table.to_owned(), schema);
        }
        self.needs.entry(table.to_owned()).or_default();
        Ok(())
    }

    fn read_own(&mut self, column: &str, place: &str) -> Result<()> {
        self.read(&self.table.clone(), column, place).map(|_| ())
    }

    /// Notes that a column of a table is needed.
    fn read(&mut self, table: &str, column: &str, place: &str) -> Result<DataType> {
        let dtype = dtype_of(&self.schemas[table], column, &format!("{place}: table '{table}'"))?;
        let columns = self.needs.entry(table.to_owned()).or_default();
        if !columns.iter().any(|known| known == column) {
            columns.push(column.to_owned());
        }
        Ok(dtype)
    }
}

/// Whether times of one type can be counted as those of another without loss: in ticks that are no finer.
fn counts_as(theirs: &DataType, own: &DataType) -> bool {
    match (theirs, own) {
        (DataType::Datetime(theirs, None), DataType::Datetime(own, None)) => nanoseconds(*theirs) >= nanoseconds(*own),
        _ => theirs == own,
    }
}

/// A type of times, with its unit.
fn clock_name(dtype: &DataType) -> String {
    match dtype {
        DataType::Datetime(unit, None) => format!("{} in {unit}", type_name(dtype)),
        other => type_name(other),
    }
}

fn truth(dtype: &DataType, sql: &RowExpr, place: &str) -> Result<()> {
    if dtype.is_bool() || *dtype == DataType::Null {
        return Ok(());
    }
    Err(Error::cannot_run(format!("{place}: where '{sql}' gives {}", type_name(dtype)))
        .hint("write a condition, such as price > 0"))
}

fn number(dtype: &DataType, what: &str, place: &str) -> Result<()> {
    if dtype.is_numeric() || dtype.is_bool() || *dtype == DataType::Null {
        return Ok(());
    }
    Err(Error::cannot_run(format!("{place}: '{what}' is {}, which cannot be computed with", type_name(dtype)))
        .hint("name numbers, or use distinct, first or last"))
}

fn dtype_of(schema: &Schema, column: &str, place: &str) -> Result<DataType> {
    schema.get(column).cloned().ok_or_else(|| {
        let names = schema.iter_names().map(|name| name.as_str()).filter(|name| !name.starts_with('_'));
        Error::cannot_run(format!("{place}: unknown column '{column}'")).hint(did_you_mean(column, names))
    })
}
