//! The files of an export, line by line, as they come over the wire.
//!
//! In comes a file of a manifest; out go its lines. Never more than one line and one piece of the answer are in memory.
//! Credentials go only where the manifest asks for them, and then only to the server's own origin. Without them a file is
//! fetched from the server's own host or one that the config names, and from nowhere else; one 307 may lead there.

use std::io::Write;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, Url};

use super::{ExportFile, ExportManifest};
use crate::domain::{Limits, limits};
use crate::fhir::client::{Client, ClientError, is_loopback, trouble};
use crate::json::nests_within;

/// A server that keeps its files elsewhere.
const TEMPORARY_REDIRECT: u16 = 307;
/// Packed bytes unpacked at a time: what comes out of them stays small however well they were packed.
const PIECE: usize = 8 * 1024;
/// The ratio of unpacked to packed bytes is looked at after this many.
const RATIO_AFTER: u64 = 1024 * 1024;
/// Bytes kept of a line that is too long, to tell what it is.
const HEAD_BYTES: usize = 4 * 1024;
/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A line of a file.
pub(crate) enum FileLine<'l> {
    Text(&'l [u8]),
    /// Longer than we read; passed over but for its beginning.
    TooLong(&'l [u8]),
    /// Nested deeper than we read; passed over.
    TooDeep,
}

/// A file that is being read.
pub(crate) struct FileLines {
    response: reqwest::Response,
    limits: Limits,
    /// A piece of the answer, and how much of it was taken.
    piece: Vec<u8>,
    taken: usize,
    packing: Packing,
    /// Unpacked, from the start of the line that is next.
    buffer: Vec<u8>,
    start: usize,
    packed: u64,
    unpacked: u64,
    ended: bool,
    /// Within a line that is too long, its rest is thrown away.
    skipping: bool,
    /// The beginning of the last line that was too long.
    head: Vec<u8>,
}

/// Whether a file was packed by hand: what the connection packs is unpacked before it gets here.
enum Packing {
    Unknown,
    Plain,
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
}

impl Client {
    /// Opens a file of an export; without credentials also on one of these hosts, in small letters.
    ///
    /// # Errors
    /// `NotFound`, `Gone`, `Unauthorised`: its address has expired, perhaps. `ForeignExport`: it wants credentials on
    /// another origin, lies on a host that nobody named, or would send people's data unencrypted. Any other [`ClientError`].
    pub(crate) async fn open_file(
        &self,
        manifest: &ExportManifest,
        item: &ExportFile,
        hosts: &[String],
    ) -> Result<FileLines, ClientError> {
        let token = manifest.requires_token;
        let url = &item.url;
        if token && self.own_link(url, url.as_str()).is_none() {
            return Err(ClientError::ForeignExport);
        }
        let mut response = self.open_one(url, token, hosts).await?;
        if response.status().as_u16() == TEMPORARY_REDIRECT {
            let link = response.headers().get(LOCATION);
            let link = link.and_then(|link| link.to_str().ok());
            let next = link.and_then(|link| url.join(link).ok());
            let next = next.ok_or(ClientError::ForeignExport)?;
            response = self.open_one(&next, token, hosts).await?;
        }
        match response.status().as_u16() {
            200 => Ok(FileLines::new(response, self.settings.limits)),
            status @ (401 | 403) => Err(ClientError::Unauthorised { status }),
            404 => Err(ClientError::NotFound),
            410 => Err(ClientError::Gone),
            status @ (408 | 425 | 429 | 500..=599) => {
                let asked = self.asked_wait(response.headers());
                Err(ClientError::in_trouble(status, asked))
            }
            status => Err(ClientError::Refused { status, code: None }),
        }
    }
}

impl Client {
    /// Opens an address: with credentials on the server's own origin, if that is wished, else without them on its own host
    /// or on one of these.
    async fn open_one(
        &self,
        url: &Url,
        token: bool,
        hosts: &[String],
    ) -> Result<Response, ClientError> {
        if let Some(own) = self.own_link(url, url.as_str()).filter(|_| token) {
            let request = self.request(Method::GET, own);
            return self.open(dressed(request)).await;
        }
        let clean = url.username().is_empty() && url.password().is_none();
        let closed = url.scheme() == "https" || url.scheme() == "http" && is_loopback(url);
        let named = url.host_str().is_some_and(|host| {
            self.is_own_host(host) || hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
        });
        if !(clean && closed && named) {
            return Err(ClientError::ForeignExport);
        }
        let request = self.bare_request(Method::GET, url.clone());
        self.open_bare(dressed(request)).await
    }
}

/// A request for a file of lines, with the time that it may take.
fn dressed(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    let ndjson = HeaderValue::from_static("application/fhir+ndjson");
    request
        .headers(HeaderMap::from_iter([(ACCEPT, ndjson)]))
        .timeout(Duration::from_secs(limits::EXPORT_FILE_SECONDS))
}

impl FileLines {
    fn new(response: reqwest::Response, limits: Limits) -> Self {
        Self {
            response,
            limits,
            piece: Vec::new(),
            taken: 0,
            packing: Packing::Unknown,
            buffer: Vec::new(),
            start: 0,
            packed: 0,
            unpacked: 0,
            ended: false,
            skipping: false,
            head: Vec::new(),
        }
    }

    /// Bytes that came so far, unpacked.
    pub(crate) fn bytes(&self) -> u64 {
        self.unpacked
    }

    /// The next line that is not empty; `None` after the last.
    ///
    /// # Errors
    /// The connection was lost, or the file is larger than we read.
    pub(crate) async fn next(&mut self) -> Result<Option<FileLine<'_>>, ClientError> {
        let mut looked = self.start;
        let (from, to, skipped) = loop {
            let rest = self.buffer.get(looked..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (from, to) = (self.start, looked + end.unwrap_or(rest.len()));
            if end.is_some() || self.ended {
                if end.is_none() && from == to && !self.skipping {
                    return Ok(None);
                }
                self.start = to + usize::from(end.is_some());
                looked = self.start;
                let skipped = std::mem::take(&mut self.skipping);
                if skipped || !self.text(from, to).is_empty() {
                    break (from, to, skipped);
                }
                continue;
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.len() > self.limits.resource_bytes_max + 1 {
                if !self.skipping {
                    self.keep_head(0, self.buffer.len());
                }
                self.buffer.clear();
                self.skipping = true;
            }
            looked = self.buffer.len();
            self.more().await?;
        };
        if skipped {
            return Ok(Some(FileLine::TooLong(&self.head)));
        }
        if self.text(from, to).len() > self.limits.resource_bytes_max {
            self.keep_head(from, to);
            return Ok(Some(FileLine::TooLong(&self.head)));
        }
        let text = self.text(from, to);
        if !nests_within(text, self.limits.json_depth_max) {
            return Ok(Some(FileLine::TooDeep));
        }
        Ok(Some(FileLine::Text(text)))
    }

    fn keep_head(&mut self, from: usize, to: usize) {
        let line = self.buffer.get(from..to.min(from + HEAD_BYTES));
        self.head = line.unwrap_or_default().to_vec();
    }

    fn text(&self, from: usize, to: usize) -> &[u8] {
        self.buffer.get(from..to).unwrap_or_default().trim_ascii()
    }

    /// Takes a little more of the answer into the buffer.
    async fn more(&mut self) -> Result<(), ClientError> {
        if self.taken == self.piece.len() {
            let Some(piece) = self
                .response
                .chunk()
                .await
                .map_err(|error| trouble(&error))?
            else {
                self.ended = true;
                return self.unpack_rest();
            };
            self.piece.clear();
            self.piece.extend_from_slice(&piece);
            self.taken = 0;
        }
        let end = self.piece.len().min(self.taken + PIECE);
        let part = self.piece.get(self.taken..end).unwrap_or_default();
        self.taken = end;
        self.packed += part.len() as u64;
        if matches!(self.packing, Packing::Unknown) && self.packed >= 2 {
            let begun = [self.buffer.as_slice(), part].concat();
            self.packing = if begun.starts_with(&GZIP) {
                Packing::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new())))
            } else {
                Packing::Plain
            };
            self.buffer.clear();
            return self.take(&begun);
        }
        let part = part.to_vec();
        self.take(&part)
    }

    fn take(&mut self, part: &[u8]) -> Result<(), ClientError> {
        let before = self.buffer.len();
        match &mut self.packing {
            Packing::Unknown | Packing::Plain => self.buffer.extend_from_slice(part),
            Packing::Gzip(decoder) => {
                decoder.write_all(part).map_err(|_| broken())?;
                self.buffer.append(decoder.get_mut());
            }
        }
        self.count(before)
    }

    fn unpack_rest(&mut self) -> Result<(), ClientError> {
        let before = self.buffer.len();
        if let Packing::Gzip(decoder) = &mut self.packing {
            decoder.try_finish().map_err(|_| broken())?;
            self.buffer.append(decoder.get_mut());
        }
        self.count(before)
    }

    fn count(&mut self, before: usize) -> Result<(), ClientError> {
        self.unpacked += (self.buffer.len() - before) as u64;
        fits(&self.limits, self.unpacked, self.packed)
    }
}

