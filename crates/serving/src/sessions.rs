//! Who is logged in: sessions in memory, each with its role, and the token that its forms carry.
//!
//! A session is known by a random number in a cookie; in memory is its hash. A restart ends all sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use spec::{Error, Result};

use crate::refusal::Refusal;
use crate::tokens::Role;

/// A session ends after this time whatever happens.
pub const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// And after this time without a request.
const IDLE: Duration = Duration::from_secs(2 * 3600);
/// Sessions that are kept; of the same token, or else of all, the one that was silent longest makes room.
const MOST: usize = 1000;

/// A logged-in user; without tokens the one session that everybody on this machine shares.
#[derive(Debug)]
pub struct Session {
    pub role: Role,
    /// As journals name them.
    pub who: String,
    /// What the forms of this session carry; no page of another site can know it.
    pub csrf: String,
}

impl Session {
    /// Whether `token` is that of this session's forms; compared in constant time.
    pub fn owns(&self, token: &str) -> bool {
        blake3::hash(token.as_bytes()) == blake3::hash(self.csrf.as_bytes())
    }

    /// Errors (403): the role may not do this.
    pub fn may(&self, needed: Role) -> std::result::Result<(), Refusal> {
        match self.role >= needed {
            true => Ok(()),
            false => {
                let (needed, role) = (needed.name(), self.role.name());
                let refusal = Refusal::new(StatusCode::FORBIDDEN, "role", format!("this needs the role {needed}"));
                Err(refusal.way_out(format!("you are logged in as {role}: log in with a token of the role {needed}")))
            }
        }
    }
}

struct Kept {
    session: Arc<Session>,
    began: Instant,
    seen: Instant,
}

/// All sessions of this server.
pub struct Sessions {
    by_hash: Mutex<HashMap<blake3::Hash, Kept>>,
    /// The shared session where there are no tokens.
    open: Option<Arc<Session>>,
    /// The only name under which a cookie counts: over TLS one without the prefix may come from another site of the domain.
    cookie: &'static str,
}

impl Sessions {
    /// `is_open`: there is no login, and every visitor has all rights. `is_secure`: browsers come over TLS.
    pub fn new(is_open: bool, is_secure: bool) -> Result<Sessions> {
        let open = match is_open {
            true => Some(Arc::new(Session { role: Role::Admin, who: spec::who(), csrf: secret()? })),
            false => None,
        };
        Ok(Sessions { by_hash: Mutex::default(), open, cookie: cookie_name(is_secure) })
    }

    /// Begins a session: what its cookie holds.
    pub fn begin(&self, role: Role, who: String) -> Result<String> {
        let (id, csrf) = (secret()?, secret()?);
        let now = Instant::now();
        let mut kept = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| is_alive(kept, now));
        if kept.len() >= MOST {
            // Who logs in again and again ends sessions of their own.
            let oldest = |all: &HashMap<blake3::Hash, Kept>, who: Option<&str>| {
                let of = all.iter().filter(|(_, kept)| who.is_none_or(|who| kept.session.who == who));
                of.min_by_key(|(_, kept)| kept.seen).map(|(hash, _)| *hash)
            };
            if let Some(oldest) = oldest(&kept, Some(&who)).or_else(|| oldest(&kept, None)) {
                kept.remove(&oldest);
            }
        }
        let session = Arc::new(Session { role, who, csrf });
        kept.insert(blake3::hash(id.as_bytes()), Kept { session, began: now, seen: now });
        Ok(id)
    }

    /// The session that the request belongs to.
    pub fn of(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        self.find(headers, Instant::now())
    }

    fn find(&self, headers: &HeaderMap, now: Instant) -> Option<Arc<Session>> {
        if let Some(open) = &self.open {
            return Some(open.clone());
        }
        let mut sessions = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        self.cookies(headers).find_map(|id| {
            let kept = sessions.get_mut(&blake3::hash(id.as_bytes())).filter(|kept| is_alive(kept, now))?;
            kept.seen = now;
            Some(kept.session.clone())
        })
    }

    /// Ends the session that the request belongs to.
    pub fn end(&self, headers: &HeaderMap) {
        let mut sessions = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        for id in self.cookies(headers) {
            sessions.remove(&blake3::hash(id.as_bytes()));
        }
    }

    /// The values of our cookies in a request.
    fn cookies<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> + use<'a> {
        let wanted = self.cookie;
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split(';')).filter_map(move |pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == wanted).then_some(value)
        })
    }
}

