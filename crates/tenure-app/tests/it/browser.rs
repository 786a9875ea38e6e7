//! A browser with its cookies, which goes from application to provider and back.

use crate::world::{PASSWORD, World};
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tower::ServiceExt as _;
use url::Url;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// A parameter of the location.
    pub fn answered(&self, name: &str) -> Option<String> {
        let (_, query) = self.header("location").split_once('?')?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
    }

    pub fn cookies(&self) -> Vec<&str> {
        let all = self.headers.get_all(header::SET_COOKIE).iter();
        all.map(|value| value.to_str().unwrap()).collect()
    }
}

/// What a browser says of itself when a person opens a page.
pub const PAGE: [(&str, &str); 4] = [
    ("accept", "text/html"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "none"),
];

/// What it says when the application's own script asks.
pub const SCRIPT: [(&str, &str); 4] = [
    ("accept", "application/json"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-site", "same-origin"),
];

/// A browser; cookies of one host are shared by all its ports.
#[derive(Clone)]
pub struct Browser<'w> {
    pub world: &'w World,
    pub cookies: BTreeMap<String, String>,
    /// Cookies that come along with no form of another site.
    lax: BTreeSet<String>,
    /// When cookies end, in seconds.
    expiries: BTreeMap<String, i64>,
    /// Where it went.
    pub trail: Vec<String>,
}

impl<'w> Browser<'w> {
    pub fn of(world: &'w World) -> Self {
        Self {
            world,
            cookies: BTreeMap::new(),
            lax: BTreeSet::new(),
            expiries: BTreeMap::new(),
            trail: Vec::new(),
        }
    }

    fn url(&self, target: &str) -> Url {
        let base = self.trail.last().unwrap_or(&self.world.op.shop);
        Url::parse(base).unwrap().join(target).unwrap()
    }

    /// A path is the application's.
    pub fn shop(&self, path: &str) -> String {
        format!("{}{path}", self.world.op.shop)
    }

