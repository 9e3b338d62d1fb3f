//! Packets: a length of three bytes, a number, and as many bytes.

use std::io::{self, Read, Write};

/// A packet of this size is followed by another that belongs to it.
const FULL: usize = 0xFF_FFFF;

/// Reads a whole packet; `sequence` becomes the number of the one that follows it.
pub fn read(from: &mut impl Read, sequence: &mut u8) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 4];
        from.read_exact(&mut head)?;
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        if head[3] != *sequence {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet is missing"));
        }
        *sequence = sequence.wrapping_add(1);
        // The length is the server's word: memory is taken as bytes come.
        let read = from.take(length as u64).read_to_end(&mut payload)?;
        if read < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if length < FULL {
            return Ok(payload);
        }
    }
}

/// Writes a payload as one or more packets.
pub fn write(to: &mut impl Write, sequence: &mut u8, payload: &[u8]) -> io::Result<()> {
    let mut rest = payload;
    loop {
        let (part, others) = rest.split_at(rest.len().min(FULL));
        let length = (part.len() as u32).to_le_bytes();
        to.write_all(&[length[0], length[1], length[2], *sequence])?;
        to.write_all(part)?;
        *sequence = sequence.wrapping_add(1);
        rest = others;
        if part.len() < FULL {
            return to.flush();
        }
    }
}

/// The parts of a payload, one after the other. Nothing comes from beyond its end.
pub struct Parts<'a>(pub &'a [u8]);

impl<'a> Parts<'a> {
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(part)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.bytes(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.bytes(4).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)))
    }

    /// A number of one to nine bytes.
    pub fn number(&mut self) -> Option<u64> {
        let wide = |parts: &mut Parts<'a>, count: usize| {
            let mut bytes = [0; 8];
            bytes[..count].copy_from_slice(parts.bytes(count)?);
            Some(u64::from_le_bytes(bytes))
        };
        match self.u8()? {
            0xFC => wide(self, 2),
            0xFD => wide(self, 3),
            0xFE => wide(self, 8),
            small => Some(u64::from(small)),
        }
    }

    /// Bytes with their length before them.
    pub fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.bytes(usize::try_from(length).ok()?)
    }

    /// Bytes up to a zero, or to the end.
    pub fn terminated(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let (part, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        part
    }
}
