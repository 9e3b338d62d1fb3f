//! The frame of every page: title, way back, navigation, and the one style sheet.

use crate::{Address, Element, Html, el, link};

/// The style sheet: light and dark, phone and desktop, screen and paper.
pub const STYLE: &str = include_str!("style.css");

/// A script that pages can do without: it shows times in the reader's zone, and looks again while something runs.
pub const SCRIPT: &str = include_str!("script.js");

/// The picture that browsers put beside the title.
pub const ICON: &str = include_str!("icon.svg");

/// How a page finds its style sheet.
#[derive(Clone, Debug)]
pub enum Style {
    /// At an address of the same site.
    Linked(Address),
    /// Within the page: for a file that is opened on its own.
    Within,
}

/// A page under construction.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    site: String,
    style: Style,
    home: Address,
    script: Option<Address>,
    icon: Option<Address>,
    crumbs: Vec<(Html, Address)>,
    navigation: Vec<(Html, Address, bool)>,
    user: Html,
    refresh: Option<u32>,
    main: Html,
}

impl Page {
    /// `site` is in the head of each page, and after each title.
    pub fn new(site: impl Into<String>, title: impl Into<String>, style: Style) -> Page {
        Page {
            title: title.into(),
            site: site.into(),
            style,
            home: Address::home(),
            script: None,
            icon: None,
            crumbs: Vec::new(),
            navigation: Vec::new(),
            user: Html::new(),
            refresh: None,
            main: Html::new(),
        }
    }

    /// Where the first page is, if not at `/`.
    pub fn home(mut self, address: Address) -> Page {
        self.home = address;
        self
    }

    /// Where [`SCRIPT`] is.
    pub fn script(mut self, address: Address) -> Page {
        self.script = Some(address);
        self
    }

    /// Where [`ICON`] is.
    pub fn icon(mut self, address: Address) -> Page {
        self.icon = Some(address);
        self
    }

    /// Adds a page on the way from the first page to this one.
    pub fn crumb(mut self, name: impl Into<Html>, address: Address) -> Page {
        self.crumbs.push((name.into(), address));
        self
    }

    /// Adds a page beside this one.
    pub fn beside(mut self, name: impl Into<Html>, address: Address, is_this: bool) -> Page {
        self.navigation.push((name.into(), address, is_this));
        self
    }

    /// Who reads it, at the end of the head.
    pub fn user(mut self, user: impl Into<Html>) -> Page {
        self.user = user.into();
        self
    }

    /// Reloads after this many seconds, if scripts may run.
    pub fn refresh(mut self, seconds: u32) -> Page {
        self.refresh = Some(seconds);
        self
    }

    pub fn push(&mut self, part: impl Into<Html>) {
        self.main.push(part);
    }

    #[expect(clippy::should_implement_trait, reason = "nothing is summed here")]
    pub fn add(mut self, part: impl Into<Html>) -> Page {
        self.push(part);
        self
    }

    /// The whole document.
    pub fn render(self) -> String {
        let title =
            if self.title == self.site { self.site.clone() } else { format!("{} · {}", self.title, self.site) };
        let style = match &self.style {
            Style::Linked(address) => el("link").attr("rel", "stylesheet").href(address),
            Style::Within => el("style").add(Html::constant(STYLE)),
        };
        let head = el("head")
            .add(el("meta").attr("charset", "utf-8"))
            .add(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
            .add(el("meta").attr("name", "color-scheme").attr("content", "light dark"))
            .add(el("title").text(title))
            .add(style)
            .add(self.icon.map(|address| el("link").attr("rel", "icon").attr("type", "image/svg+xml").href(&address)))
            .add(self.script.map(|address| el("script").src(&address).flag("defer", true)));
        let is_first = self.crumbs.is_empty();
        let home = match &self.style {
            Style::Linked(_) => link(&self.home, self.site.as_str()).class("site"),
            Style::Within => el("span").class("site").text(&self.site),
        };
        let top = el("header").class("top").add(home).add(el("div").class("user").add(self.user));
        let crumbs = (!is_first).then(|| {
            let crumbs = self.crumbs.into_iter().map(|(name, address)| el("li").add(link(&address, name)));
            let here = el("li").attr("aria-current", "page").text(&self.title);
            el("nav").class("crumbs").attr("aria-label", "Breadcrumbs").add(el("ol").all(crumbs).add(here))
        });
        let beside = (!self.navigation.is_empty()).then(|| {
            let items = self.navigation.into_iter().map(|(name, address, is_this)| {
                let to = link(&address, name);
                el("li").add(if is_this { to.attr("aria-current", "page") } else { to })
            });
            el("nav").class("beside").attr("aria-label", "Pages").add(el("ul").all(items))
        });
        let main = el("main").attr("id", "main").attr("tabindex", "-1");
        let main = main.add(el("h1").text(&self.title)).add(self.main);
        let skip = el("a").class("skip").href(&Address::below("main")).text("Skip to the content");
        let body = el("body").attr_if("data-refresh", self.refresh);
        let body = body.add(skip).add(top).add(crumbs).add(beside).add(main);
        let html: Html = el("html").attr("lang", "en").add(head).add(body).into();
        format!("<!DOCTYPE html>\n{}\n", html.as_str())
    }
}

/// A part of a page with its heading.
pub fn section(heading: impl Into<Html>) -> Element {
    el("section").add(el("h2").add(heading))
}
