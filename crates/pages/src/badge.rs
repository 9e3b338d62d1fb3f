//! States as badges: a sign and a word, so that the colour is not needed.

use crate::{Element, el};

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Good,
    Warning,
    Bad,
    Running,
    /// Nothing is known, or nothing is to be done.
    Neutral,
}

impl State {
    fn sign(self) -> &'static str {
        match self {
            State::Good => "✓",
            State::Warning => "▲",
            State::Bad => "✕",
            State::Running => "↻",
            State::Neutral => "–",
        }
    }

    fn class(self) -> &'static str {
        match self {
            State::Good => "badge good",
            State::Warning => "badge warning",
            State::Bad => "badge bad",
            State::Running => "badge running",
            State::Neutral => "badge neutral",
        }
    }
}

/// A state in a word.
pub fn badge(state: State, word: &str) -> Element {
    let sign = el("span").attr("aria-hidden", "true").text(state.sign());
    el("span").class(state.class()).add(sign).text(' ').text(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Html;

    #[test]
    fn a_state_has_a_sign_and_a_word() {
        assert_eq!(
            Html::from(badge(State::Bad, "failed")).as_str(),
            "<span class=\"badge bad\"><span aria-hidden=\"true\">✕</span> failed</span>"
        );
    }
}