    pub async fn request(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let url = Url::parse(url).unwrap();
        let now = self.world.now();
        let expiries = &self.expiries;
        self.cookies
            .retain(|name, _| expiries.get(name).is_none_or(|at| *at > now));
        let at_op = url.as_str().starts_with(&self.world.op.base);
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, cookies.join("; "))
            .header(header::USER_AGENT, "Firefox");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let router = if at_op {
            &self.world.op.router
        } else {
            &self.world.shop
        };
        let request = request.body(Body::from(body)).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        };
        self.take_cookies(&answer);
        answer
    }

    /// Separate from the request, so that tests can let an answer arrive late.
    pub fn take_cookies(&mut self, answer: &Answer) {
        for line in answer.cookies() {
            assert_eq!(
                answer.header("cache-control"),
                "no-store",
                "CVE-2025-48947: a cookie in a cache: {line}"
            );
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("SameSite=Lax") {
                self.lax.insert(name.to_owned());
            } else {
                assert!(line.contains("; Secure"), "{line}");
                self.lax.remove(name);
            }
            let age = line
                .split("Max-Age=")
                .nth(1)
                .and_then(|text| text.split(';').next());
            let now = self.world.now();
            match age.map(|age| age.parse::<i64>().unwrap()) {
                Some(age) => self.expiries.insert(name.to_owned(), now + age),
                None => self.expiries.remove(name),
            };
            if age == Some("0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Opens a page without following where it sends us.
    pub async fn open(&mut self, path: &str) -> Answer {
        let url = self.shop(path);
        self.request(Method::GET, &url, &PAGE, String::new()).await
    }

    /// Sends a form of the application's own page.
    pub async fn post(&mut self, path: &str) -> Answer {
        let url = self.shop(path);
        let origin = self.world.op.shop.clone();
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        self.request(Method::POST, &url, &headers, String::new())
            .await
    }

    /// Asks as the application's own script does.
    pub async fn ask(&mut self, path: &str) -> Answer {
        let url = self.shop(path);
        self.request(Method::GET, &url, &SCRIPT, String::new())
            .await
    }

    /// Opens a page and goes wherever it leads.
    pub async fn visit(&mut self, path: &str) -> Answer {
        let answer = self.open(path).await;
        self.trail = vec![self.shop(path)];
        self.follow(answer).await
    }

    async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..12 {
            if sends_itself(&answer) {
                let (action, body) = filled_in(&answer.body);
                self.trail.push(action.clone());
                answer = self.post_from_elsewhere(&action, body).await;
                continue;
            }
            if !answer.status.is_redirection() {
                return answer;
            }
            let next = self.url(answer.header("location")).to_string();
            self.trail.push(next.clone());
            answer = self.request(Method::GET, &next, &PAGE, String::new()).await;
        }
        panic!("round in circles: {:?}", self.trail);
    }

    /// Sends a form of another site's page.
    pub async fn post_from_elsewhere(&mut self, url: &str, body: String) -> Answer {
        let held = self.cookies.clone();
        self.cookies.retain(|name, _| !self.lax.contains(name));
        let mut headers = PAGE.to_vec();
        headers[3] = ("sec-fetch-site", "cross-site");
        headers.push(("origin", self.world.op.base.as_str()));
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        let answer = self.request(Method::POST, url, &headers, body).await;
        self.cookies = held;
        self.take_cookies(&answer);
        answer
    }

    /// Where it arrived in the application.
    pub fn place(&self) -> String {
        let last = self.trail.last().unwrap();
        last.strip_prefix(&self.world.op.shop)
            .unwrap_or_else(|| panic!("not in the application: {last}"))
            .to_owned()
    }

    pub async fn sign_in(&mut self, path: &str) -> Answer {
        self.sign_in_as(path, "ada@example.com").await
    }

    /// Opens a page, fills in the provider's login page, and arrives.
    pub async fn sign_in_as(&mut self, path: &str, user: &str) -> Answer {
        let page = self.visit(path).await;
        self.submit_login(&page, user).await
    }

    pub async fn submit_login(&mut self, page: &Answer, user: &str) -> Answer {
        let form = page
            .body
            .split("<form")
            .find(|form| form.contains("name=\"password\""));
        let form = form.unwrap_or_else(|| panic!("no login page: {page:?} {:?}", self.trail));
        let mut fields = vec![
            ("username".to_owned(), user.to_owned()),
            ("password".to_owned(), PASSWORD.to_owned()),
            ("action".to_owned(), "login".to_owned()),
        ];
        fields.extend(hidden(form));
        let action = self.url(&attribute(form, "action")).to_string();
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let mut headers = PAGE.to_vec();
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        let answer = self.request(Method::POST, &action, &headers, body).await;
        let goes_on = answer.status.is_redirection() || sends_itself(&answer);
        assert!(goes_on, "{answer:?}");
        self.trail.push(action);
        self.follow(answer).await
    }

    pub async fn status(&mut self) -> Value {
        self.ask("/session").await.json()
    }

    /// The provider's cookie is forgotten: a login asks for the password again.
    pub fn forget_op(&mut self) {
        let port = Url::parse(&self.world.op.base).unwrap().port().unwrap();
        self.cookies.remove(&format!("tenure_{port}"));
    }
}

fn sends_itself(page: &Answer) -> bool {
    page.body.contains("document.forms[0].submit()")
}

/// A form as it would send itself: where to, and with what.
pub fn filled_in(html: &str) -> (String, String) {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(hidden(html))
        .finish();
    (attribute(html, "action"), body)
}

fn hidden(form: &str) -> impl Iterator<Item = (String, String)> {
    let inputs = form.split("<input type=\"hidden\"").skip(1);
    inputs.map(|input| (attribute(input, "name"), attribute(input, "value")))
}

fn attribute(html: &str, name: &str) -> String {
    let rest = html.split_once(&format!("{name}=\"")).unwrap().1;
    let value = rest.split_once('"').unwrap().0;
    value.replace("&amp;", "&").replace("&#38;", "&")
}
