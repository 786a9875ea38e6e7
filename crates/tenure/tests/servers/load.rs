//! People who go on refreshing whatever happens to the servers, and remember what was answered.

use crate::fleet::eventually;
use crate::http::{self, Answer, Browser};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A person with a refresh token.
pub struct Person {
    /// The newest token that a server answered.
    token: String,
    /// Answers that told to try again.
    pub unavailable: usize,
    /// Requests that got no answer at all.
    pub lost: usize,
    /// An answer that nobody should have got.
    wrong: Option<Answer>,
}

impl Person {
    pub fn sign_in(port: u16) -> Self {
        let code = Browser::default().code(port, port);
        let tokens = http::redeem(port, &code).unwrap();
        assert_eq!(tokens.status, 200, "{tokens:?}");
        Self {
            token: tokens.text("refresh_token"),
            unavailable: 0,
            lost: 0,
            wrong: None,
        }
    }

    /// Whether a new token was answered.
    fn refresh_at(&mut self, port: u16) -> bool {
        match http::refresh(port, &self.token) {
            Ok(answer) if answer.status == 200 => {
                self.token = answer.text("refresh_token");
                return true;
            }
            Ok(answer) if is_try_again(&answer) => self.unavailable += 1,
            Ok(answer) => self.wrong = Some(answer),
            Err(_) => self.lost += 1,
        }
        false
    }

    /// Nothing was refused, and what was answered last still works: a rotation whose answer got lost
    /// is a repeat, not theft.
    pub fn assert_unharmed(&self, port: u16) {
        assert!(self.wrong.is_none(), "{:?}", self.wrong);
        // As a client does that is told to come again.
        let answers = std::iter::repeat_with(|| http::refresh(port, &self.token).unwrap());
        let answer = answers.take(100).find(|answer| {
            let come_again = is_try_again(answer);
            if come_again {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            !come_again
        });
        assert!(
            answer.as_ref().is_some_and(|answer| answer.status == 200),
            "{answer:?}"
        );
    }
}

/// Contract 0.4: no JSON, or a browser SDK throws its refresh token away.
pub fn is_try_again(answer: &Answer) -> bool {
    answer.status == 503
        && !answer.header("retry-after").is_empty()
        && answer.header("content-type").starts_with("text/plain")
}

/// Lets people refresh at one server after the other while `act` happens, and gives them back. All
/// of them have been answered before it begins, and are answered again after it.
pub fn under_load(people: Vec<Person>, ports: &[u16], act: impl FnOnce()) -> Vec<Person> {
    let stop = AtomicBool::new(false);
    let answered: Vec<AtomicUsize> = people.iter().map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        let running: Vec<_> = people
            .into_iter()
            .zip(&answered)
            .map(|(mut person, answered)| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut ports = ports.iter().cycle();
                    while let Some(port) = ports.next()
                        && !stop.load(Ordering::SeqCst)
                        && person.wrong.is_none()
                    {
                        answered.fetch_add(person.refresh_at(*port).into(), Ordering::SeqCst);
                    }
                    person
                })
            })
            .collect();
        let everybody_is_answered = || {
            let before: Vec<usize> = answered.iter().map(|n| n.load(Ordering::SeqCst)).collect();
            eventually("everybody is answered", || {
                let more = answered
                    .iter()
                    .zip(&before)
                    .all(|(now, before)| now.load(Ordering::SeqCst) > before + 2);
                // One who was refused has stopped; the caller will say so.
                more || running.iter().any(|thread| thread.is_finished())
            });
        };
        everybody_is_answered();
        act();
        everybody_is_answered();
        stop.store(true, Ordering::SeqCst);
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}