/// Whether a file may go on: neither too large, nor too large for what came over the wire.
fn fits(limits: &Limits, unpacked: u64, packed: u64) -> Result<(), ClientError> {
    let (max, ratio) = (limits.bulk_file_bytes_max, limits.unpacked_ratio_max);
    if unpacked > max {
        return Err(ClientError::FileTooLarge { max });
    }
    if unpacked > RATIO_AFTER && unpacked / ratio > packed {
        return Err(ClientError::UnpacksTooFar { ratio });
    }
    Ok(())
}

/// A packed file that ends too early or is damaged: it may come whole another time.
fn broken() -> ClientError {
    ClientError::passing("packed file damaged", None, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::client::Settings;

    #[test]
    fn a_file_may_unpack_to_so_many_times_its_size_and_to_so_many_bytes() {
        for limits in [Limits::default(), Limits::ceilings()] {
            limits::holds_at(limits.unpacked_ratio_max, |ratio| {
                fits(&limits, RATIO_AFTER * ratio, RATIO_AFTER).is_ok()
            });
            limits::holds_at(limits.bulk_file_bytes_max, |bytes| {
                fits(&limits, bytes, bytes).is_ok()
            });
        }
        let usual = Limits::default();
        assert!(
            fits(&usual, RATIO_AFTER, 1).is_ok(),
            "too little to judge by"
        );
        let bomb = fits(&usual, RATIO_AFTER + 1, 1).unwrap_err();
        let key = "raise [limits] unpacked_ratio_max";
        assert!(bomb.how_to_raise().is_some_and(|fix| fix.contains(key)));
        let large = fits(&usual, usual.bulk_file_bytes_max + 1, u64::MAX).unwrap_err();
        let key = "raise [limits] bulk_file_bytes_max";
        assert!(large.how_to_raise().is_some_and(|fix| fix.contains(key)));
    }

    #[test]
    fn a_file_may_take_so_many_seconds() {
        let client = Client::new(Settings::new("http://127.0.0.1:9/fhir")).unwrap();
        let url = "http://127.0.0.1:9/file".parse().unwrap();
        let request = dressed(client.bare_request(Method::GET, url));
        let time = *request.build().unwrap().timeout().unwrap();
        limits::holds_at(limits::EXPORT_FILE_SECONDS, |seconds| {
            Duration::from_secs(seconds) <= time
        });
    }
}
