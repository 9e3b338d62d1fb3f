//! The card as one self-contained page: it opens from a folder, without network.

use pages::Html;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

use crate::plots::Plot;

const STYLE: &str = "
:root { color-scheme: light; }
body { margin: 0; background: #f5f6f8; color: #262d38; font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 860px; margin: 2rem auto; padding: 1.5rem 3rem 3rem; background: #fff; border: 1px solid #e1e4e8; border-radius: 6px; }
h1 { font-size: 1.7rem; margin: 1rem 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid #e1e4e8; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; margin: .8rem 0; }
th, td { padding: .3rem .7rem; text-align: left; border-bottom: 1px solid #eceef1; vertical-align: top; }
th { color: #707987; font-weight: 600; white-space: nowrap; }
code { font: 12.5px ui-monospace, monospace; background: #f1f3f5; padding: .1em .3em; border-radius: 3px; overflow-wrap: anywhere; }
pre { background: #f1f3f5; padding: .8rem 1rem; border-radius: 4px; overflow-x: auto; }
pre code { padding: 0; }
svg { max-width: 100%; height: auto; display: block; margin: 1.2rem 0; }
@media print { body { background: #fff; } main { border: 0; margin: 0; padding: 0; max-width: none; } }
";

/// Renders `markdown` with its plots drawn in place.
pub fn page(title: &str, markdown: &str, plots: &[Plot]) -> String {
    let mut inside_image = false;
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Start(Tag::Image { dest_url, .. }) => {
            inside_image = true;
            let plot = plots.iter().find(|plot| dest_url.as_ref() == format!("plots/{}.svg", plot.name));
            plot.map(|plot| Event::InlineHtml(labelled(plot).into()))
        }
        Event::End(TagEnd::Image) => {
            inside_image = false;
            None
        }
        // The text of an image is already its label.
        _ if inside_image => None,
        // The card is made of names from the data: none of them may become markup.
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        event => Some(event),
    });
    let mut body = String::new();
    html::push_html(&mut body, events);
    let title = Html::text(title).into_string();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The drawing, with its title for those who cannot see it.
fn labelled(plot: &Plot) -> String {
    let title = Html::text(&plot.title);
    plot.svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", title.as_str()), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_stand_in_the_page_and_markup_in_names_does_not() {
        let plot = Plot { name: "roc", title: "A < B".to_owned(), svg: "<svg width=\"1\"></svg>".to_owned() };
        let html = page("churn <v1>", "# T\n\n![A < B](plots/roc.svg)\n\n<script>x</script> and <b>y</b>\n", &[plot]);
        assert!(html.contains("<svg role=\"img\" aria-label=\"A &lt; B\" width=\"1\"></svg>"), "{html}");
        assert!(html.contains("<title>churn &lt;v1&gt;</title>"));
        assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("<img"), "{html}");
    }

    #[test]
    fn tables_are_tables() {
        let html = page("t", "| a | b |\n|---|---|\n| 1 | 2 |\n", &[]);
        assert!(html.contains("<table>") && html.contains("<td>1</td>"), "{html}");
    }
}
