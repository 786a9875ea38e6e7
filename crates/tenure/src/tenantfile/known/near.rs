//! Names of settings on the command line: known ones, and the nearest to a wrong one.

use super::{Shape, distance};

impl Shape {
    /// Whether Tenure interprets the member that a path such as `refresh_token.leeway` names. If not:
    /// the names that are nearest.
    pub fn find(&self, path: &str) -> Result<(), Vec<String>> {
        let (name, rest) = path
            .split_once('.')
            .map_or((path, None), |(name, rest)| (name, Some(rest)));
        let inner = self.inside.iter().find(|(inside, _)| *inside == name);
        match (rest, inner) {
            (Some(rest), Some((_, inner))) => inner
                .find(rest)
                .map_err(|near| near.iter().map(|found| format!("{name}.{found}")).collect()),
            (None, None) if self.own.contains(&name) && name != "profile" => Ok(()),
            // The name of an object: its members are meant.
            (None, Some((_, inner))) => Err(inner
                .own
                .iter()
                .map(|member| format!("{name}.{member}"))
                .collect()),
            _ => Err(self.nearest(path)),
        }
    }

    /// The names nearest to a wrong one, best first; also those of members of objects.
    fn nearest(&self, path: &str) -> Vec<String> {
        let inside = self.inside.iter().flat_map(|(name, inner)| {
            inner
                .own
                .iter()
                .map(move |member| format!("{name}.{member}"))
        });
        let own = self.own.iter().filter(|name| **name != "profile");
        let mut all: Vec<(usize, String)> = own
            .map(|name| (*name).to_owned())
            .chain(inside)
            .map(|name| {
                let last = name.rsplit('.').next().unwrap_or_default();
                (distance(&name, path).min(distance(last, path)), name)
            })
            .collect();
        all.sort();
        all.into_iter().take(3).map(|(_, name)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CLIENT, TENANT};

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        assert_eq!(TENANT.find("session_lifetime"), Ok(()));
        assert_eq!(CLIENT.find("refresh_token.leeway"), Ok(()));
        for (shape, wrong, nearest) in [
            (
                &TENANT,
                "idle_lifetime_in_minutes",
                "idle_session_lifetime_in_minutes",
            ),
            (&TENANT, "sesion_lifetime", "session_lifetime"),
            (
                &CLIENT,
                "idle_token_lifetime",
                "refresh_token.idle_token_lifetime",
            ),
            (
                &CLIENT,
                "refresh_token.lifetime",
                "refresh_token.token_lifetime",
            ),
        ] {
            let near = shape.find(wrong).unwrap_err();
            assert!(near.iter().any(|name| name == nearest), "{wrong}: {near:?}");
        }
        let members = CLIENT.find("refresh_token").unwrap_err();
        assert!(members.iter().any(|name| name == "refresh_token.leeway"));
    }
}
