//! Tells people: Slack, mail, a command
