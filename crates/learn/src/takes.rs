//! The values that a parameter of a library takes.

/// No upper limit.
pub(crate) const ANY: f64 = f64::MAX;

/// The values of a parameter.
#[derive(Debug)]
pub(crate) enum ParameterType {
    Flag,
    /// A whole number from … to ….
    Whole(i64, i64),
    /// A number above 0, at most ….
    Above0(f64),
    /// A number from … to ….
    From(f64, f64),
    /// A number from …, below ….
    Below(f64, f64),
    Word(&'static [&'static str]),
}

impl ParameterType {
    /// The value as the library reads it, or what is wrong with it.
    pub fn read(&self, text: &str) -> Result<String, String> {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        let checked = |fits: bool, words: String| if fits { Ok(text.to_owned()) } else { Err(format!("not {words}")) };
        match self {
            ParameterType::Flag => checked(matches!(text, "true" | "false"), "true or false".to_owned()),
            ParameterType::Whole(least, most) => {
                let fits = text.parse::<i64>().is_ok_and(|number| (*least..=*most).contains(&number));
                checked(fits, format!("a whole number from {least} to {most}"))
            }
            ParameterType::Above0(most) => checked(
                number().is_some_and(|number| number > 0.0 && number <= *most),
                if *most < ANY {
                    format!("a number above 0 and at most {most}")
                } else {
                    "a number above 0".to_owned()
                },
            ),
            ParameterType::From(least, most) => checked(
                number().is_some_and(|number| number >= *least && number <= *most),
                if *most < ANY {
                    format!("a number from {least} to {most}")
                } else {
                    format!("a number from {least} up")
                },
            ),
            ParameterType::Below(least, most) => checked(
                number().is_some_and(|number| number >= *least && number < *most),
                format!("a number from {least} and below {most}"),
            ),
            ParameterType::Word([]) => Ok(text.to_owned()),
            ParameterType::Word(words) => checked(words.contains(&text), format!("one of {}", words.join(", "))),
        }
    }
}
