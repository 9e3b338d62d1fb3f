//! Bodies of answers that are compressed: as a header says, or by gzip unasked.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::exchange::LARGEST;
use crate::gzip::{Gzip, MAGIC};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all, or by gzip, as its first bytes tell: some services use it unasked, others announce it and do not.
    Told,
    /// Zlib, or as some servers understand it, without its frame.
    Deflate,
    Brotli,
    Zstd,
}

impl Packing {
    /// What a header `Content-Encoding` names; `None` of what is not read, such as several one after the other.
    pub(crate) fn named(by: &str) -> Option<Packing> {
        match by {
            "" | "identity" | "gzip" | "x-gzip" => Some(Packing::Told),
            "deflate" => Some(Packing::Deflate),
            "br" => Some(Packing::Brotli),
            "zstd" => Some(Packing::Zstd),
            _ => None,
        }
    }

    /// The body as it was before.
    ///
    /// Errors: damaged, cut short, or too large.
    pub(crate) fn unpacked(self, body: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        let mut all = |read: &mut dyn Read| read.take(LARGEST as u64 + 1).read_to_end(&mut text).map(drop);
        let read = match self {
            _ if body.starts_with(&MAGIC) => all(&mut Gzip::new(body.as_slice())),
            Packing::Told => return Ok(body),
            Packing::Brotli => all(&mut brotli::Decompressor::new(body.as_slice(), 1 << 12)),
            Packing::Zstd => zstd::Decoder::with_buffer(body.as_slice()).and_then(|mut decoder| all(&mut decoder)),
            // Without its frame, a body may begin like one that has it.
            Packing::Deflate => {
                inflated(&body, true).or_else(|_| inflated(&body, false)).map(|inflated| text = inflated)
            }
        };
        match read {
            Ok(()) if text.len() <= LARGEST => Ok(text),
            Ok(()) => Err(format!("the answer unpacks to more than {} MiB", LARGEST >> 20)),
            Err(error) => Err(format!("the answer is compressed, and cannot be unpacked: {error}")),
        }
    }
}

/// What was compressed by deflate, with the frame of zlib or without; cut off once it is too large.
fn inflated(body: &[u8], has_frame: bool) -> io::Result<Vec<u8>> {
    const STEP: usize = 1 << 16;
    let (mut inflate, mut text) = (Decompress::new(has_frame), Vec::new());
    while text.len() <= LARGEST {
        text.reserve(STEP);
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress_vec(&body[read as usize..], &mut text, FlushDecompress::None)?;
        let is_stuck = (inflate.total_in(), inflate.total_out()) == (read, written);
        match status {
            Status::StreamEnd if inflate.total_in() as usize == body.len() => break,
            Status::StreamEnd => return Err(io::Error::other("bytes follow the end of the compressed data")),
            _ if is_stuck => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn bodies_are_unpacked_as_their_header_says() {
        let plain: Vec<u8> = (0..200_000u32).flat_map(|at| (at * at % 1_009).to_le_bytes()).collect();
        let packed = |by: &str| -> Vec<u8> {
            match by {
                "gzip" => {
                    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                    encoder.write_all(&plain).and_then(|()| encoder.finish()).unwrap()
                }
                "deflate" => {
                    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                    encoder.write_all(&plain).and_then(|()| encoder.finish()).unwrap()
                }
                "raw" => {
                    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                    encoder.write_all(&plain).and_then(|()| encoder.finish()).unwrap()
                }
                "br" => {
                    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 1 << 12, 4, 20);
                    encoder.write_all(&plain).unwrap();
                    encoder.into_inner()
                }
                _ => zstd::encode_all(plain.as_slice(), 3).unwrap(),
            }
        };
        for (header, by) in
            [("gzip", "gzip"), ("", "gzip"), ("deflate", "deflate"), ("deflate", "raw"), ("br", "br"), ("zstd", "zstd")]
        {
            let packing = Packing::named(header).unwrap();
            let body = packed(by);
            assert!(packing.unpacked(body.clone()).unwrap() == plain, "{header} {by}");
            // Cut short anywhere it is refused, never read in part.
            for length in [body.len() / 3, body.len() - 5, body.len() - 1] {
                let error = packing.unpacked(body[..length].to_vec()).unwrap_err();
                assert!(error.starts_with("the answer is compressed, and cannot be unpacked: "), "{by}: {error}");
            }
        }
        assert_eq!(Packing::named("identity").unwrap().unpacked(b"[]".to_vec()).unwrap(), b"[]");
        assert_eq!([Packing::named("compress"), Packing::named("gzip, br")], [None, None]);
    }
}
