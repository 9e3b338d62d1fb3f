use super::*;

fn root() -> Node {
    crate::http::json_page::read(r#"{"body": {"items": [1, 2], "none": null, "empty": "", "n": "x"}, "total": 7}"#)
        .unwrap()
}

#[test]
fn a_path_leads_to_a_value_or_says_where_it_ends() {
    let root = root();
    let find = |path: &str| Path::new(path).find(&root).clone();
    assert!(matches!(find("body.items"), Found::Node(Node::List(nodes)) if nodes.len() == 2));
    assert!(matches!(find(""), Found::Node(Node::Map(_))), "the empty path is the answer itself");
    assert_eq!(find("body.none.item"), Found::Nothing);
    assert_eq!(find("body.empty.item"), Found::Nothing);
    assert_eq!(find("body.item"), Found::Missing("did you mean 'items'?".to_owned()));
    assert_eq!(find("body.n.item"), Found::Missing("'item' would stand in text".to_owned()));
    assert_eq!(find("body.n.#text"), Found::Node(&Node::Text("x".to_owned())));
    assert_eq!(Path::new("total").text(&root), Some("7"));
    assert_eq!(Path::new("body.empty").text(&root), None);
}

#[test]
fn a_value_is_taken_out() {
    let mut root = root();
    assert_eq!(Path::new("body.items").take(&mut root).json(), "[1,2]");
    assert_eq!(Path::new("body.items").take(&mut root), Node::Null);
    assert_eq!(Path::new("nowhere.at.all").take(&mut root), Node::Null);
}
