//! What a server can do wrong on demand.

use std::time::Duration;

/// Something that goes wrong. `times` counts requests; other faults last.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Answers with this status.
    Status { status: u16, times: u32 },
    /// Answers 429 and asks to wait this many seconds.
    RetryAfter { seconds: u64, times: u32 },
    /// Announces the whole answer, sends half of it and closes the connection.
    CutBody { times: u32 },
    /// Announces an answer of this many bytes more, and begins to send it.
    Announce(u64),
    /// Sends half of the answer as if it were whole.
    CutText { times: u32 },
    /// Reports an error of the service with status 200 (trades and leases).
    ServiceError { code: &'static str, message: &'static str, times: u32 },
    /// Says nothing until the server ends.
    NeverAnswer { times: u32 },
    /// The page of this number, from 1, holds the items of page `of`.
    RepeatPage { page: u64, of: u64 },
    /// The page of this number names page `to` as the next one.
    LeadBack { page: u64, to: u64 },
    /// The page of this number holds no items.
    MissingPage(u64),
    /// Every page announces this many items more than there are.
    TotalOffBy(i64),
    /// From this page on one more item is announced.
    TotalChangesAt(u64),
    /// Every answer takes this long.
    Delay(Duration),
}

impl Fault {
    /// Uses up one of its times; whether there was one left. Lasting faults have none.
    pub(crate) fn strikes(&mut self) -> bool {
        match self {
            Fault::Status { times, .. }
            | Fault::RetryAfter { times, .. }
            | Fault::CutBody { times }
            | Fault::CutText { times }
            | Fault::ServiceError { times, .. }
            | Fault::NeverAnswer { times } => {
                let left = *times > 0;
                *times = times.saturating_sub(1);
                left
            }
            Fault::Announce(_) => true,
            Fault::RepeatPage { .. }
            | Fault::LeadBack { .. }
            | Fault::MissingPage(_)
            | Fault::TotalOffBy(_)
            | Fault::TotalChangesAt(_)
            | Fault::Delay(_) => false,
        }
    }
}
