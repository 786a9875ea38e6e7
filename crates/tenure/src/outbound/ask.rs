//! A request whose answer is read whole, or not at all.

use http::Method;

/// What is asked of another server. Unlike a logout token's delivery, the body of the answer counts.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub method: Method,
    pub url: &'a str,
    /// Without the scheme, such as `Basic …`; never logged.
    pub authorization: Option<&'a str>,
    pub form: Option<&'a [(&'a str, &'a str)]>,
}

impl<'a> Ask<'a> {
    pub fn get(url: &'a str) -> Self {
        Self {
            method: Method::GET,
            url,
            authorization: None,
            form: None,
        }
    }

    pub fn post(url: &'a str, form: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            method: Method::POST,
            form: Some(form),
            ..Self::get(url)
        }
    }
}