fn is_alive(kept: &Kept, now: Instant) -> bool {
    now.duration_since(kept.began) < LONGEST && now.duration_since(kept.seen) < IDLE
}

/// The cookie's name. Over TLS its prefix keeps other sites of the same domain from setting it.
pub fn cookie_name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-millrace" } else { "millrace" }
}

/// What a browser keeps for a session; of an empty `id` it forgets.
pub fn cookie(id: &str, is_secure: bool) -> String {
    let seconds = if id.is_empty() { 0 } else { LONGEST.as_secs() };
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", cookie_name(is_secure))
}

/// 256 random bits as text.
pub fn secret() -> Result<String> {
    let mut bytes = [0u8; 32];
    let random = tokio_rustls::rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| Error::cannot_run("the system gives no random numbers"))?;
    Ok(blake3::Hash::from_bytes(bytes).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(cookie: &str) -> HeaderMap {
        [(header::COOKIE, HeaderValue::from_str(cookie).unwrap())].into_iter().collect()
    }

    #[test]
    fn a_session_lasts_as_long_as_it_is_used_and_no_longer_than_half_a_day() {
        let sessions = Sessions::new(false, false).unwrap();
        let id = sessions.begin(Role::Operator, "operator".to_owned()).unwrap();
        let headers = with(&format!("a=b; millrace={id}; c=d"));
        let began = Instant::now();
        let at = |hours: f64| sessions.find(&headers, began + Duration::from_secs_f64(hours * 3600.0)).map(|s| s.role);
        assert_eq!(at(0.1), Some(Role::Operator));
        for hours in [1.9, 3.8, 5.7, 7.6, 9.5, 11.4] {
            assert_eq!(at(hours), Some(Role::Operator), "{hours}");
        }
        assert_eq!(at(12.1), None);
        let idle = sessions.begin(Role::Admin, "admin".to_owned()).unwrap();
        assert!(
            sessions.find(&with(&format!("millrace={idle}")), Instant::now() + Duration::from_secs(7201)).is_none()
        );
        assert!(sessions.of(&with("millrace=")).is_none() && sessions.of(&HeaderMap::new()).is_none());
    }

    #[test]
    fn who_logs_out_is_known_no_longer_and_others_are() {
        let sessions = Sessions::new(false, false).unwrap();
        let [one, two] = ["a", "b"].map(|who| sessions.begin(Role::Viewer, who.to_owned()).unwrap());
        sessions.end(&with(&format!("millrace={one}")));
        assert!(sessions.of(&with(&format!("millrace={one}"))).is_none());
        assert_eq!(sessions.of(&with(&format!("millrace={two}"))).unwrap().who, "b");
    }

    #[test]
    fn who_logs_in_again_and_again_ends_nobody_elses_session() {
        let sessions = Sessions::new(false, false).unwrap();
        let admin = sessions.begin(Role::Admin, "admin".to_owned()).unwrap();
        let first = sessions.begin(Role::Viewer, "viewer".to_owned()).unwrap();
        (0..MOST).for_each(|_| drop(sessions.begin(Role::Viewer, "viewer".to_owned()).unwrap()));
        assert!(sessions.of(&with(&format!("millrace={first}"))).is_none(), "there is no room for all of them");
        assert_eq!(sessions.of(&with(&format!("millrace={admin}"))).unwrap().who, "admin");
        assert!(sessions.by_hash.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn tokens_of_forms_belong_to_one_session() {
        let sessions = Sessions::new(false, false).unwrap();
        let of =
            |role| sessions.of(&with(&format!("millrace={}", sessions.begin(role, String::new()).unwrap()))).unwrap();
        let (one, two) = (of(Role::Viewer), of(Role::Viewer));
        assert!(one.owns(&one.csrf) && !one.owns(&two.csrf) && !one.owns(""));
        assert_eq!(one.csrf.len(), 64);
    }

    #[test]
    fn cookies_are_guarded() {
        // Each way of coming has its own name.
        for is_secure in [true, false] {
            let sessions = Sessions::new(false, is_secure).unwrap();
            let id = sessions.begin(Role::Viewer, String::new()).unwrap();
            let known = |name| sessions.of(&with(&format!("{name}={id}"))).is_some();
            assert_eq!((known("__Host-millrace"), known("millrace")), (is_secure, !is_secure));
        }
        assert_eq!(cookie("x", false), "millrace=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
        assert_eq!(cookie("x", true), "__Host-millrace=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure");
        assert!(cookie("", false).contains("Max-Age=0"));
    }
}
