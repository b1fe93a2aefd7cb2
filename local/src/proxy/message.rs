//! HTTP/1.1, just as much as tells one message on a connection from the next. Bytes are handed on as
//! they came.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The largest head that is read, in bytes.
const MOST_HEAD: usize = 128 * 1024;
/// The longest line of a chunked body that is not data.
const MOST_LINE: usize = 8 * 1024;
/// What is read at once.
const PIECE: usize = 32 * 1024;

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// How long a message's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    /// Until the connection ends.
    Close,
}

/// The head of a message.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// As it came, with the empty line at its end.
    pub(crate) bytes: Vec<u8>,
    /// The request line or the status line.
    pub(crate) first: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: Vec<u8>) -> Result<Self> {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: Option<_> = lines.map(header).collect();
        Ok(Self {
            headers: headers.ok_or_else(|| broken("a header has no colon"))?,
            bytes,
            first,
        })
    }

    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name)?;
        Some(&found.1)
    }

    fn has(&self, name: &str, word: &str) -> bool {
        self.header(name)
            .is_some_and(|value| value.to_ascii_lowercase().contains(word))
    }

    fn length(&self) -> Result<Option<u64>> {
        let text = self.header("content-length");
        let length = text.map(str::parse).transpose();
        length.map_err(|_| broken("Content-Length is no number"))
    }

    pub(crate) fn framing_of_request(&self) -> Result<Framing> {
        if self.has("transfer-encoding", "chunked") {
            return Ok(Framing::Chunked);
        }
        Ok(Framing::Length(self.length()?.unwrap_or(0)))
    }

    pub(crate) fn framing_of_answer(&self, method: &str) -> Result<Framing> {
        if method == "HEAD" || matches!(self.status(), 100..=199 | 204 | 304) {
            return Ok(Framing::Length(0));
        }
        if self.has("transfer-encoding", "chunked") {
            return Ok(Framing::Chunked);
        }
        Ok(self.length()?.map_or(Framing::Close, Framing::Length))
    }

    /// The status of an answer; 0 if there is none.
    pub(crate) fn status(&self) -> u16 {
        let status = self.first.split(' ').nth(1);
        status.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The method of a request.
    pub(crate) fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    /// True if the sender waits for a word before it sends the body.
    pub(crate) fn expects_continue(&self) -> bool {
        self.has("expect", "100-continue")
    }

    /// True if the connection ends with this answer.
    pub(crate) fn is_last(&self) -> bool {
        let old = self.first.starts_with("HTTP/1.0") && !self.has("connection", "keep-alive");
        old || self.has("connection", "close")
    }
}

/// A connection's reading half with what was read ahead.
pub(crate) struct Reader<R> {
    from: R,
    ahead: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(from: R) -> Self {
        Self {
            from,
            ahead: Vec::new(),
        }
    }

    /// Reads some more. Nothing is lost if this is not waited for to its end.
    pub(crate) async fn more(&mut self) -> Result<usize> {
        self.ahead.reserve(PIECE);
        self.from.read_buf(&mut self.ahead).await
    }

    async fn must_have_more(&mut self) -> Result<()> {
        match self.more().await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.ahead.split_off(count.min(self.ahead.len()));
        std::mem::replace(&mut self.ahead, rest)
    }

