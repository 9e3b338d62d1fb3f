//! XML files and archives: records by path, and what is refused in place of being guessed.

use std::io::Write;

use testkit::Random;

use super::*;

const CATALOG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE catalog [<!ENTITY shop "The Shop">]>
<catalog xmlns="http://example.org/c" xmlns:x="http://example.org/x">
  <made>2024-05-01</made>
  <product id="7" x:lang="de"><name>Tee &amp; Kaffee</name><price currency="EUR">1.50</price>
    <tag>hot</tag><tag>drink</tag><stock/></product>
  <!-- <product id="8"/> -->
  <product id="9"><name><![CDATA[<b>]]></name><price currency="USD"> 20 </price><tag>one</tag><stock>3</stock></product>
</catalog>
"#;

fn xml(text: impl AsRef<[u8]>, keys: &str, columns: &str) -> spec::Result<Read> {
    Project::with("a.xml", text).read(&format!("source: {{file: {{path: a.xml, {keys}}}}}\n{columns}"))
}

#[test]
fn elements_become_rows() {
    let columns = "columns: {id: {type: int64, from: '@id'}, name: string, price: {type: float64, from: 'price.#text'}, \
                   currency: {type: string, from: 'price.@currency'}, lang: {type: string, from: '@x:lang'}, stock: int64, \
                   tags: {type: string, from: tag}}";
    let read = xml(CATALOG, "records: catalog.product", columns).unwrap();
    assert_eq!(read.table(), ["7|Tee & Kaffee|1.5|EUR|de|-|[\"hot\",\"drink\"]|1", "9|<b>|20.0|USD|-|3|one|2"]);
    let exploded = xml(
        CATALOG,
        "records: catalog.product, explode: tag",
        "columns: {id: {type: int64, from: '@id'}, tag: string}",
    );
    assert_eq!(exploded.unwrap().table(), ["7|hot|1", "7|drink|2", "9|one|3"]);
    // Columns are found, and their types with them: everything in XML is text.
    let read = xml("<r><i><a>1</a><b>x</b></i><i><a>2</a><c>2024-01-31</c></i></r>", "records: r.i", "").unwrap();
    assert_eq!(read.types()[..3], ["a int64", "b string", "c date"]);
    assert_eq!(read.table(), ["1|x|-|1", "2|-|2024-01-31|2"]);
    assert_eq!(
        xml("<r><i>5</i><i>6</i><i/></r>", "records: r.i", "columns: {n: {type: int64, from: '#text'}}")
            .unwrap()
            .table(),
        ["5|1", "6|2", "-|3"]
    );
    assert_eq!(xml("<r a='1'/>", "records: r", "").unwrap().table(), ["1|1"]);
    let read = xml("<r><i><a>1</a></i><i><a>x</a></i></r>", "records: r.i", "columns: {a: int64}").unwrap();
    assert_eq!(
        (read.table(), read.refusals()),
        (vec!["1|1".to_owned()], vec!["x|2|-|a: 'x' is not an int64".to_owned()])
    );
}

#[test]
fn an_element_without_attributes_is_its_text() {
    let text = "<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>
        <i><price currency='EUR'>1.50</price><at><d>1</d></at></i><i><price>20</price><at><d x='y'>2</d></at></i>
        <i><price xsi:nil='true'/><at xsi:nil='true'/></i><i><price/></i><i><price xsi:nil='false'>7</price></i></r>";
    let columns = "columns: {price: {type: float64, from: 'price.#text'}, currency: {type: string, from: 'price.@currency'}, \
                   d: {type: int64, from: 'at.d.#text'}, whole: {type: string, from: price}}";
    let read = xml(text, "records: r.i", columns).unwrap();
    assert_eq!(
        read.table(),
        [
            "1.5|EUR|1|{\"@currency\":\"EUR\",\"#text\":\"1.50\"}|1",
            "20.0|-|2|20|2",
            "-|-|-|-|3",
            "-|-|-|-|4",
            "7.0|-|-|7|5"
        ]
    );
}

