use super::*;
use crate::testing::{Made, span};

fn build(spans: Vec<Made>) -> Tree {
    Tree::build(spans.into_iter().map(Made::arc).collect()).expect("a tree")
}

fn shape(tree: &Tree) -> Vec<(usize, String)> {
    let name = |row: &Row| {
        row.span
            .as_ref()
            .map_or("lost".to_owned(), |span| span.name.clone())
    };
    tree.rows.iter().map(|row| (row.depth, name(row))).collect()
}

#[test]
fn children_follow_their_parent_in_order_of_time() {
    let tree = build(vec![
        span(3, "late").under(1).at(50, 10),
        span(1, "root").at(0, 100),
        span(2, "early").under(1).at(10, 20),
        span(4, "deep").under(2).at(12, 5),
    ]);
    let expected = [(0, "root"), (1, "early"), (2, "deep"), (1, "late")]
        .map(|(depth, name)| (depth, name.to_owned()));
    assert_eq!(shape(&tree), expected);
    assert_eq!(tree.total, 100.0);
}

#[test]
fn a_parent_that_never_arrived_is_a_row_of_its_own() {
    let tree = build(vec![
        span(2, "a").under(9).at(5, 10),
        span(3, "b").under(9).at(7, 10),
    ]);
    let expected = [(0, "lost"), (1, "a"), (1, "b")].map(|(depth, name)| (depth, name.to_owned()));
    assert_eq!(shape(&tree), expected);
    assert_eq!(
        (
            tree.orphans,
            tree.root_span().map(|span| span.name.as_str())
        ),
        (2, Some("a"))
    );
}

#[test]
fn parents_in_a_ring_are_shown_all_the_same() {
    let tree = build(vec![
        span(1, "a").under(2).at(0, 10),
        span(2, "b").under(1).at(1, 5),
        span(3, "self").under(3).at(2, 1),
    ]);
    assert_eq!(tree.rows.len(), 3);
}

#[test]
fn a_span_sent_twice_is_one_row() {
    assert_eq!(
        build(vec![span(1, "a").at(0, 10), span(1, "a").at(0, 10)])
            .rows
            .len(),
        1
    );
}

#[test]
fn a_childs_colour_is_its_parents_domain() {
    let tree = build(vec![
        span(1, "root").at(0, 10).with("campanile.domain", "chat"),
        span(2, "work").under(1).at(1, 5),
        span(3, "SELECT")
            .under(2)
            .at(2, 1)
            .with("db.system.name", "sqlite"),
    ]);
    let classes: Vec<_> = tree.rows.iter().map(|row| row.class).collect();
    assert_eq!(classes, ["chat", "chat", "db"]);
    assert_eq!(tree.split()[0].0, "chat");
}
