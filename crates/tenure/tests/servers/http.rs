//! Just enough of an HTTP client and of a browser to sign in at a server by its port.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// No answer of a server takes longer, not even a refusal: else it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn text(&self, name: &str) -> String {
        let value = self.json();
        value[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
            .to_owned()
    }

    /// A parameter of the location's query.
    pub fn answered(&self, name: &str) -> Option<String> {
        let query = self.header("location").split_once('?')?.1;
        form_urlencoded::parse(query.as_bytes())
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.into_owned())
    }
}

pub fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// One request on a connection of its own. `Err`: the server went away.
pub fn send(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nuser-agent: tests\r\n\
         content-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let cut = || std::io::Error::other("the answer was cut off");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
        .collect();
    let answer = Answer {
        status: status.and_then(|s| s.parse().ok()).ok_or_else(cut)?,
        headers,
        body: body.to_owned(),
    };
    let length: Option<usize> = answer.header("content-length").parse().ok();
    if length.is_some_and(|length| length != answer.body.len()) {
        return Err(cut());
    }
    Ok(answer)
}

pub fn get(port: u16, path: &str) -> std::io::Result<Answer> {
    send(port, "GET", path, &[], "")
}

pub fn post(port: u16, path: &str, pairs: &[(&str, &str)]) -> std::io::Result<Answer> {
    let media = ("content-type", "application/x-www-form-urlencoded");
    send(port, "POST", path, &[media], &form(pairs))
}

pub const VERIFIER: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
const CALLBACK: &str = "http://localhost:3000/cb";

pub fn authorize(extra: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("client_id", "spa"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid profile offline_access"),
        ("state", "s"),
        (
            "code_challenge",
            "I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY",
        ),
        ("code_challenge_method", "S256"),
    ];
    pairs.extend(extra);
    format!("/authorize?{}", form(&pairs))
}

pub fn redeem(port: u16, code: &str) -> std::io::Result<Answer> {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "spa"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ];
    post(port, "/oauth/token", &pairs)
}

pub fn refresh(port: u16, token: &str) -> std::io::Result<Answer> {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", "spa"),
        ("refresh_token", token),
    ];
    post(port, "/oauth/token", &pairs)
}

/// A stream of events, read line by line.
pub struct Events(BufReader<TcpStream>);

impl Events {
    pub fn open(port: u16, token: &str, last: Option<&str>) -> Self {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let last = last.map_or(String::new(), |id| format!("last-event-id: {id}\r\n"));
        let request = format!(
            "GET /session/events HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost:3000\r\n\
             authorization: Bearer {token}\r\n{last}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut events = Self(BufReader::new(stream));
        let status = events.line().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        // The stream begins with an event, or with the comment that nothing was missed.
        while !events.line().unwrap().is_empty() {}
        events
    }

    /// Chunk sizes are lines among the others, and no field.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event's id and name; `None`: the stream has ended.
    pub fn next(&mut self) -> Option<(String, String)> {
        let mut id = String::new();
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                text.clone_into(&mut id);
            }
            if let Some(name) = line.strip_prefix("event: ") {
                return Some((id, name.to_owned()));
            }
            if line == "0" {
                return None;
            }
        }
    }
}

/// A browser with its cookies, that may ask any server.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
    /// What it sends with every request.
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Browser {
    pub fn request(
        &mut self,
        port: u16,
        method: &str,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> std::io::Result<Answer> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let headers = [
            ("cookie", cookies.join("; ")),
            (
                "content-type",
                "application/x-www-form-urlencoded".to_owned(),
            ),
        ];
        let headers = headers.iter().map(|(n, v)| (*n, v.as_str()));
        let headers: Vec<_> = headers.chain(self.headers.iter().copied()).collect();
        let answer = send(port, method, path, &headers, &form(pairs))?;
        for (_, line) in answer.headers.iter().filter(|(n, _)| n == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }

    pub fn get(&mut self, port: u16, path: &str) -> Answer {
        self.request(port, "GET", path, &[]).unwrap()
    }

    /// The login page from one server, its form to the other; answers the code.
    pub fn sign_in(&mut self, page_from: u16, form_to: u16, password: &str) -> Answer {
        let page = self.get(page_from, &authorize(&[]));
        assert_eq!(page.status, 200, "{page:?}");
        let login = page
            .body
            .split("<form")
            .find(|form| form.contains("name=\"password\""))
            .unwrap();
        let fields = hidden_fields(login);
        let action = attribute(login, "action");
        let mut pairs: Vec<(&str, &str)> = fields
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        pairs.extend([
            ("username", "ada@example.com"),
            ("password", password),
            ("action", "login"),
        ]);
        self.request(form_to, "POST", &action, &pairs).unwrap()
    }

    pub fn code(&mut self, page_from: u16, form_to: u16) -> String {
        let answer = self.sign_in(page_from, form_to, "correct horse");
        answer
            .answered("code")
            .unwrap_or_else(|| panic!("no code: {answer:?}"))
    }
}

fn hidden_fields(form: &str) -> Vec<(String, String)> {
    form.split("<input")
        .skip(1)
        .filter(|input| input.contains("type=\"hidden\""))
        .map(|input| (attribute(input, "name"), attribute(input, "value")))
        .collect()
}

fn attribute(html: &str, name: &str) -> String {
    let rest = html.split_once(&format!("{name}=\"")).unwrap().1;
    rest.split_once('"')
        .unwrap()
        .0
        .replace("&amp;", "&")
        .replace("&#38;", "&")
}
