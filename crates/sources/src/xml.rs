//! XML: elements as trees, and files of records that are read one element at a time.
//!
//! An element with text alone is that text, without the spaces around it. One with children or attributes is a map:
//! children by their names as written, with their prefix (a name that comes again makes a list), attributes as `@name`, text
//! beside them as `#text`. Declarations of namespaces are none of the data, nor is `xsi:nil`. Entities that a document type would declare are
//! not known, so none of them is fetched or unfolded.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufReader, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use encoding_rs::{Encoding, UTF_8};
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::errors::IllFormedError;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesStart, Event};
use spec::{Error, Result, did_you_mean};

use crate::decode::{decoded, is_utf_16};
use crate::http::tree::{DEEPEST, Explode, Lists, Node, TEXT};

/// Bytes of a record, at most: it is held in memory as a whole.
const RECORD_BYTES: u64 = 64 << 20;
/// Bytes at the beginning of a file that declare its encoding.
const HEAD: usize = 256;
/// Paths of other elements that an error may name.
const KNOWN: usize = 40;

pub(crate) const BROKEN: &str = "the XML is truncated";

/// Sets each option on purpose: what is not XML is an error, and every character of a text is kept.
pub(crate) fn configure(config: &mut quick_xml::reader::Config) {
    (config.allow_dangling_amp, config.allow_unmatched_ends, config.check_end_names) = (false, false, true);
    (config.trim_text_start, config.trim_text_end, config.trim_markup_names_in_closing_tags) = (false, false, true);
    // Comments are skipped, whatever they hold, and an empty element is an event of its own.
    (config.check_comments, config.expand_empty_elements) = (false, false);
}

/// What the parser reports at byte `at`, in words.
pub(crate) fn broken(error: &quick_xml::Error, at: u64) -> String {
    let what = match error {
        quick_xml::Error::Syntax(_) | quick_xml::Error::IllFormed(IllFormedError::MissingEndTag(_)) => {
            return BROKEN.to_owned();
        }
        quick_xml::Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
            format!("'<{expected}>' ends with '</{found}>'")
        }
        quick_xml::Error::IllFormed(IllFormedError::UnmatchedEndTag(name)) => format!("'</{name}>' ends nothing"),
        quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => {
            "'&' without ';', which stands for itself only as '&amp;'".to_owned()
        }
        quick_xml::Error::Encoding(_) => "it is not UTF-8".to_owned(),
        quick_xml::Error::InvalidAttr(error) => of_attribute(error).to_owned(),
        _ => "a tag that cannot be read".to_owned(),
    };
    format!("it is not XML: {what} at byte {at}")
}

fn of_attribute(error: &AttrError) -> &'static str {
    match error {
        AttrError::Duplicated(..) => "an attribute is given twice",
        AttrError::UnquotedValue(_) | AttrError::ExpectedQuote(..) => "the value of an attribute is not in quotes",
        AttrError::ExpectedEq(_) | AttrError::ExpectedValue(_) => "an attribute has no value",
    }
}

/// Elements that have not ended yet, from the outside in.
#[derive(Default)]
pub(crate) struct Tree {
    open: Vec<Element>,
}