#[test]
fn the_file_says_its_encoding() {
    let text = "<?xml version=\"1.0\" encoding=\"euc-kr\"?><r><i><a>가</a></i></r>";
    let (bytes, _, _) = encoding_rs::EUC_KR.encode(text);
    assert_eq!(xml(&bytes, "records: r.i", "").unwrap().table(), ["가|1"]);
    // It escapes to characters of two bytes, and back.
    let text = "<?xml version=\"1.0\" encoding=\"iso-2022-jp\"?><r><i><a>日本</a></i></r>";
    let (bytes, _, _) = encoding_rs::ISO_2022_JP.encode(text);
    assert_eq!(xml(&bytes, "records: r.i", "").unwrap().table(), ["日本|1"]);
    let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode("<r><i><a>Köln</a></i></r>");
    assert_eq!(xml(&bytes, "records: r.i, encoding: latin-1", "").unwrap().table(), ["Köln|1"]);
    let mut utf16 = vec![0xFF, 0xFE];
    utf16.extend(
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><r><i><a>é</a></i></r>".encode_utf16().flat_map(u16::to_le_bytes),
    );
    assert_eq!(xml(&utf16, "records: r.i", "").unwrap().table(), ["é|1"]);
    let error =
        xml("<?xml version=\"1.0\" encoding=\"klingon\"?><r/>", "records: r", "").map(|read| read.rows_in).unwrap_err();
    assert_eq!(error.to_string(), "table 't': a.xml: its encoding 'klingon' is not known; name one under 'encoding'");
}

#[test]
fn what_is_no_xml_says_so() {
    let hint = "the file was cut short or is not XML; fetch it again, or correct 'format' and 'encoding'";
    let failure = |text: &str, keys: &str| xml(text, keys, "").map(|read| read.rows_in).unwrap_err().to_string();
    for (text, what) in [
        ("<r><i><a>1</a></i>", "the XML is truncated"),
        ("<r><i><a>1</a>", "the XML is truncated"),
        ("<r><i><a>1</", "the XML is truncated"),
        ("", "the file is empty"),
        ("id,name\n", "line 1: it is not XML: there is text outside of the root element"),
        ("<r><i><a>&secret;</a></i></r>", "line 1: it is not XML: '&secret;' is not known"),
        ("<r><i/></r><r/>", "line 1: it is not XML: there are two root elements"),
        ("<r>\n<!--\n--><i\na='\n'><a>\n\n&b;\n</a></i></r>", "line 7: it is not XML: '&b;' is not known"),
        ("<r>\r\n<i>\r\n<a></b></i></r>", "line 3: it is not XML: '<a>' ends with '</b>' at byte"),
        ("<r>\n<i><a>1</a>\n\n", "line 4: the XML is truncated"),
    ] {
        let error = failure(text, "records: r.i");
        assert!(error.starts_with("table 't': a.xml"), "{text}: {error}");
        assert!(error.contains(&format!(": {what}")), "{text}: {error}");
        assert!(text.is_empty() || error.ends_with(hint), "{error}");
    }
    assert_eq!(
        failure(CATALOG, "records: catalog.produkt"),
        "table 't': a.xml: there is no element 'catalog.produkt'; check 'records': did you mean 'catalog.product'?"
    );
    assert!(failure("<r/>", "encoding: utf-8").contains("the format xml needs 'records', the elements that are rows"));
    let csv = Project::with("a.csv", "a\n1\n").failure("source: {file: {path: a.csv, records: r.i}}");
    assert!(csv.contains("'records' is for xml, not for csv"), "{csv}");
    let error = table("source: {file: {path: a.xml, records: a..b}}").unwrap_err().to_string();
    assert!(error.contains("'a..b' under 'records' is not a dotted path such as catalog.product"), "{error}");
}

#[test]
fn entities_unfold_nothing_and_fetch_nothing() {
    // A billion laughs, and a file of this machine.
    let laughs =
        "<!DOCTYPE r [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY f SYSTEM \"file:///etc/passwd\">]>";
    for entity in ["b", "f", "a"] {
        let text = format!("{laughs}<r><i><a>&{entity};</a></i></r>");
        let error = xml(text, "records: r.i", "").map(|read| read.rows_in).unwrap_err().to_string();
        assert!(error.contains(&format!("'&{entity};' is not known")), "{error}");
    }
    let deep = format!("<r><i>{}{}</i></r>", "<a>".repeat(200), "</a>".repeat(200));
    let error = xml(deep, "records: r.i", "").map(|read| read.rows_in).unwrap_err().to_string();
    assert!(error.contains("'a' lies more than 100 levels deep"), "{error}");
    let long = format!("<r><i><a>{}</a></i></r>", "x".repeat(66 << 20));
    let error = xml(long, "records: r.i", "").map(|read| read.rows_in).unwrap_err().to_string();
    assert!(error.contains("a record of more than 64 MB; check 'records'"), "{error}");
}

