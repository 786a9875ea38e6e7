//! Request parameters as they arrived: a list of names and values.

use crate::RefusalReason;

/// The parameters of one request, from a query string or a form body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    /// [`RefusalReason::MalformedRequest`] when the decoded text is not UTF-8 or holds a NUL.
    pub fn parse(text: &[u8]) -> Result<Self, RefusalReason> {
        match Self::read(text) {
            (params, true) => Ok(params),
            (_, false) => Err(RefusalReason::MalformedRequest),
        }
    }

    /// Reads what can be read, and says whether that was all of it: a silent request of a known
    /// application must be answered there, however broken the rest of it is.
    pub fn read(text: &[u8]) -> (Self, bool) {
        let mut pairs = Vec::new();
        let mut whole = true;
        for part in text.split(|b| *b == b'&').filter(|part| !part.is_empty()) {
            match read_pair(part) {
                Some(pair) => pairs.push(pair),
                None => whole = false,
            }
        }
        (Self(pairs), whole)
    }

    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The value of `name`. An empty value counts as absent (RFC 6749 section 3.1).
    ///
    /// # Errors
    /// [`RefusalReason::RepeatedParameter`] when it was sent more than once (same section).
    pub fn get(&self, name: &str) -> Result<Option<&str>, RefusalReason> {
        let mut values = self.0.iter().filter(|(n, _)| n == name);
        let first = values.next();
        if values.next().is_some() {
            return Err(RefusalReason::RepeatedParameter);
        }
        Ok(first.map(|(_, v)| v.as_str()).filter(|v| !v.is_empty()))
    }

    /// The first value of `name`, for parameters where a repeat does no harm.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// Whether `name` was sent at all, with or without a value (`federated` has none).
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    pub fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.iter())
            .finish()
    }
}

fn read_pair(part: &[u8]) -> Option<(String, String)> {
    let (name, value) = form_urlencoded::parse(part).next()?;
    // form_urlencoded decodes lossily; a replacement character that was not sent as one means that
    // the bytes were not UTF-8.
    let replaced = |decoded: &str| decoded.contains('\u{fffd}');
    let sent = part
        .windows(9)
        .any(|w| w.eq_ignore_ascii_case(b"%EF%BF%BD"))
        || std::str::from_utf8(part).is_ok_and(replaced);
    let unreadable = (replaced(&name) || replaced(&value)) && !sent;
    let has_nul = name.contains('\0') || value.contains('\0');
    (!unreadable && !has_nul).then(|| (name.into_owned(), value.into_owned()))
}
