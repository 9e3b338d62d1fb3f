//! Who may do what: tokens with roles, from the environment. They are kept as hashes and compared in constant time.

use axum::http::{HeaderMap, StatusCode, header};
use spec::{Environment, Error, Result};

use crate::refusal::Refusal;

/// The rights of a user; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read results and pages.
    Viewer,
    /// Ask for predictions, report outcomes, start stages.
    Operator,
    /// Promote and roll back.
    Admin,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Role::Viewer => "SERVE_TOKEN_VIEWER",
            Role::Operator => "SERVE_TOKEN_OPERATOR",
            Role::Admin => "SERVE_TOKEN_ADMIN",
        }
    }
}

/// Shortest token: shorter ones can be guessed.
const SHORTEST: usize = 16;

/// The tokens of the environment, as hashes, each with its role and its name in journals.
pub struct Tokens(Vec<(blake3::Hash, Role, String)>);

impl Tokens {
    /// Reads `SERVE_TOKEN_VIEWER`, `SERVE_TOKEN_OPERATOR` and `SERVE_TOKEN_ADMIN`: one token each, or several with commas.
    ///
    /// Errors: a token of fewer than 16 characters.
    pub fn of(env: &Environment) -> Result<Tokens> {
        let mut tokens = Vec::new();
        for role in Role::ALL {
            let all: Vec<&str> =
                env.get(role.variable()).into_iter().flat_map(|all| all.split(',')).map(str::trim).collect();
            for (at, token) in all.iter().enumerate() {
                if token.len() < SHORTEST {
                    return Err(Error::cannot_run(format!(
                        "{}: a token has at least {SHORTEST} characters",
                        role.variable()
                    ))
                    .hint("make one with `openssl rand -hex 32`"));
                }
                let name = if all.len() == 1 { role.name().to_owned() } else { format!("{}-{}", role.name(), at + 1) };
                tokens.push((blake3::hash(token.as_bytes()), role, name));
            }
        }
        Ok(Tokens(tokens))
    }

    /// Whether there are tokens at all.
    pub fn are_given(&self) -> bool {
        !self.0.is_empty()
    }

    /// The role of a token, and its name in journals: `admin`, or `admin-2` for the second of several. Every known
    /// token is compared, each in constant time, so that time says nothing about them.
    pub fn owner(&self, token: &str) -> Option<(Role, &str)> {
        let hash = blake3::hash(token.as_bytes());
        self.0.iter().fold(None, |found, (known, role, name)| match *known == hash {
            true if found.is_none_or(|(known, _)| known < *role) => Some((*role, name.as_str())),
            _ => found,
        })
    }

    /// The name of the client in journals.
    pub fn who(&self, headers: &HeaderMap) -> String {
        match self.are_given() {
            true => bearer(headers).and_then(|token| self.owner(token)).map_or("unknown", |(_, name)| name).to_owned(),
            false => spec::who(),
        }
    }

    /// Whether the request may do what `needed` may.
    ///
    /// Errors: 401 without a known token, 403 with one of a lesser role.
    pub fn check(&self, headers: &HeaderMap, needed: Role) -> std::result::Result<Role, Refusal> {
        if !self.are_given() {
            return Ok(Role::Admin);
        }
        let role = match bearer(headers) {
            None => Err(Refusal::new(StatusCode::UNAUTHORIZED, "no_token", "this needs a token")
                .way_out("send the header `Authorization: Bearer TOKEN`")),
            Some(token) => self
                .owner(token)
                .map(|(role, _)| role)
                .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "unknown_token", "this token is not known")),
        }?;
        match role >= needed {
            true => Ok(role),
            false => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "role",
                format!("this needs the role {}, and the token has {}", needed.name(), role.name()),
            )),
        }
    }
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn tokens(pairs: &[(&str, &str)]) -> Result<Tokens> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Tokens::of(&Environment::new(pairs.collect()))
    }

    #[test]
    fn a_token_has_the_role_of_its_variable_and_those_below() {
        let tokens = tokens(&[
            ("SERVE_TOKEN_VIEWER", "viewer-viewer-viewer"),
            ("SERVE_TOKEN_ADMIN", "admin-admin-admin-1, admin-admin-admin-2"),
        ])
        .unwrap();
        let check = |value: Option<&'static str>, needed| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            tokens.check(&headers, needed).map_err(|refusal| (refusal.status.as_u16(), refusal.code))
        };
        assert_eq!(check(Some("Bearer viewer-viewer-viewer"), Role::Viewer), Ok(Role::Viewer));
        assert_eq!(check(Some("bearer admin-admin-admin-2"), Role::Operator), Ok(Role::Admin));
        assert_eq!(tokens.owner("admin-admin-admin-2"), Some((Role::Admin, "admin-2")));
        assert_eq!(tokens.owner("viewer-viewer-viewer"), Some((Role::Viewer, "viewer")));
        assert_eq!(check(Some("Bearer viewer-viewer-viewer"), Role::Operator), Err((403, "role")));
        assert_eq!(check(Some("Bearer viewer-viewer-viewe"), Role::Viewer), Err((401, "unknown_token")));
        assert_eq!(check(Some("Basic viewer-viewer-viewer"), Role::Viewer), Err((401, "no_token")));
        assert_eq!(check(None, Role::Viewer), Err((401, "no_token")));
    }

    #[test]
    fn short_tokens_are_refused_without_being_shown() {
        let error = tokens(&[("SERVE_TOKEN_ADMIN", "hunter2")]).err().unwrap().to_string();
        assert_eq!(
            error,
            "SERVE_TOKEN_ADMIN: a token has at least 16 characters; make one with `openssl rand -hex 32`"
        );
        assert!(!tokens(&[]).unwrap().are_given());
    }
}
