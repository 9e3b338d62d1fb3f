//! The `file` source: which files, in which format, and what their first rows say of the columns.

use std::collections::BTreeSet;

use artifact::Input;
use serde_json::Value;
use spec::{ColumnType, Error, Map, Result, Root, did_you_mean};
use store::Cloud;

use crate::column_spec::ColumnSpec;
use crate::ending::Ending;
use crate::excel::Workbooks;
use crate::file_spec::{FileSpec, Format, Quote, Sheet};
use crate::files::{Columns, Declared, Files, same_format};
use crate::fill_down::{Carry, FillDown};
use crate::infer::Ahead;
use crate::numerals::{Numerals, is_number};
use crate::parquet::{self, Nulls, Parquet};
use crate::passed::Emptiness;
use crate::places::{Place, format_of_path, places};
use crate::reading::{Settings, Target};
use crate::source::{Located, Opened, Request, Source};
use crate::text::{TextBatch, TextSource};
use crate::typed::{Missing, Typing};
use crate::{flow, folders, zipped};

impl Source for FileSpec {
    fn locate(&self, root: &Root, cloud: &Cloud) -> Result<Located> {
        let places = places(root, &self.path.0, cloud)?;
        let inputs = places.iter().map(Place::input).collect::<Result<_>>()?;
        let places = zipped::unfolded(places, self.member.as_deref())?;
        Ok(Located { inputs, places })
    }

    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        let format = same_format(self, &located.places)?;
        if let (Some(_), true) = (&self.sheet, format != Format::Excel) {
            return Err(Error::cannot_run(format!("'sheet' is for excel, not for {}", format.name()))
                .hint("leave it out, or add 'format: excel'"));
        }
        self.check_keys(format)?;
        let opened = match format {
            Format::Parquet => self.open_parquet(located, request),
            _ => self.open_text(format, located, request),
        };
        match self.folders.is_empty() {
            true => opened,
            false => folders::add(&self.folders, opened?),
        }
    }

    fn settings(&self, of: &Target<'_>) -> Settings {
        let FileSpec {
            path,
            format,
            separator,
            quote,
            header,
            encoding,
            compression: _,
            widths,
            skip_lines,
            null_values,
            sheet,
            empty_files: _,
            escape,
            numerals,
            fill_down,
            folders,
            records,
            explode,
            member: _,
        } = self;
        let mut settings = Settings::new();
        let mut set = |key: &str, value: Value| settings.insert(key.to_owned(), value);
        if folders.iter().any(|folder| folder == of.name) {
            set("folders", true.into());
            return settings;
        }
        // Formats that cut the same bytes into other fields; the others can only be read as what they are.
        let format = format.or_else(|| format_of_path(path.0.first()?));
        if let Some(format) = format.filter(|format| format.is_text() && *format != Format::Csv) {
            set("format", format.name().into());
        }
        if let Some(separator) = separator.filter(|separator| separator.0 != b',') {
            set("separator", char::from(separator.0).to_string().into());
        }
        if *quote != Quote::default() {
            set("quote", quote.0.map(|quote| char::from(quote).to_string()).into());
        }
        if let Some(escape) = escape {
            set("escape", char::from(escape.0).to_string().into());
        }
        if let Some(records) = records {
            set("records", records.as_str().into());
        }
        if !explode.0.is_empty() {
            set("explode", explode.to_string().into());
        }
        if !widths.is_empty() {
            set("widths", widths.as_slice().into());
        }
        if *skip_lines > 0 {
            set("skip_lines", (*skip_lines).into());
        }
        // Without a header, a column's position says which field it is.
        let has_header = header.unwrap_or(!matches!(format, Some(Format::Whitespace | Format::FixedWidth)));
        if let (false, Some(place)) = (has_header, of.place) {
            set("field", place.into());
        }
        let encoding = encoding.filter(|encoding| encoding.0 != encoding_rs::UTF_8);
        let is_text = |column_type| matches!(column_type, ColumnType::String | ColumnType::Category);
        if let Some(encoding) = encoding.filter(|_| of.may_be(is_text)) {
            set("encoding", encoding.0.name().to_lowercase().into());
        }
        if of.may_be(is_number) {
            let (decimal, thousands) = numerals.marks();
            if decimal != '.' {
                set("decimal", decimal.to_string().into());
            }
            if let Some(thousands) = thousands {
                set("thousands", thousands.to_string().into());
            }
        }
        if let Some(texts) = null_values {
            let texts: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
            // Parquet has nulls of its own.
            if format == Some(Format::Parquet) || !texts.iter().eq([&""]) {
                set("null_values", texts.into_iter().collect());
            }
        }
        match sheet {
            None | Some(Sheet::Number(1)) => {}
            Some(Sheet::Number(number)) => drop(set("sheet", (*number).into())),
            Some(Sheet::Name(name)) => drop(set("sheet", name.as_str().into())),
        }
        if fill_down.iter().any(|filled| filled == of.name) {
            set("fill_down", true.into());
        }
        settings
    }

    fn may_lack_columns(&self) -> bool {
        true
    }
}

