//! Compresses an answer while it is made and sent, a piece at a time: neither it nor what becomes of it is ever in memory as a whole.

use std::io::{self, Write};
use std::mem::take;

use axum::Error;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::representation::Coding;

/// How far back a coder looks, as a power of two: lines of one metric are alike, and a megabyte a reader would be for nothing.
const WINDOW: u32 = 17;

/// A coder and what it has made.
enum Press {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
}

/// What is left of an answer.
struct Flow {
    plain: axum::body::BodyDataStream,
    press: Option<Press>,
}

/// The pieces of a body, compressed.
pub fn pressed(body: Body, coding: Coding) -> impl Stream<Item = Result<Bytes, Error>> {
    let begun = Press::new(coding).map(|press| Flow {
        plain: body.into_data_stream(),
        press: Some(press),
    });
    stream::unfold(Some(begun), |flow| async {
        match flow? {
            Ok(mut flow) => match flow.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(Ok(flow)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            },
            Err(error) => Some((Err(Error::new(error)), None)),
        }
    })
}

impl Flow {
    /// Nothing after the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(press) = &mut self.press {
            let Some(plain) = self.plain.next().await.transpose()? else {
                let last = self.press.take().map(Press::finish).transpose();
                return last.map_err(Error::new);
            };
            let coded = press.press(&plain).map_err(Error::new)?;
            // half a millisecond of work, after which others have their turn
            tokio::task::yield_now().await;
            if !coded.is_empty() {
                return Ok(Some(coded));
            }
        }
        Ok(None)
    }
}

impl Press {
    fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Zstd => {
                let mut coder = zstd::stream::write::Encoder::new(Vec::new(), 3)?;
                coder.window_log(WINDOW)?;
                Self::Zstd(coder)
            }
            Coding::Brotli => {
                let coder = brotli::CompressorWriter::new(Vec::new(), 4096, 4, WINDOW);
                Self::Brotli(Box::new(coder))
            }
            Coding::Gzip => {
                let level = flate2::Compression::new(4);
                Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), level))
            }
        })
    }

    /// What there is now, and nothing if the coder waits for more.
    fn press(&mut self, plain: &[u8]) -> io::Result<Bytes> {
        let made = match self {
            Self::Zstd(coder) => {
                coder.write_all(plain)?;
                coder.get_mut()
            }
            Self::Brotli(coder) => {
                coder.write_all(plain)?;
                coder.get_mut()
            }
            Self::Gzip(coder) => {
                coder.write_all(plain)?;
                coder.get_mut()
            }
        };
        Ok(take(made).into())
    }

    fn finish(self) -> io::Result<Bytes> {
        let made = match self {
            Self::Zstd(coder) => coder.finish()?,
            Self::Brotli(coder) => coder.into_inner(),
            Self::Gzip(coder) => coder.finish()?,
        };
        Ok(made.into())
    }
}
