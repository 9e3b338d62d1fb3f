//! What the server says first, and how a password is proved without being sent.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use spec::{Error, Result};

use crate::packet::Parts;

/// What the server says first.
pub struct Greeting {
    pub capabilities: u32,
    /// What the proof of the password is bound to.
    pub scramble: Vec<u8>,
    pub plugin: String,
}

pub const WITH_DATABASE: u32 = 0x8;
pub const PROTOCOL_41: u32 = 0x200;
pub const TLS: u32 = 0x800;
pub const TRANSACTIONS: u32 = 0x2000;
pub const SECURE: u32 = 0x8000;
pub const PLUGIN: u32 = 0x8_0000;

impl Greeting {
    /// From the first packet; nothing if it is not of this protocol.
    pub fn read(payload: &[u8]) -> Option<Greeting> {
        let mut parts = Parts(payload);
        if parts.u8()? != 10 {
            return None;
        }
        parts.terminated();
        parts.u32()?;
        let mut scramble = parts.bytes(8)?.to_vec();
        parts.u8()?;
        let low = parts.u16()?;
        parts.u8()?;
        parts.u16()?;
        let high = parts.u16()?;
        let length = usize::from(parts.u8()?);
        parts.bytes(10)?;
        let rest = parts.bytes(length.saturating_sub(8).max(13))?;
        scramble.extend_from_slice(&rest[..12]);
        let plugin = String::from_utf8_lossy(parts.terminated()).into_owned();
        Some(Greeting { capabilities: u32::from(low) | u32::from(high) << 16, scramble, plugin })
    }
}

/// The answer to the server's scramble by the plugin that it names.
pub fn proof(plugin: &str, password: &str, scramble: &[u8]) -> Result<Vec<u8>> {
    let sha1 = |parts: &[&[u8]]| digest(&SHA1_FOR_LEGACY_USE_ONLY, parts);
    let sha256 = |parts: &[&[u8]]| digest(&SHA256, parts);
    let xor = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a ^ b).collect();
    match plugin {
        _ if password.is_empty() => Ok(Vec::new()),
        "mysql_native_password" => {
            let once = sha1(&[password.as_bytes()]);
            Ok(xor(&once, &sha1(&[scramble, &sha1(&[&once])])))
        }
        "caching_sha2_password" => {
            let once = sha256(&[password.as_bytes()]);
            Ok(xor(&once, &sha256(&[&sha256(&[&once]), scramble])))
        }
        other => Err(Error::cannot_run(format!(
            "the server wants to log in by '{}', which is not supported",
            other.escape_debug()
        ))
        .hint("let an administrator set mysql_native_password or caching_sha2_password for this user")),
    }
}

fn digest(algorithm: &'static ring::digest::Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by Python's hashlib, as the documentation of the two plugins says.
    #[test]
    fn passwords_are_proved_as_the_plugins_want() {
        let scramble = b"0123456789abcdefghij";
        let hex =
            |plugin| proof(plugin, "secret", scramble).unwrap().iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex("mysql_native_password"), "f5cac3f3b3df2133feb57db682c71e6ed433a988");
        assert_eq!(hex("caching_sha2_password"), "7e4adda2f2d5ef09b4147518becb0cee2939376203650a8c2bb2815959364bd0");
        assert!(proof("mysql_native_password", "", scramble).unwrap().is_empty());
        assert!(
            proof("dialog", "secret", scramble)
                .unwrap_err()
                .to_string()
                .starts_with("the server wants to log in by 'dialog'")
        );
    }
}
