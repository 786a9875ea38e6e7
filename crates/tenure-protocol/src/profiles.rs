//! Named profiles: sets of limits that go together, applied by name.

use crate::model::{Api, Client, ExpirationType, Tenant};

/// A profile's limits, in seconds; `None` leaves what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    pub name: &'static str,
    pub idle_timeout: Option<i64>,
    pub absolute_lifetime: Option<i64>,
    pub id_token_lifetime: Option<i64>,
    pub access_token_lifetime: Option<i64>,
    pub refresh_idle_lifetime: Option<i64>,
    pub refresh_absolute_lifetime: Option<i64>,
}

const NONE: Profile = Profile {
    name: "",
    idle_timeout: None,
    absolute_lifetime: None,
    id_token_lifetime: None,
    access_token_lifetime: None,
    refresh_idle_lifetime: None,
    refresh_absolute_lifetime: None,
};

pub const PROFILES: [Profile; 4] = [
    // Sites that renew silently on use and warn at 240 s.
    Profile {
        name: "short-lived",
        idle_timeout: Some(300),
        id_token_lifetime: Some(150),
        access_token_lifetime: Some(150),
        ..NONE
    },
    Profile {
        name: "sensitive",
        idle_timeout: Some(3_600),
        absolute_lifetime: Some(8 * 3_600),
        access_token_lifetime: Some(300),
        refresh_idle_lifetime: Some(1_200),
        refresh_absolute_lifetime: Some(8 * 3_600),
        ..NONE
    },
    Profile {
        name: "native",
        refresh_idle_lifetime: Some(90 * 86_400),
        refresh_absolute_lifetime: Some(365 * 86_400),
        ..NONE
    },
    Profile {
        name: "long-lived",
        idle_timeout: Some(100 * 86_400),
        absolute_lifetime: Some(365 * 86_400),
        ..NONE
    },
];

pub fn find(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

impl Profile {
    pub fn apply_to_tenant(&self, tenant: &mut Tenant) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a year of seconds is exact in a double"
        )]
        let minutes = |seconds: i64| seconds as f64 / 60.0;
        if let Some(idle) = self.idle_timeout {
            tenant.idle_session_lifetime = None;
            tenant.idle_session_lifetime_in_minutes = Some(minutes(idle));
            tenant.idle_ephemeral_session_lifetime = None;
            tenant.idle_ephemeral_session_lifetime_in_minutes = Some(minutes(idle));
        }
        if let Some(absolute) = self.absolute_lifetime {
            tenant.session_lifetime = None;
            tenant.session_lifetime_in_minutes = Some(minutes(absolute));
            tenant.ephemeral_session_lifetime = None;
            tenant.ephemeral_session_lifetime_in_minutes = Some(minutes(absolute));
        }
    }

    pub fn apply_to_client(&self, client: &mut Client) {
        if let Some(lifetime) = self.id_token_lifetime {
            client.jwt_configuration.lifetime_in_seconds = lifetime;
        }
        let refresh = &mut client.refresh_token;
        if let Some(idle) = self.refresh_idle_lifetime {
            refresh.idle_token_lifetime = idle;
            refresh.infinite_idle_token_lifetime = false;
            refresh.expiration_type = Some(ExpirationType::Expiring);
        }
        if let Some(absolute) = self.refresh_absolute_lifetime {
            refresh.token_lifetime = absolute;
            refresh.infinite_token_lifetime = false;
            refresh.expiration_type = Some(ExpirationType::Expiring);
        }
    }

    pub fn apply_to_api(&self, api: &mut Api) {
        if let Some(lifetime) = self.access_token_lifetime {
            api.token_lifetime = lifetime;
            api.token_lifetime_for_web = None;
        }
    }
}