/// Random records against what they were written from.
#[test]
fn random_records_come_back() {
    for seed in 0..60 {
        let mut random = Random::seeded(seed);
        let value = |random: &mut Random| -> String {
            let letters = ["a", "é", "<", "&", "\"", "'", ">", "7", "]]>", "가", "x y"];
            (0..1 + random.below(6)).map(|_| letters[random.below(letters.len() as u64) as usize]).collect()
        };
        let mut text = "<shop><list>".to_owned();
        let mut expected = Vec::new();
        for row in 1..=random.below(40) + 1 {
            let (id, name) = (random.below(1000), value(&mut random));
            let city = (random.below(3) > 0).then(|| value(&mut random));
            let escape = |text: &str| {
                text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
            };
            text.push_str(&format!("<other/><row id=\"{id}\"><name>{}</name>", escape(&name)));
            if let Some(city) = &city {
                text.push_str(&format!("<at><city>{}</city></at>", escape(city)));
            }
            text.push_str("</row>\n");
            expected.push(format!("{id}|{name}|{}|{row}", city.as_deref().unwrap_or("-")));
        }
        text.push_str("</list></shop>");
        let columns = "columns: {id: {type: int64, from: '@id'}, name: string, city: {type: string, from: at.city, optional: true}}";
        assert_eq!(xml(&text, "records: shop.list.row", columns).unwrap().table(), expected, "seed {seed}: {text}");
    }
}

/// An archive of these files, each packed or stored (APPNOTE.TXT 6.3.10, 4.3).
pub(super) fn zip(files: &[(&str, &[u8])], packed: bool) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let data = match packed {
            true => {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            false => bytes.to_vec(),
        };
        // Version, flags, method, time and date, sum, sizes, the lengths of the name and of more.
        let mut about = vec![20, 0, 0, 0, if packed { 8 } else { 0 }, 0, 0, 0, 0x21, 0x58];
        for number in [crc.sum(), data.len() as u32, bytes.len() as u32, name.len() as u32] {
            about.extend(number.to_le_bytes());
        }
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&about);
        directory.extend([0; 10]);
        directory.extend((archive.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&about);
        archive.extend(name.as_bytes());
        archive.extend(data);
    }
    let (at, count) = (archive.len() as u32, files.len() as u16);
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    archive.extend([(directory.len() as u32).to_le_bytes(), at.to_le_bytes()].concat());
    archive.extend([0, 0]);
    archive
}

#[test]
fn files_of_an_archive_are_read_where_they_lie() {
    let one: &[(&str, &[u8])] = &[("in/orders.csv", b"id,x\n1,a\n2,b\n"), ("__MACOSX/in/._orders.csv", b"junk")];
    for packed in [true, false] {
        let project = Project::with("may.zip", zip(one, packed));
        let read = project.read("source: {file: {path: may.zip}}").unwrap();
        assert_eq!(read.table(), ["1|a|2", "2|b|3"]);
        assert_eq!(read.rows.column("_file").unwrap().get(0).unwrap().to_string(), "\"may.zip/in/orders.csv\"");
    }
    let several: &[(&str, &[u8])] =
        &[("b.csv", b"id\n2\n"), ("a.csv", b"id\n1\n"), ("c.csv.gz", &gz(b"id\n3\n")), ("readme.txt", b"hello")];
    let project = Project::with("may.zip", zip(several, true)).and("june.zip", zip(&[("d.csv", b"id\n4\n")], true));
    let read =
        |keys: &str| project.read(&format!("source: {{file: {{path: may.zip, {keys}}}}}")).map(|read| read.table());
    assert_eq!(read("member: '*.csv'").unwrap(), ["1|2", "2|2"]);
    assert_eq!(read("member: c.csv.gz").unwrap(), ["3|2"]);
    let both = project.read("source: {file: {path: '*.zip', member: '[ad].csv'}}").unwrap();
    assert_eq!(both.table(), ["4|2", "1|2"]);
    let failure = |keys: &str| project.failure(&format!("source: {{file: {{path: may.zip{keys}}}}}"));
    assert_eq!(
        failure(""),
        "table 't': may.zip: the archive holds 4 files: a.csv, b.csv, c.csv.gz, readme.txt; say which make the table, such as \
         \"member: 'orders_*.csv'\""
    );
    assert_eq!(
        failure(", member: x.csv"),
        "table 't': may.zip: no file in it matches 'x.csv'; it holds: a.csv, b.csv, c.csv.gz, readme.txt"
    );
    let twice = Project::with("a.zip", zip(&[("a.csv", b"id\n1\n"), ("a.csv", b"id\n2\n")], true));
    assert_eq!(
        twice.failure("source: {file: {path: a.zip}}"),
        "table 't': a.zip: the archive holds several files of the same name; unpack the archive, and read its files"
    );
    let error = Project::with("a.csv", "id\n1\n").failure("source: {file: {path: a.csv, member: b.csv}}");
    assert_eq!(error, "table 't': a.csv: 'member' is for archives (.zip); leave 'member' out, or correct 'path'");
    let mut link = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    link.add_symlink("b.csv", "a.csv", ::zip::write::SimpleFileOptions::default()).unwrap();
    let link = link.finish().unwrap().into_inner();
    assert_eq!(
        Project::with("a.zip", link).failure("source: {file: {path: a.zip, header: false}}"),
        "table 't': a.zip/b.csv: the file is a link to another; unpack the archive, and read its files"
    );
    let error = Project::with("a.zip", zip(&[("a.parquet", b"PAR1")], true)).failure("source: {file: {path: a.zip}}");
    assert!(
        error.contains("a.zip/a.parquet: Parquet and workbooks are not read from an archive; unpack the archive"),
        "{error}"
    );
    assert!(
        Project::with("a.zip", "no archive")
            .failure("source: {file: {path: a.zip}}")
            .contains("a.zip: not a zip archive, or a damaged one")
    );
}