    /// The next head; none if the connection ended before it began.
    pub(crate) async fn head(&mut self) -> Result<Option<Head>> {
        loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                return Head::parse(self.take(at + 4)).map(Some);
            }
            if self.ahead.len() > MOST_HEAD {
                return Err(broken("the head is too long"));
            }
            match self.more().await? {
                0 if self.ahead.is_empty() => return Ok(None),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    /// The beginning of the body that follows, which stays to be copied.
    pub(crate) async fn peek(&mut self, framing: Framing, most: usize) -> Result<&[u8]> {
        let wanted = match framing {
            Framing::Length(length) => usize::try_from(length).unwrap_or(most).min(most),
            // At least the empty last chunk is still to come.
            Framing::Chunked => 1,
            Framing::Close => 0,
        };
        while self.ahead.len() < wanted {
            self.must_have_more().await?;
        }
        let end = match framing {
            Framing::Length(_) => wanted,
            _ => self.ahead.len().min(most),
        };
        Ok(self.ahead.get(..end).unwrap_or_default())
    }

    /// Hands a body on.
    pub(crate) async fn copy(
        &mut self,
        framing: Framing,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<()> {
        match framing {
            Framing::Length(length) => self.copy_exactly(length, to).await?,
            Framing::Chunked => self.copy_chunks(to).await?,
            Framing::Close => loop {
                let piece = self.take(usize::MAX);
                to.write_all(&piece).await?;
                if self.more().await? == 0 {
                    break;
                }
            },
        }
        to.flush().await
    }

    async fn copy_exactly(
        &mut self,
        mut left: u64,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<()> {
        while left > 0 {
            if self.ahead.is_empty() {
                self.must_have_more().await?;
            }
            let piece = self.take(usize::try_from(left).unwrap_or(usize::MAX));
            left = left.saturating_sub(piece.len() as u64);
            to.write_all(&piece).await?;
        }
        Ok(())
    }

    async fn copy_chunks(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
        loop {
            let line = self.line().await?;
            to.write_all(&line).await?;
            let text = String::from_utf8_lossy(&line);
            let size = text.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16)
                .ok()
                .filter(|size| *size < u64::MAX - 2)
                .ok_or_else(|| broken("the size of a chunk is no number"))?;
            if size == 0 {
                break;
            }
            self.copy_exactly(size + 2, to).await?;
        }
        // Trailers, and the empty line.
        loop {
            let line = self.line().await?;
            to.write_all(&line).await?;
            if line == b"\r\n" {
                return Ok(());
            }
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = find(&self.ahead, b"\r\n") {
                return Ok(self.take(at + 2));
            }
            if self.ahead.len() > MOST_LINE {
                return Err(broken("a line of a chunked body is too long"));
            }
            self.must_have_more().await?;
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn split(mut text: &[u8], framing: Option<Framing>) -> (Head, Vec<u8>, Vec<u8>) {
        let mut reader = Reader::new(&mut text);
        let head = reader.head().await.unwrap().unwrap();
        let framing = framing.unwrap_or_else(|| head.framing_of_request().unwrap());
        let mut body = Vec::new();
        reader.copy(framing, &mut body).await.unwrap();
        let rest = reader.take(usize::MAX);
        (head, body, rest)
    }

    #[tokio::test]
    async fn a_body_with_a_length_ends_there_and_the_next_request_begins() {
        let text = b"POST / HTTP/1.1\r\nX-Amz-Target: A.b\r\ncontent-length: 3\r\n\r\nabcGET";
        let (head, body, rest) = split(text, None).await;
        assert_eq!(head.first, "POST / HTTP/1.1");
        assert_eq!(head.header("x-amz-target"), Some("A.b"));
        assert_eq!((&*body, &*rest), (&b"abc"[..], &b"GET"[..]));
    }

    #[tokio::test]
    async fn chunks_are_handed_on_with_their_sizes_and_trailers() {
        let chunks = b"3;x=y\r\na\r\n\r\n1\r\nb\r\n0\r\nt: v\r\n\r\n";
        let mut text = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        text.extend(chunks);
        text.extend(b"GET");
        let (_, body, rest) = split(&text, None).await;
        assert_eq!((&*body, &*rest), (&chunks[..], &b"GET"[..]));
    }

    #[tokio::test]
    async fn answers_without_a_body_have_none_whatever_their_headers_say() {
        for (status, method, expected) in [
            ("204 No Content", "POST", Framing::Length(0)),
            ("200 OK", "HEAD", Framing::Length(0)),
            ("200 OK", "GET", Framing::Length(7)),
        ] {
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 7\r\n\r\n");
            let (head, _, _) = split(text.as_bytes(), Some(Framing::Length(0))).await;
            assert_eq!(head.framing_of_answer(method).unwrap(), expected);
        }
        let (head, _, _) = split(b"HTTP/1.0 200 OK\r\n\r\n", Some(Framing::Length(0))).await;
        assert_eq!(head.framing_of_answer("GET").unwrap(), Framing::Close);
        assert!(head.is_last());
    }
}