impl FileSpec {
    pub(crate) fn open_text(&self, format: Format, located: Located, request: &Request<'_>) -> Result<Opened> {
        let Located { inputs, places } = located;
        let missing = Missing::of(self.null_values.as_ref());
        let columns = wanted(request.columns);
        let mut ending = Ending::default();
        let rows_in = ending.rows_in.clone();
        let (names, mut first, mut rest): (_, _, Box<dyn TextSource>);
        match format {
            Format::Excel => {
                let mut sheets = Workbooks::new(self.clone(), places, columns, rows_in);
                (names, first) = sheets.first()?;
                ending.passed = sheets.passed();
                let (workbook, left_out) = sheets.left_out();
                ending.leaves_out(workbook, left_out);
                rest = Box::new(sheets);
            }
            _ => {
                let mut files = Files::new(self.clone(), places, columns, &ending)?;
                (names, first) = files.first()?;
                ending.passed = files.passed();
                let (file, left_out) = files.left_out();
                ending.leaves_out(file, &left_out);
                rest = Box::new(files);
            }
        }
        if !self.fill_down.is_empty() {
            let columns: Vec<String> = match request.columns {
                Some(declared) => declared.names().map(str::to_owned).collect(),
                None => names.clone(),
            };
            let mut carry = Carry::new(carried(&self.fill_down, &columns)?, missing.clone());
            carry.down(&mut first);
            rest = Box::new(FillDown::new(rest, carry));
        }
        let numerals = if format.is_text() { self.numerals } else { Numerals::default() };
        let (columns, first): (_, Option<TextBatch>) = match request.columns {
            Some(declared) => {
                let with = |spec: &ColumnSpec| ColumnSpec { numerals, ..spec.clone() };
                (declared.iter().map(|(name, spec)| (name.to_owned(), with(spec))).collect(), Some(first))
            }
            None => {
                let ahead = Ahead::new(first, rest);
                let columns = ahead.columns(names, &missing, numerals);
                rest = Box::new(ahead);
                (columns, None)
            }
        };
        let typing = Typing { columns, missing };
        Ok(Opened::typed(inputs, typing.schemas(), flow::flow(first, rest, typing)?, ending))
    }

    fn open_parquet(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        if let Some((name, _)) = request.columns.iter().copied().flat_map(Map::iter).find(|(_, spec)| spec.optional) {
            return Err(Error::cannot_run(format!("'optional' of the column '{name}' is not for parquet"))
                .hint("take the column out, or the key"));
        }
        let mut emptiness = Emptiness::new(self.empty_files, located.places.len());
        let mut kept: Vec<(Place, Input)> = Vec::new();
        for (place, input) in located.places.into_iter().zip(located.inputs) {
            match place.has_no_bytes() {
                true => emptiness.none(place.shown(), "the file is empty")?,
                false => kept.push((place, input)),
            }
        }
        if kept.is_empty() {
            emptiness.end()?;
        }
        let (places, inputs): (Vec<Place>, Vec<Input>) = kept.into_iter().unzip();
        let files = parquet::files(request.root, &places, request.columns, request.copies)?;
        let inputs = files.iter().zip(inputs).map(|(file, input)| file.as_input(input)).collect::<Result<_>>()?;
        let ending = Ending { passed: emptiness.passed(), ..Ending::default() };
        let missing = Missing::new(self.null_values.as_deref().unwrap_or_default());
        let nulls = Nulls { missing, are_named: self.null_values.is_some() };
        let parquet =
            Parquet::new(files, request.columns, self.explode.clone(), nulls, emptiness, ending.rows_in.clone())?;
        let (file, left_out) = parquet.left_out();
        ending.leaves_out(file, left_out);
        let schemas = (parquet.schema(), parquet.refused_schema());
        Ok(Opened::typed(inputs, schemas, Box::new(parquet), ending))
    }
}

fn wanted(columns: Option<&Map<ColumnSpec>>) -> Columns {
    match columns {
        None => Columns::Unknown,
        Some(columns) => {
            let of = |(name, spec): (&str, &ColumnSpec)| Declared {
                name: spec.from.clone().unwrap_or_else(|| name.to_owned()),
                is_from: spec.from.is_some(),
                optional: spec.optional,
                is_float: matches!(spec.column_type, ColumnType::Float32 | ColumnType::Float64),
            };
            Columns::Declared(columns.iter().map(of).collect())
        }
    }
}

/// The places of the columns whose empty cells take the value above.
fn carried(names: &[String], columns: &[String]) -> Result<Vec<usize>> {
    let place = |name: &String| {
        columns.iter().position(|column| column == name).ok_or_else(|| {
            Error::cannot_run(format!("'fill_down' names '{name}', which is not a column of the table"))
                .hint(did_you_mean(name, columns.iter().map(String::as_str)))
        })
    };
    names.iter().map(place).collect()
}