#[test]
fn files_without_records_and_archives_without_files_are_skipped() {
    let one = "<r><day>1</day><i><a>1</a></i></r>";
    let records = "source: {file: {path: '*.xml', records: r.i}}";
    for (empty, what) in [
        ("<r/>", "there is no element 'r.i'"),
        ("<?xml version='1.0'?>\n<r></r>", "there is no element 'r.i'"),
        ("<r><day>2</day></r>", "there is no element 'r.i'"),
        ("\u{feff}\n", "the file is empty"),
        (" \n", "the file is empty"),
    ] {
        for (first, last) in [(empty, one), (one, empty)] {
            let project = Project::with("a.xml", first).and("b.xml", last);
            let read = project.read(&format!("{records}\ncolumns: {{a: int64}}"));
            let read = read.unwrap_or_else(|error| panic!("{empty}: {error}"));
            let name = if first == empty { "a" } else { "b" };
            assert_eq!((read.table(), read.passed), (vec!["1|1".to_owned()], vec![format!("{name}.xml: {what}")]));
        }
    }
    // A path that leads nowhere in any file is misspelt, and another kind of file is none without records.
    let failure =
        Project::with("a.xml", one).and("b.xml", one).failure("source: {file: {path: '*.xml', records: r.day.i}}");
    assert_eq!(failure, "table 't': a.xml: there is no element 'r.day.i'; check 'records': did you mean 'r.day'?");
    let failure = Project::with("a.xml", one).and("b.xml", "<error/>").failure(records);
    assert!(failure.ends_with("b.xml: there is no element 'r.i'; check 'records': choose one of: error"), "{failure}");

    let full = zip(&[("a.csv", b"id\n1\n")], true);
    for empty in [zip(&[], true), Vec::new(), zip(&[("a.csv", b"")], true), zip(&[("a.csv", b"id\n")], true)] {
        for (keys, first, last) in [("", &full, &empty), ("", &empty, &full), (", member: '*.csv'", &empty, &full)] {
            let project = Project::with("a.zip", first).and("b.zip", last);
            let read = project.read(&format!("source: {{file: {{path: '*.zip'{keys}}}}}")).unwrap();
            assert_eq!((read.table(), read.passed.len()), (vec!["1|2".to_owned()], 1));
        }
    }
    let failure = Project::with("a.zip", zip(&[], true)).failure("source: {file: {path: a.zip}}");
    assert_eq!(failure, "table 't': a.zip: the archive holds no file; fetch it again");
}

#[test]
fn a_damaged_archive_publishes_nothing() {
    let text: String = (0..2000).map(|row| format!("{row},{}\n", row * 7919 % 1000)).collect();
    let whole = zip(&[("a.csv", format!("id,x\n{text}").as_bytes())], true);
    let stored = zip(&[("a.csv", format!("id,x\n{text}").as_bytes())], false);
    let (mut damaged, mut tried) = (0, 0);
    for seed in 0..150 {
        let mut random = Random::seeded(seed);
        let mut bytes = if seed % 2 == 0 { whole.clone() } else { stored.clone() };
        // Within the data: its sum does not hold any more.
        let at = 40 + random.below(bytes.len() as u64 - 150) as usize;
        bytes[at] ^= 1 << random.below(8);
        tried += 1;
        damaged += u32::from(Project::with("a.zip", &bytes).read("source: {file: {path: a.zip}}").is_err());
    }
    assert_eq!(damaged, tried);
}
