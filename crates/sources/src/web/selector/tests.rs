use std::time::Duration;

use super::*;

/// The ids of the elements that match.
fn ids(html: &str, selector: &str) -> Vec<String> {
    let page = Document::parse(html, Duration::from_secs(60)).unwrap();
    let selector: Selector = selector.parse().unwrap_or_else(|why| panic!("{why}"));
    let found = selector.select(&page, 0);
    found.iter().map(|id| page.element(*id).unwrap().attribute("id").unwrap_or("-").to_owned()).collect()
}

const PAGE: &str = r#"<div id=list class="Big list">
  <p id=a class="row first" data-x="one two" lang=en-GB>A <b id=ab class=price>10</b></p>
  <h2 id=h>Title</h2>
  <p id=b class=row rel=NEXT>B <span id=bs><b id=bb class="price old">20</b></span></p>
  <p id=c class="row last" data-x=""><!-- nothing --></p>
  <section id=s><p id=d class=row>Area: <i id=i>84 m²</i></p></section>
</div>
<a id=l href="/list?page=2" title='x "y"'>next</a> <a id="1x" href="http://other/A.PDF">pdf</a>"#;

/// What the standard says of each, found by reading it.
#[test]
fn elements_are_found_as_the_standard_says() {
    for (selector, right) in [
        ("p", "a b c d"),
        ("P.row", "a b c d"),
        (".row", "a b c d"),
        (".Row", ""),
        (".row.last", "c"),
        ("#b", "b"),
        ("p#a, a, p#a", "a l 1x"),
        ("div p", "a b c d"),
        ("div > p", "a b c"),
        ("div>p>b", "ab"),
        ("div b", "ab bb"),
        ("h2 + p", "b"),
        ("h2 ~ p", "b c"),
        ("h2 ~ *", "b c s"),
        ("p ~ section > p > i", "i"),
        ("[data-x]", "a c"),
        ("[data-x='']", "c"),
        ("[data-x~=two]", "a"),
        ("[data-x~='one two']", ""),
        ("[lang|=en]", "a"),
        ("[lang|=EN]", "a"),
        ("[lang|=e]", ""),
        ("[rel=next]", "b"),
        ("[href^='/list']", "l"),
        ("[href$=\".pdf\"]", ""),
        ("[href$='.pdf' i]", "1x"),
        ("[href*=other]", "1x"),
        ("[href*='']", ""),
        ("[title='x \"y\"']", "l"),
        ("p:first-child", "a d"),
        ("p:last-child", "d"),
        ("div > :last-child", "s"),
        ("p:nth-child(2)", ""),
        ("p:nth-child(odd)", "a b d"),
        ("div > :nth-child(2n)", "h c"),
        ("div > :nth-child(-n + 2)", "a h"),
        ("div > :nth-child( n+4 )", "c s"),
        ("div > :nth-child(-2n+3)", "a b"),
        ("p:nth-of-type(2)", "b"),
        ("div > p:nth-last-of-type(1)", "c"),
        ("div > :nth-last-child(2)", "c"),
        ("p:only-child", "d"),
        ("i:only-of-type", "i"),
        ("p:not(.first, .last)", "b d"),
        ("p:not(section p)", "a b c"),
        (":is(h2, section) p", "d"),
        ("div > :is(h2,section)", "h s"),
        ("p:has(b)", "a b"),
        ("p:has(> b)", "a"),
        ("p:has(span b.old)", "b"),
        ("p:has(div b)", ""),
        ("p:has(+ h2)", "a"),
        ("p:has(~ section i)", "a b c"),
        ("p:contains('Area')", "d"),
        ("p:-soup-contains(\"B 20\")", "b"),
        ("h2:contains('title')", ""),
        ("p:empty", "c"),
        (":root > body > a", "l 1x"),
        ("#\\31 x", "1x"),
        ("[id='1x']", "1x"),
        ("\ta \n", "l 1x"),
        ("table", ""),
    ] {
        assert_eq!(ids(PAGE, selector).join(" "), right, "{selector}");
    }
}

#[test]
fn the_top_itself_counts() {
    let page = Document::parse("<ul><li id=a class=x><li id=b><a class=x>y</a></ul>", Duration::from_secs(9)).unwrap();
    let of = |selector: &str, top| selector.parse::<Selector>().unwrap().select(&page, top).len();
    let rows = "li".parse::<Selector>().unwrap().select(&page, 0);
    assert_eq!((of(".x", rows[0]), of("ul > .x", rows[0]), of("li > .x", rows[1])), (1, 1, 1));
}

#[test]
fn errors_say_what_is_wrong() {
    for (selector, right) in [
        ("", "a selector is missing"),
        ("a,", "a selector is missing"),
        ("> a", "it begins with a combinator"),
        ("a >", "a selector is missing"),
        (
            "a:hover",
            "':hover' is not known; choose one of: contains, empty, first-child, first-of-type, has, is, last-child, last-of-type, not, nth-child, nth-last-child, nth-last-of-type, nth-of-type, only-child, only-of-type, root, -soup-contains, where",
        ),
        ("a:nth-chld(2)", "':nth-chld' is not known; did you mean 'nth-child'?"),
        ("a::text", "'::text' and '::attr()' are not CSS; write 'attribute' beside 'select' for an attribute"),
        ("a:nth-child(2n+)", "'2n+' is not a place such as 2, odd, or 2n+1"),
        ("a:nth-child(n2)", "'n2' is not a place such as 2, odd, or 2n+1"),
        ("a[href", "']' is missing at its end"),
        ("a[href=/x]", "a name is missing; quote values, as in [href=\"/a\"]"),
        ("a[href='x]", "the quote ' is not closed"),
        ("a:not(b", "')' is missing at its end"),
        ("a:contains(b)", "the text of ':contains' stands in quotes"),
        ("a)", "')' is out of place"),
        ("svg|a", "namespaces are not known here"),
        ("#1x", "the name '1x' begins with a digit; use [id=\"1x\"]"),
        ("a $ b", "'$' is out of place"),
        ("//div[@class]", "'/' is out of place"),
        ("a\\", "it ends within an escape"),
    ] {
        let failure = selector.parse::<Selector>().unwrap_err();
        assert_eq!(failure, format!("'{}' is not a CSS selector: {right}", selector.trim()));
    }
    let deep = format!("{}a{}", ":not(".repeat(500), ")".repeat(500));
    assert!(deep.parse::<Selector>().unwrap_err().ends_with("it is nested more than 16 times"));
}