impl Tree {
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes an event; returns the outermost element when it has ended.
    pub(crate) fn take(&mut self, event: Event<'_>) -> Result<Option<(String, Node)>, String> {
        match event {
            Event::Start(start) if self.open.len() == DEEPEST => {
                return Err(format!("'{}' lies more than {DEEPEST} levels deep", start.name().0));
            }
            Event::Start(start) => self.open.push(Element::begin(&start)?),
            Event::Empty(start) => return Ok(self.close(Element::begin(&start)?)),
            Event::End(_) => {
                let element = self.open.pop().ok_or("it is not XML: an element ends that did not begin")?;
                return Ok(self.close(element));
            }
            Event::Text(text) => match self.open.last_mut() {
                Some(element) => element.text.push_str(&text.xml10_content()),
                None if text.trim().is_empty() => {}
                None => return Err("it is not XML: there is text outside of the root element".to_owned()),
            },
            Event::CData(data) => {
                if let Some(element) = self.open.last_mut() {
                    element.text.push_str(&data.xml10_content());
                }
            }
            Event::GeneralRef(entity) => {
                let name = entity.xml10_content();
                let character = match entity.is_char_ref() {
                    true => entity.resolve_char_ref().ok().flatten().map(String::from),
                    false => quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned),
                };
                let character = character.ok_or_else(|| format!("it is not XML: '&{name};' is not known"))?;
                if let Some(element) = self.open.last_mut() {
                    element.text.push_str(&character);
                }
            }
            Event::Eof | Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
        }
        Ok(None)
    }

    fn close(&mut self, element: Element) -> Option<(String, Node)> {
        let (name, node) = element.end();
        match self.open.last_mut() {
            Some(parent) => {
                parent.add(name, node);
                None
            }
            None => Some((name, node)),
        }
    }
}

/// An element that has not ended yet.
struct Element {
    name: String,
    members: Vec<(String, Node)>,
    places: HashMap<String, usize>,
    text: String,
}

impl Element {
    fn named(name: String) -> Element {
        Element { name, members: Vec::new(), places: HashMap::new(), text: String::new() }
    }

    fn begin(start: &BytesStart) -> Result<Element, String> {
        let mut element = Element::named(start.name().0.to_owned());
        for attribute in start.attributes() {
            let attribute =
                attribute.map_err(|error| format!("it is not XML: {} in '{}'", of_attribute(&error), element.name))?;
            // What a prefix stands for, and that an element has no value, is said for the parser.
            if ["xmlns", "xsi:nil"].contains(&attribute.key.0) || attribute.key.0.starts_with("xmlns:") {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| {
                format!(
                    "it is not XML: '@{}' of '{}' holds '&' or '<' that stand for nothing",
                    attribute.key.0, element.name
                )
            })?;
            element.add(format!("@{}", attribute.key.0), Node::Text(value.into_owned()));
        }
        Ok(element)
    }

    fn add(&mut self, name: String, node: Node) {
        match self.places.get(&name) {
            None => {
                self.places.insert(name.clone(), self.members.len());
                self.members.push((name, node));
            }
            Some(place) => match &mut self.members[*place].1 {
                // An element is never a list by itself.
                Node::List(nodes) => nodes.push(node),
                one => *one = Node::List(vec![std::mem::replace(one, Node::Null), node]),
            },
        }
    }

    fn end(mut self) -> (String, Node) {
        let text = self.text.trim();
        let node = match (self.members.is_empty(), text.is_empty()) {
            (true, true) => Node::Null,
            (true, false) => Node::Text(text.to_owned()),
            (false, true) => Node::Map(self.members),
            (false, false) => {
                self.members.push((TEXT.to_owned(), Node::Text(text.to_owned())));
                Node::Map(self.members)
            }
        };
        (self.name, node)
    }
}

/// Lets no more bytes through than a record may have.
struct Bounded {
    inner: Box<dyn Read + Send>,
    left: Arc<AtomicU64>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed).checked_sub(count as u64).ok_or_else(|| {
            let error = Error::cannot_run(format!("a record of more than {} MB", RECORD_BYTES >> 20));
            io::Error::other(error.hint("check 'records': it names the elements that are rows"))
        })?;
        self.left.store(left, Ordering::Relaxed);
        Ok(count)
    }
}

/// That a file has no records, although it begins with the right element; set at its end.
pub(crate) type Lacking = Arc<Mutex<Option<Error>>>;

