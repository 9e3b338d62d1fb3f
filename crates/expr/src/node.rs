//! An expression as checked: only what has a meaning here, and what is known about it without the types of columns.

use crate::functions::{Function, Kind};

/// One operation and what it works on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Column(String),
    Literal(Literal),
    Negate(Box<Node>),
    Not(Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    /// `||`
    Join(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    IsNull(Box<Node>),
    /// `IS TRUE`, `IS FALSE`.
    IsTruth(Box<Node>, bool),
    In(Box<Node>, Vec<Node>),
    Like {
        of: Box<Node>,
        pattern: Box<Node>,
        escape: Option<char>,
        any_case: bool,
    },
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
    },
    Cast {
        of: Box<Node>,
        to: Target,
        or_null: bool,
    },
    /// `EXTRACT`.
    Part(Part, Box<Node>),
    Call(&'static Function, Vec<Node>),
    Aggregate {
        function: &'static Function,
        of: Vec<Node>,
        distinct: bool,
        only: Option<Box<Node>>,
    },
    /// An aggregate or window function over the rows of its partition.
    Over {
        of: Box<Node>,
        partition: Vec<Node>,
        order: Vec<Order>,
        rows: bool,
    },
}

/// A value that is written in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    /// A whole number or one with a point or an exponent, as written.
    Number(String),
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01.
    Moment(i64),
    /// Nanoseconds since midnight.
    Time(i64),
    Interval(Interval),
}

/// A length of time: months and days are of the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Interval {
    pub months: i64,
    pub days: i64,
    pub micros: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    /// `/`: a float or null.
    Divide,
    /// `//`: a whole number.
    DivideWhole,
    /// `%`
    Remainder,
}

impl Arithmetic {
    pub fn sign(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::DivideWhole => "//",
            Arithmetic::Remainder => "%",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `IS DISTINCT FROM`: null is a value like others.
    Distinct,
    NotDistinct,
}

impl Comparison {
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "<>",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Distinct => "IS DISTINCT FROM",
            Comparison::NotDistinct => "IS NOT DISTINCT FROM",
        }
    }
}

/// What `CAST` can make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Bool,
    /// Width in bits; whether signed.
    Integer(u8, bool),
    Float32,
    Float64,
    Decimal(usize, usize),
    Text,
    Date,
    Moment,
    Time,
}

/// What `EXTRACT` takes out of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    /// Of the minute: seconds included, as in DuckDB.
    Millisecond,
    Microsecond,
    Epoch,
}

/// Every name of every part.
pub(crate) const PARTS: &[(&str, Part)] = &[
    ("year", Part::Year),
    ("years", Part::Year),
    ("isoyear", Part::IsoYear),
    ("quarter", Part::Quarter),
    ("quarters", Part::Quarter),
    ("month", Part::Month),
    ("months", Part::Month),
    ("week", Part::Week),
    ("weeks", Part::Week),
    ("isoweek", Part::Week),
    ("day", Part::Day),
    ("days", Part::Day),
    ("dow", Part::DayOfWeek),
    ("dayofweek", Part::DayOfWeek),
    ("isodow", Part::IsoDayOfWeek),
    ("doy", Part::DayOfYear),
    ("dayofyear", Part::DayOfYear),
    ("hour", Part::Hour),
    ("hours", Part::Hour),
    ("minute", Part::Minute),
    ("minutes", Part::Minute),
    ("second", Part::Second),
    ("seconds", Part::Second),
    ("millisecond", Part::Millisecond),
    ("milliseconds", Part::Millisecond),
    ("microsecond", Part::Microsecond),
    ("microseconds", Part::Microsecond),
    ("epoch", Part::Epoch),
];

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub by: Node,
    pub descending: bool,
    /// Where nulls stand; SQL as DuckDB speaks it puts them last.
    pub nulls_first: bool,
}

impl Node {
    /// The nodes right below.
    pub fn children(&self) -> Vec<&Node> {
        match self {
            Node::Column(_) | Node::Literal(_) => vec![],
            Node::Negate(of)
            | Node::Not(of)
            | Node::IsNull(of)
            | Node::IsTruth(of, _)
            | Node::Cast { of, .. }
            | Node::Part(_, of) => vec![of],
            Node::Arithmetic(_, left, right)
            | Node::Join(left, right)
            | Node::Compare(_, left, right)
            | Node::And(left, right)
            | Node::Or(left, right) => vec![left, right],
            Node::In(of, list) => [of.as_ref()].into_iter().chain(list).collect(),
            Node::Like { of, pattern, .. } => vec![of, pattern],
            Node::Case { branches, otherwise } => {
                let pairs = branches.iter().flat_map(|(when, then)| [when, then]);
                pairs.chain(otherwise.as_deref()).collect()
            }
            Node::Call(_, arguments) => arguments.iter().collect(),
            Node::Aggregate { of, only, .. } => of.iter().chain(only.as_deref()).collect(),
            Node::Over { of, partition, order, .. } => {
                let order = order.iter().map(|order| &order.by);
                [of.as_ref()].into_iter().chain(partition).chain(order).collect()
            }
        }
    }

    /// Whether `is` holds for this node or one below it.
    pub fn any(&self, is: &mut dyn FnMut(&Node) -> bool) -> bool {
        is(self) || self.children().into_iter().any(|child| child.any(is))
    }

    /// The columns, each once, in the order of the text.
    pub fn columns(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        self.any(&mut |node| {
            if let Node::Column(name) = node
                && !names.contains(name)
            {
                names.push(name.clone());
            }
            false
        });
        names
    }

    /// What makes it depend on other rows than its own, if anything does.
    pub fn beyond_its_row(&self) -> Option<&'static str> {
        match self {
            Node::Over { .. } => Some("a window"),
            Node::Aggregate { of, .. } if of.is_empty() => Some("a count of rows"),
            Node::Aggregate { .. } => Some("an aggregate"),
            Node::Call(function, _) if function.kind != Kind::Row => Some("a function of other rows"),
            _ => self.children().into_iter().find_map(Node::beyond_its_row),
        }
    }

    /// Whether it has one value for all rows: every column is in an aggregate, and no window is.
    pub fn is_one_value(&self) -> bool {
        match self {
            Node::Column(_) | Node::Over { .. } => false,
            Node::Aggregate { .. } => true,
            _ => self.children().into_iter().all(Node::is_one_value),
        }
    }
}
