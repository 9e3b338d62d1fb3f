//! `html`: a page for people. What it shows is in [`crate::report`].

use spec::{Error, Result};

use crate::sink::{Destination, Kind, Sink, Target};

pub(crate) struct Html;

impl Kind for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn extension(&self) -> &'static str {
        "html"
    }

    fn about(&self) -> &'static str {
        "A page for people: tables, charts, and what the registry of models and the run log say, in one file of at most 1 MB \
         that needs no network."
    }

    fn destination(&self) -> Destination {
        Destination::Page
    }

    fn begin<'a>(&self, target: Target<'a>) -> Result<Box<dyn Sink + 'a>> {
        Err(Error::cannot_run(format!("{}: a page is not written row by row", target.place)))
    }
}
