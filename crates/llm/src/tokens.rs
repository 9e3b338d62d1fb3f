//! Counting tokens before they are paid.
//!
//! Counted with the tokenizer of GPT-4o and later (o200k). For models of other makers this is an estimate; what was
//! spent is what the server says.

use crate::prompt::Message;

/// Tokens that a message costs beside its text, and a conversation beside its messages: OpenAI's cookbook,
/// "How to count tokens with tiktoken".
const PER_MESSAGE: u64 = 3;
const PER_CONVERSATION: u64 = 3;

/// Tokens of a text.
pub fn of_text(text: &str) -> u64 {
    tiktoken_rs::o200k_base_singleton().count_ordinary(text) as u64
}

/// Tokens of a conversation. A role is one token.
pub fn of_messages(messages: &[Message]) -> u64 {
    let texts: u64 = messages.iter().map(|message| PER_MESSAGE + 1 + of_text(&message.content)).sum();
    texts + PER_CONVERSATION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::Role;

    /// Reference: "hello world" is two tokens in o200k_base; the sums are those of the cookbook.
    #[test]
    fn counts_like_the_cookbook() {
        assert_eq!(of_text("hello world"), 2);
        let messages = [Message::new(Role::System, "hello world"), Message::new(Role::User, "hello world")];
        assert_eq!(of_messages(&messages), 2 * (3 + 1 + 2) + 3);
    }
}
