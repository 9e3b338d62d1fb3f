//! Texts that want to be markup, and a parser that says whether they are.

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::*;

pub(crate) const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title><script>",
    "]]><!--",
    "--><svg onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt; &#x3c;script&#x3e; &amp",
    "\u{0}\u{1}\u{8}\u{b}\u{1f}\u{7f}\u{85}",
    "\u{202e}txt.exe\u{202c} \u{fffe}",
    "a\r\nset-cookie: b=c",
    "{{7*7}} ${x} <%= y %>",
];

/// The names of all elements in order, and all texts. Panics if the markup is not well-formed, or a script, a style or an
/// event handler is in it.
#[track_caller]
pub(crate) fn parsed(markup: &str) -> (Vec<String>, String) {
    let mut reader = Reader::from_str(markup);
    reader.config_mut().check_end_names = true;
    let (mut names, mut texts, mut open) = (Vec::new(), String::new(), 0);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} in {markup}")) {
            Event::Eof => break,
            event @ (Event::Start(_) | Event::Empty(_)) => {
                open += i32::from(matches!(event, Event::Start(_)));
                let (Event::Start(element) | Event::Empty(element)) = event else { unreachable!() };
                names.push(element.name().as_ref().to_owned());
                for attribute in element.attributes() {
                    let attribute = attribute.unwrap_or_else(|error| panic!("{error} in {markup}"));
                    let name = attribute.key.as_ref().to_owned();
                    let value = attribute.value.to_string();
                    assert!(!name.starts_with("on") && name != "style", "{name} in {markup}");
                    if ["href", "src", "action"].contains(&name.as_str()) {
                        let is_local = value.starts_with('#') || value.starts_with('/') && !value.starts_with("//");
                        assert!(is_local, "{name}={value} in {markup}");
                    }
                }
            }
            Event::End(_) => open -= 1,
            Event::Text(text) => texts.push_str(&text),
            Event::GeneralRef(_) | Event::DocType(_) => {}
            other => panic!("{other:?} in {markup}"),
        }
    }
    assert_eq!(open, 0, "elements that do not end in {markup}");
    (names, texts)
}

/// A page with `text` wherever a text can be.
fn page(text: &str) -> String {
    let address = Address::to(&["pipelines", text]).with(text, text);
    let mut table = Table::new(text, [Column::text(text).sorted_by(address.clone()).in_order(Some(Order::Rising))]);
    table.row([text]);
    let form = Form::post(&address, text)
        .field(Field::line(text, text, text).help(text).required())
        .field(Field::choice(text, text, text, [(text, text)]))
        .hidden(text, text)
        .button(text);
    Page::new("Millrace", text, Style::Linked(Address::to(&["assets", "style.css"])))
        .icon(Address::to(&["assets", "icon.svg"]))
        .script(Address::to(&["assets", "script.js"]))
        .crumb(text, address.clone())
        .beside(text, address.clone(), true)
        .user(text)
        .refresh(3)
        .add(badge(State::Warning, text))
        .add(Facts::new().fact(text, text))
        .add(section(text).add(note(text)).add(table).add(form).add(link(&address, text)))
        .render()
}

#[test]
fn whatever_a_text_holds_the_page_is_the_same_page() {
    let (expected, _) = parsed(&page("plain"));
    for text in HOSTILE {
        let (names, _) = parsed(&page(text));
        assert_eq!(names, expected, "{text:?}");
    }
}

#[test]
fn mutated_texts_never_leave_their_place() {
    let (expected, _) = parsed(&page("plain"));
    let mut random = testkit::Random::seeded(11);
    for _ in 0..300 {
        let text: String = (0..random.below(12))
            .map(|_| match random.below(3) {
                0 => HOSTILE[random.below(HOSTILE.len() as u64) as usize].chars().next().unwrap_or('<'),
                1 => ['<', '>', '"', '\'', '&', '/', '=', ' ', '-', ']'][random.below(10) as usize],
                _ => char::from_u32(random.below(0x3000) as u32).unwrap_or('x'),
            })
            .collect();
        assert_eq!(parsed(&page(&text)).0, expected, "{text:?}");
    }
}

#[test]
fn a_page_has_its_landmarks() {
    let page = page("Runs");
    for part in [
        "<!DOCTYPE html>",
        "<html lang=\"en\">",
        "<title>Runs · Millrace</title>",
        "<a class=\"skip\" href=\"#main\">",
        "<main id=\"main\" tabindex=\"-1\"><h1>Runs</h1>",
        "<li aria-current=\"page\">Runs</li>",
        "<body data-refresh=\"3\">",
    ] {
        assert!(page.contains(part), "{part} not in {page}");
    }
    let file = Page::new("Millrace", "Report", Style::Within).render();
    assert!(file.contains("prefers-color-scheme: dark") && !file.contains("href=\"/"), "{file}");
}
