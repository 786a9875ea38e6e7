//! Why a session is over, in words for the person who was in it.

use tenure_protocol::session::EndReason;

pub fn english(reason: EndReason) -> &'static str {
    match reason {
        EndReason::UserLogout => "You signed out. Please sign in again.",
        EndReason::AdminRevoked => "An administrator ended your session. Please sign in again.",
        EndReason::Idle => "You were signed out because you were away for a while.",
        EndReason::Absolute => "Your session reached its longest duration. Please sign in again.",
        EndReason::UpstreamLogout => {
            "You were signed out at the provider that you had signed in with. Please sign in again."
        }
        EndReason::UpstreamExpired => {
            "Your sign-in at the provider that you had signed in with is over. Please sign in again."
        }
        EndReason::CredentialChange => {
            "Your session was ended because your password changed. Please sign in again."
        }
        EndReason::AccountDisabled => "Your session was ended because your account changed.",
        EndReason::PolicyChange => {
            "Your session was ended because its rules changed. Please sign in again."
        }
        EndReason::ReuseDetected => {
            "Your session was ended because somebody may have copied it. Please sign in again."
        }
        EndReason::SessionLimit => {
            "Your session was ended because you signed in on too many devices. Please sign in again."
        }
        EndReason::Superseded => {
            "Your session was ended because somebody else signed in here. Please sign in again."
        }
    }
}

pub fn german(reason: EndReason) -> &'static str {
    match reason {
        EndReason::UserLogout => "Sie haben sich abgemeldet. Bitte melden Sie sich neu an.",
        EndReason::AdminRevoked => {
            "Ihre Sitzung wurde von der Verwaltung beendet. Bitte melden Sie sich neu an."
        }
        EndReason::Idle => "Sie wurden abgemeldet, weil Sie eine Weile nicht da waren.",
        EndReason::Absolute => {
            "Ihre Sitzung hat ihre längste Dauer erreicht. Bitte melden Sie sich neu an."
        }
        EndReason::UpstreamLogout => {
            "Sie wurden bei dem Anbieter abgemeldet, über den Sie sich angemeldet hatten. Bitte melden Sie sich neu an."
        }
        EndReason::UpstreamExpired => {
            "Ihre Anmeldung bei dem Anbieter, über den Sie sich angemeldet hatten, ist abgelaufen. Bitte melden Sie sich neu an."
        }
        EndReason::CredentialChange => {
            "Ihre Sitzung wurde beendet, weil sich Ihr Passwort geändert hat. Bitte melden Sie sich neu an."
        }
        EndReason::AccountDisabled => {
            "Ihre Sitzung wurde beendet, weil sich Ihr Konto geändert hat."
        }
        EndReason::PolicyChange => {
            "Ihre Sitzung wurde beendet, weil sich ihre Regeln geändert haben. Bitte melden Sie sich neu an."
        }
        EndReason::ReuseDetected => {
            "Ihre Sitzung wurde beendet, weil sie vielleicht kopiert wurde. Bitte melden Sie sich neu an."
        }
        EndReason::SessionLimit => {
            "Ihre Sitzung wurde beendet, weil Sie auf zu vielen Geräten angemeldet waren. Bitte melden Sie sich neu an."
        }
        EndReason::Superseded => {
            "Ihre Sitzung wurde beendet, weil sich hier jemand anderes angemeldet hat. Bitte melden Sie sich neu an."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_words_of_its_own_in_every_language() {
        for words in [english, german] {
            let all: BTreeSet<_> = EndReason::ALL.into_iter().map(words).collect();
            assert_eq!(all.len(), EndReason::ALL.len());
        }
    }
}