/// The records of a file as lines of JSON, in which every value is a text, an object or a list.
pub(crate) struct Records {
    reader: Reader<BufReader<Bounded>>,
    left: Arc<AtomicU64>,
    /// Names from the root element to a record.
    path: Vec<String>,
    explode: Explode,
    /// Names of the elements that are open, up to a record.
    open: Vec<String>,
    tree: Tree,
    /// Paths of elements that are not records.
    known: BTreeSet<String>,
    has_root: bool,
    found: bool,
    lacking: Lacking,
    event: Vec<u8>,
    /// The line, from 1, in which what was read last begins.
    line: usize,
    /// Where the lists of `explode` were found.
    lists: Lists,
    lines: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Records {
    /// Begins to read the elements at `path`, which is dotted and begins with the root element. `encoding` goes before what
    /// the file itself says.
    pub(crate) fn new(
        mut feed: Box<dyn Read + Send>,
        encoding: Option<&'static Encoding>,
        path: &str,
        explode: &Explode,
        lists: &Lists,
    ) -> io::Result<Records> {
        let mut head = Vec::with_capacity(HEAD);
        feed.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        let is_empty = head.len() < HEAD && is_blank(&head);
        let encoding = match encoding {
            Some(encoding) => encoding,
            None => declared(&head).map_err(io::Error::other)?.unwrap_or(UTF_8),
        };
        let (feed, _) = decoded(Box::new(Cursor::new(head).chain(feed)), encoding)?;
        let left = Arc::new(AtomicU64::new(RECORD_BYTES));
        let mut reader = Reader::from_reader(BufReader::new(Bounded { inner: feed, left: Arc::clone(&left) }));
        configure(reader.config_mut());
        Ok(Records {
            reader,
            left,
            path: path.split('.').map(str::to_owned).collect(),
            explode: explode.clone(),
            open: Vec::new(),
            tree: Tree::default(),
            known: BTreeSet::new(),
            has_root: false,
            found: false,
            lacking: Lacking::default(),
            event: Vec::new(),
            line: 1,
            lists: lists.clone(),
            lines: Vec::new(),
            at: 0,
            // The reader reports it.
            ended: is_empty,
        })
    }

    /// Says, once all is read, whether the file has no records.
    pub(crate) fn lacking(&self) -> Lacking {
        Arc::clone(&self.lacking)
    }

    /// Reads on to the end of the next record, or of the file. What is wrong there is reported with its line.
    fn fill(&mut self) -> Result<()> {
        self.read_on().map_err(|error| if self.ended { error } else { error.context(format!("line {}", self.line)) })
    }

    fn read_on(&mut self) -> Result<()> {
        (self.at, self.lines) = (0, Vec::new());
        while self.lines.is_empty() && !self.ended {
            // What was read last holds all line breaks up to here.
            self.line += self.event.iter().filter(|byte| **byte == b'\n').count();
            self.event.clear();
            let at = self.reader.buffer_position();
            let event = self.reader.read_event_into(&mut self.event).map_err(|error| match &error {
                quick_xml::Error::Io(cause) if Error::carried_by(cause).is_some() => {
                    Error::carried_by(cause).unwrap_or_else(|| wrong(String::new()))
                }
                other => wrong(broken(other, at)),
            })?;
            if !self.tree.is_open() {
                self.left.store(RECORD_BYTES, Ordering::Relaxed);
            }
            if self.tree.is_open() {
                let node = if matches!(event, Event::Eof) { Err(BROKEN.to_owned()) } else { self.tree.take(event) };
                if let Some((_, node)) = node.map_err(wrong)? {
                    self.record(node)?;
                }
                continue;
            }
            let is_empty = matches!(event, Event::Empty(_));
            match event {
                Event::Start(ref start) | Event::Empty(ref start) => {
                    if self.open.is_empty() && std::mem::replace(&mut self.has_root, true) {
                        return Err(wrong("it is not XML: there are two root elements".to_owned()));
                    }
                    let name = start.name().0;
                    let outer = self.open.len();
                    if outer + 1 == self.path.len() && self.path[outer] == name && self.open == self.path[..outer] {
                        if let Some((_, node)) = self.tree.take(event).map_err(wrong)? {
                            self.record(node)?;
                        }
                        continue;
                    }
                    if outer == DEEPEST {
                        return Err(wrong(format!("'{name}' lies more than {DEEPEST} levels deep")));
                    }
                    if self.known.len() < KNOWN {
                        let path: Vec<&str> = self.open.iter().map(String::as_str).chain([name]).collect();
                        self.known.insert(path.join("."));
                    }
                    if !is_empty {
                        self.open.push(name.to_owned());
                    }
                }
                Event::End(_) => drop(self.open.pop()),
                Event::Eof => self.end()?,
                // Text between records is checked, and left out.
                event => {
                    let mut outside = Tree::default();
                    if !self.open.is_empty() {
                        outside.open.push(Element::named(String::new()));
                    }
                    outside.take(event).map_err(wrong)?;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, node: Node) -> Result<()> {
        self.found = true;
        // An element of text alone has one value, which is called as in elements with attributes.
        let node = match node {
            Node::Map(_) => node,
            Node::Null => Node::Map(Vec::new()),
            text => Node::Map(vec![(TEXT.to_owned(), text)]),
        };
        let parts = self.explode.of(vec![node], false, &self.lists);
        let parts = parts.map_err(|what| Error::cannot_run(what).hint("check 'explode'"))?;
        for part in parts {
            self.lines.extend_from_slice(part.json().as_bytes());
            self.lines.push(b'\n');
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.ended = true;
        if !self.open.is_empty() {
            return Err(wrong(BROKEN.to_owned()));
        }
        if !self.has_root {
            return Err(wrong("it is not XML: there is no element".to_owned()));
        }
        if self.found {
            return Ok(());
        }
        let path = self.path.join(".");
        let known = || self.known.iter().map(String::as_str);
        let error = Error::cannot_run(format!("there is no element '{path}'"))
            .hint(format!("check 'records': {}", did_you_mean(&path, known())));
        // A day without records has the element around them alone. Another one is another kind of file, such as the words of an error.
        match self.known.contains(&self.path[0]) {
            true => *self.lacking.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
            false => return Err(error),
        }
        Ok(())
    }
}

/// Whether there is nothing but white space, and perhaps a byte order mark.
fn is_blank(head: &[u8]) -> bool {
    let mark = [&b"\xEF\xBB\xBF"[..], b"\xFF\xFE", b"\xFE\xFF"].into_iter().find_map(|mark| head.strip_prefix(mark));
    mark.unwrap_or(head).iter().all(u8::is_ascii_whitespace)
}

fn wrong(what: String) -> Error {
    Error::cannot_run(what)
        .hint("the file was cut short or is not XML; fetch it again, or correct 'format' and 'encoding'")
}

/// The encoding that the XML declaration names.
fn declared(head: &[u8]) -> Result<Option<&'static Encoding>, Error> {
    let head = String::from_utf8_lossy(head);
    let Some(declaration) =
        head.trim_start_matches('\u{feff}').strip_prefix("<?xml").and_then(|rest| rest.split("?>").next())
    else {
        return Ok(None);
    };
    let Some(label) = declaration.split_once("encoding=").map(|(_, rest)| rest) else { return Ok(None) };
    let label = label.trim_start_matches(['"', '\'']).split(['"', '\'']).next().unwrap_or_default();
    match Encoding::for_label(label.as_bytes()) {
        // A file whose declaration can be read like this is not UTF-16, whatever it declares.
        Some(encoding) if is_utf_16(encoding) => Ok(None),
        Some(encoding) => Ok(Some(encoding)),
        None => Err(Error::cannot_run(format!("its encoding '{}' is not known", spec::text::cut(label, 40)))
            .hint("name one under 'encoding'")),
    }
}

impl Read for Records {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.lines.len() && !self.ended {
            let filled = self.fill();
            self.ended |= filled.is_err();
            filled.map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.lines.len() - self.at);
        buffer[..count].copy_from_slice(&self.lines[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
