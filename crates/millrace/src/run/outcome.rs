//! How a run went, in one line.

use std::time::Duration;

use spec::{Error, Exit, Tool};

use super::stage::Ended;

/// Longest part of a stage's last message that the line repeats, in characters.
pub const LONGEST: usize = 300;

/// The end of a run.
pub struct Outcome {
    pub exit: Exit,
    detail: String,
    /// The stage that stopped the run.
    pub stage: Option<Tool>,
    /// What the stages have not reported: that time ran out, or that retries did not help.
    pub gave_up: Option<String>,
}

impl Outcome {
    pub fn new(exit: Exit, detail: impl Into<String>) -> Outcome {
        Outcome { exit, detail: detail.into(), stage: None, gave_up: None }
    }

    pub fn of_error(error: &Error) -> Outcome {
        Outcome::new(Exit::from(error.class()), error.to_string())
    }

    /// What a stage's end means for the run, after so many retries; `None`: it continues. `said` is the stage's last message.
    pub fn of_stage(tool: Tool, ended: Ended, retries: u32, said: &str) -> Option<Outcome> {
        let said = spec::text::cut(said, LONGEST);
        let stopped = |exit, detail: String| Some(Outcome { stage: Some(tool), ..Outcome::new(exit, detail) });
        match ended {
            Ended::Code(0) => None,
            Ended::Code(code) => {
                let exit = Exit::ALL.into_iter().find(|exit| i32::from(exit.code()) == code).unwrap_or(Exit::CannotRun);
                let mut outcome = stopped(exit, format!("in {tool}: {said}"))?;
                if exit == Exit::TryAgain && retries > 0 {
                    outcome.gave_up = Some(format!("gave up after {retries} retries: {said}"));
                }
                Some(outcome)
            }
            Ended::Killed(signal) => {
                // Mostly the kernel, when memory runs out.
                let cause = if signal == libc::SIGKILL { ", probably out of memory" } else { "" };
                stopped(Exit::CannotRun, format!("in {tool}: ended by signal {signal}{cause}"))
            }
            Ended::TimedOut => {
                let detail = format!("in {tool}: stopped because its time ran out (time_out in schedule.yaml)");
                let mut outcome = stopped(Exit::TryAgain, detail.clone())?;
                outcome.gave_up = Some(detail);
                Some(outcome)
            }
            Ended::Interrupted => stopped(Exit::TryAgain, format!("in {tool}: interrupted")),
        }
    }

    /// `churn refused 4.1 s in clean: error: …`
    pub fn line(&self, pipeline: &str, took: Duration) -> String {
        let word = match self.exit {
            Exit::Done => "ok",
            Exit::Refused => "refused",
            Exit::CannotRun => "failed",
            Exit::TryAgain => "try again",
        };
        let line = format!("{pipeline} {word} {:.1} s {}", took.as_secs_f64(), self.detail);
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ended: Ended, retries: u32, said: &str) -> (Option<String>, Option<String>) {
        let outcome = Outcome::of_stage(Tool::Clean, ended, retries, said);
        let line = outcome.as_ref().map(|outcome| outcome.line("shop", Duration::from_millis(4120)));
        (line, outcome.and_then(|outcome| outcome.gave_up))
    }

    #[test]
    fn the_line_says_how_the_stage_ended() {
        assert_eq!(line(Ended::Code(0), 0, "x"), (None, None));
        let said = |ended| line(ended, 0, "error: clean shop: x").0.unwrap();
        assert_eq!(said(Ended::Code(1)), "shop refused 4.1 s in clean: error: clean shop: x");
        assert_eq!(said(Ended::Code(2)), "shop failed 4.1 s in clean: error: clean shop: x");
        assert_eq!(said(Ended::Code(75)), "shop try again 4.1 s in clean: error: clean shop: x");
        assert_eq!(said(Ended::Code(101)), "shop failed 4.1 s in clean: error: clean shop: x");
        assert_eq!(said(Ended::Killed(9)), "shop failed 4.1 s in clean: ended by signal 9, probably out of memory");
        assert_eq!(Outcome::new(Exit::Done, "").line("shop", Duration::ZERO), "shop ok 0.0 s");
    }

    #[test]
    fn people_are_notified_of_what_the_stage_could_not_say() {
        assert_eq!(line(Ended::Code(75), 0, "x").1, None);
        assert_eq!(line(Ended::Code(75), 3, "x").1.unwrap(), "gave up after 3 retries: x");
        assert!(line(Ended::TimedOut, 0, "x").1.unwrap().contains("its time ran out"));
        assert_eq!(line(Ended::Interrupted, 0, "x").1, None);
    }
}
