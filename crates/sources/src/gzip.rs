//! Text compressed by gzip: one member after the other, and zeros after the last, with which tapes and block devices are
//! filled up.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// What a member begins with.
pub(crate) const MAGIC: [u8; 2] = [0x1F, 0x8B];

/// Reads all members.
pub(crate) struct Gzip<R> {
    /// None after the last member.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    pub(crate) fn new(inner: R) -> Gzip<R> {
        Gzip { member: Some(GzDecoder::new(inner)) }
    }

    /// Moves on to the next member, if there is one.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let mut inner = member.into_inner();
        loop {
            let bytes = inner.fill_buf()?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            match (bytes.get(zeros), zeros) {
                (None, 0) => return Ok(()),
                (Some(_), 0) => {
                    self.member = Some(GzDecoder::new(inner));
                    return Ok(());
                }
                (None, zeros) => inner.consume(zeros),
                (Some(_), _) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "bytes follow the end of the compressed data",
                    ));
                }
            }
        }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(buffer)? {
                0 if !buffer.is_empty() => self.next_member()?,
                count => return Ok(count),
            }
        }
        Ok(0)
    }
}
