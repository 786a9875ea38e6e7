//! Reading and writing cookies; a long value travels in several.

use http::{HeaderMap, HeaderValue, header};
use url::Url;

/// Bytes of a value in one cookie: browsers take 4096 for a cookie with its name and attributes.
const CHUNK: usize = 3700;

/// Cookies that one value may fill; more would make every request larger than servers accept.
const MOST_CHUNKS: usize = 4;

/// Between the number of chunks and the first of them; base64url has no such character.
const OF: char = '~';

/// The names and attributes that this application's cookies have.
#[derive(Clone, Debug)]
pub struct Jar {
    name: String,
    secure: bool,
}

/// The value is longer than cookies can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    pub bytes: usize,
}

impl Jar {
    /// `__Host-` pins a cookie to its host (lesson CVE-2024-28197) and needs https. On loopback without
    /// it the name carries the port, because cookies of one host are shared by all its ports.
    pub fn new(base: &Url, name: &str) -> Self {
        let secure = base.scheme() == "https";
        let port = base.port_or_known_default().unwrap_or_default();
        let name = if secure {
            format!("__Host-{name}")
        } else {
            format!("{name}_{port}")
        };
        Self { name, secure }
    }

    /// Remembers that a silent login was tried.
    pub fn skip_silent_login(&self) -> String {
        format!("{}_skipSilentLogin", self.name)
    }

    /// The last activity of a session that lives in cookies.
    pub fn touched(&self) -> String {
        format!("{}_touched", self.name)
    }

    /// One login that is under way: each has a cookie of its own, so that tabs do not disturb each other.
    pub fn transaction(&self, state: &str) -> String {
        let short: String = state.chars().take(8).collect();
        format!("{}_tx_{short}", self.name)
    }

    /// Names of the logins that are under way in this browser.
    pub fn transactions(&self, headers: &HeaderMap) -> Vec<String> {
        let beginning = format!("{}_tx_", self.name);
        pairs(headers)
            .filter(|(name, _)| name.starts_with(&beginning))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// `max_age` in seconds; `None` ends the cookie with the browser.
    pub fn set(&self, name: &str, value: &str, max_age: Option<i64>) -> String {
        let age = max_age.map_or_else(String::new, |age| format!("; Max-Age={}", age.max(0)));
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")
    }

    /// A cookie that also comes along with a form that another site's page sends. Browsers take `SameSite=None` only with
    /// `Secure`.
    pub fn set_for_other_sites(&self, name: &str, value: &str, max_age: i64) -> String {
        format!("{name}={value}; Path=/; HttpOnly; SameSite=None; Secure; Max-Age={max_age}")
    }

    pub fn clear(&self, name: &str) -> String {
        self.set(name, "", Some(0))
    }

    /// Sets the session's value, in chunks if need be, and clears the chunks that it no longer needs.
    ///
    /// # Errors
    /// It fits into no number of cookies that servers accept.
    pub fn set_session(
        &self,
        headers: &HeaderMap,
        value: &str,
        max_age: Option<i64>,
    ) -> Result<Vec<String>, TooLarge> {
        let chunks: Vec<&str> = chunks(value).collect();
        if chunks.len() > MOST_CHUNKS {
            return Err(TooLarge { bytes: value.len() });
        }
        let count = chunks.len();
        let names: Vec<String> = match count {
            1 => vec![self.name.clone()],
            many => (0..many).map(|n| self.chunk(n)).collect(),
        };
        let mut lines: Vec<String> = self
            .session_names(headers)
            .iter()
            .filter(|old| !names.contains(old))
            .map(|old| self.clear(old))
            .collect();
        let set = names.iter().zip(chunks);
        lines.extend(set.enumerate().map(|(n, (name, chunk))| {
            // The first says how many there are: an answer to a slow request does not know of chunks that came to be
            // meanwhile, and so clears none of them.
            match (n, count) {
                (0, 2..) => self.set(name, &format!("{count}{OF}{chunk}"), max_age),
                _ => self.set(name, chunk, max_age),
            }
        }));
        Ok(lines)
    }

    pub fn clear_session(&self, headers: &HeaderMap) -> Vec<String> {
        let names = self.session_names(headers);
        names.iter().map(|name| self.clear(name)).collect()
    }

    /// The session's value as the browser sends it.
    pub fn read_session(&self, headers: &HeaderMap) -> Option<String> {
        if let Some(whole) = read(headers, &self.name) {
            return Some(whole.to_owned());
        }
        let (count, first) = read(headers, &self.chunk(0))?.split_once(OF)?;
        let count: usize = count.parse().ok().filter(|n| *n <= MOST_CHUNKS)?;
        let rest = (1..count).map(|n| read(headers, &self.chunk(n)));
        std::iter::once(Some(first)).chain(rest).collect()
    }

    fn chunk(&self, number: usize) -> String {
        format!("{}.{number}", self.name)
    }

    /// The cookies of the session that the browser sent.
    fn session_names(&self, headers: &HeaderMap) -> Vec<String> {
        let ours = (0..MOST_CHUNKS).map(|n| self.chunk(n));
        let all = std::iter::once(self.name.clone()).chain(ours);
        all.filter(|name| read(headers, name).is_some()).collect()
    }
}

/// A cookie's value. Of two with one name the first counts: browsers send the longest path first, and
/// `__Host-` names exist once.
pub fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    pairs(headers)
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        // Others' cookies may be anything; ours are ASCII.
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| pair.trim().split_once('='))
}

