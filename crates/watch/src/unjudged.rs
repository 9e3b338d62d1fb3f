//! Why a line of a report could not fail.

/// Why a line was not judged, from what is least known to what is most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unjudged {
    /// It is of a version that is not in production.
    OtherVersion,
    /// It has fewer rows than this, `min_rows`.
    FewRows(u32),
    /// The metric has no value on its rows, such as the AUC of one class.
    Undefined,
    /// The card has no figure of the test part.
    NoFigure,
    /// The figure of the test part is 0, of which nothing is a share.
    FigureOfZero,
}

impl Unjudged {
    /// Why a line of so many rows with this value is not judged; `None` if it is.
    pub(crate) fn of(rows: u64, min_rows: u32, value: Option<f64>, test: Option<f64>) -> Option<Unjudged> {
        match (value, test) {
            _ if rows < u64::from(min_rows) => Some(Unjudged::FewRows(min_rows)),
            (None, _) => Some(Unjudged::Undefined),
            (_, None) => Some(Unjudged::NoFigure),
            (_, Some(0.0)) => Some(Unjudged::FigureOfZero),
            _ => None,
        }
    }

    /// Why nothing was judged. `rows`: what the lines count, such as `outcomes`.
    pub(crate) fn in_words(self, rows: &str) -> String {
        match self {
            Unjudged::OtherVersion => format!("there are no {rows} of the version in production"),
            Unjudged::FewRows(least) => {
                format!("too few {rows} of the version in production to judge by, fewer than the {least} of 'min_rows'")
            }
            Unjudged::Undefined => format!("the metric is undefined on the {rows} of the version in production"),
            Unjudged::NoFigure => "the version in production has no figure of its test part to judge by".to_owned(),
            Unjudged::FigureOfZero => {
                "the version in production has a figure of 0 on its test part, of which nothing is a share".to_owned()
            }
        }
    }
}