/// Values are base64url, so every byte is a character.
fn chunks(value: &str) -> impl Iterator<Item = &str> {
    let count = value.len().div_ceil(CHUNK).max(1);
    (0..count).map(move |n| {
        let from = n * CHUNK;
        let to = value.len().min(from + CHUNK);
        value.get(from..to).unwrap_or_default()
    })
}

/// Adds cookies to an answer, which from then on no cache may keep (lesson CVE-2025-48947).
pub fn add(headers: &mut HeaderMap, lines: &[String]) {
    for line in lines {
        if let Ok(value) = HeaderValue::from_str(line) {
            headers.append(header::SET_COOKIE, value);
        }
    }
    if !lines.is_empty() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(base: &str) -> Jar {
        Jar::new(&Url::parse(base).unwrap(), "appSession")
    }

    /// What a browser that held `held` sends after these lines.
    fn browse(held: &HeaderMap, lines: &[String]) -> HeaderMap {
        let mut cookies: Vec<(String, String)> = pairs(held)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for line in lines {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            cookies.retain(|(held, _)| held != name);
            if !line.contains("Max-Age=0") {
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let text: Vec<_> = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, text.join("; ").parse().unwrap());
        headers
    }

    #[test]
    fn cookies_are_pinned_to_their_host_and_closed_to_scripts() {
        let line = jar("https://shop.example").set("__Host-appSession", "v", Some(60));
        assert_eq!(
            line,
            "__Host-appSession=v; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
        );
        let local = jar("http://localhost:3000");
        assert_eq!(local.touched(), "appSession_3000_touched");
        assert_eq!(
            local.set("appSession_3000", "v", None),
            "appSession_3000=v; Path=/; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn a_long_value_travels_in_chunks_and_a_shorter_one_clears_them() {
        let jar = jar("https://shop.example");
        let mut held = HeaderMap::new();
        for length in [1, CHUNK, CHUNK + 1, CHUNK * MOST_CHUNKS, CHUNK * 2, 7] {
            let value = "x".repeat(length - 1) + "y";
            let lines = jar.set_session(&held, &value, None).unwrap();
            assert!(lines.iter().all(|line| line.len() <= 4096), "{length}");
            held = browse(&held, &lines);
            assert_eq!(jar.read_session(&held).as_deref(), Some(value.as_str()));
            assert_eq!(pairs(&held).count(), length.div_ceil(CHUNK));
        }
        let over = CHUNK * MOST_CHUNKS + 1;
        let refused = jar.set_session(&held, &"x".repeat(over), None);
        assert_eq!(refused, Err(TooLarge { bytes: over }));
        let gone = browse(&held, &jar.clear_session(&held));
        assert_eq!(jar.read_session(&gone), None);
    }

    /// An answer to a request from before the session grew writes fewer chunks than the browser holds by then.
    #[test]
    fn chunks_of_a_longer_value_that_stayed_behind_do_not_spoil_a_shorter_one() {
        let jar = jar("https://shop.example");
        let long = jar.set_session(&HeaderMap::new(), &"x".repeat(CHUNK * 3), None);
        let held = browse(&HeaderMap::new(), &long.unwrap());
        let short = "y".repeat(CHUNK + 9);
        let late = jar.set_session(&HeaderMap::new(), &short, None).unwrap();
        let held = browse(&held, &late);
        assert_eq!(jar.read_session(&held).as_deref(), Some(short.as_str()));
    }

    #[test]
    fn chunks_of_which_one_is_missing_are_no_session() {
        let jar = jar("https://shop.example");
        let lines = jar.set_session(&HeaderMap::new(), &"x".repeat(CHUNK * 3), None);
        for missing in 0..3 {
            let mut lines = lines.clone().unwrap();
            lines.remove(missing);
            let held = browse(&HeaderMap::new(), &lines);
            assert_eq!(jar.read_session(&held), None, "{missing}");
        }
    }

    /// A page of the same site may set what it likes, also text of other alphabets, and browsers send it as it is.
    #[test]
    fn a_cookie_that_is_not_ours_hides_none_that_is() {
        for other in [
            &b"city=M\xc3\xbcnchen"[..],
            b"raw=\xff\xfe",
            b"no-value",
            b"",
        ] {
            let line = [other, b"; __Host-appSession=value; x=y"].concat();
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_bytes(&line).unwrap());
            let read = jar("https://shop.example").read_session(&headers);
            assert_eq!(read.as_deref(), Some("value"), "{other:?}");
        }
    }

    #[test]
    fn whoever_sets_a_cookie_forbids_caches() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=60"),
        );
        add(&mut headers, &[]);
        assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=60");
        add(&mut headers, &["a=b".to_owned()]);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    }
}
