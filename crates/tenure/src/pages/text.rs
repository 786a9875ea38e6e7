//! The words of the pages, in each language.

use super::over;
use crate::oidc::login::Problem;
use tenure_protocol::session::EndReason;

/// The languages there are, the default first.
pub const LOCALES: [&str; 2] = ["en", "de"];

pub struct Text {
    pub lang: &'static str,
    pub sign_in: &'static str,
    pub to_continue: &'static str,
    pub identifier: &'static str,
    pub password: &'static str,
    pub cancel: &'static str,
    pub help: &'static str,
    pub allow_access: &'static str,
    pub wants: &'static str,
    pub allow: &'static str,
    pub deny: &'static str,
    pub sign_out: &'static str,
    pub sign_out_question: &'static str,
    pub sign_out_effect: &'static str,
    pub stay: &'static str,
    pub signed_out: &'static str,
    pub signed_out_line: &'static str,
    /// With `{provider}` in place of its name, as the three that follow.
    pub upstream_alive: &'static str,
    pub upstream_no_way: &'static str,
    pub upstream_away: &'static str,
    pub sign_out_of: &'static str,
    pub still_signed_in: &'static str,
    pub still_signed_in_line: &'static str,
    pub logout_refused: &'static str,
    pub logout_refused_line: &'static str,
    pub sign_out_anyway: &'static str,
    pub error: &'static str,
    pub error_line: &'static str,
    pub broken: &'static str,
    pub broken_line: &'static str,
    pub start_over: &'static str,
    pub start_over_line: &'static str,
    pub one_moment: &'static str,
    pub go_to_application: &'static str,
    pub go_on: &'static str,
    pub or: &'static str,
    pub continue_with: &'static str,
    pub organisation: &'static str,
    pub for_developers: &'static str,
    pub reference: &'static str,
    wrong_credentials: &'static str,
    throttled: &'static str,
    stale: &'static str,
    busy: &'static str,
    upstream_unreachable: &'static str,
    upstream_refused: &'static str,
    upstream_cancelled: &'static str,
    no_organisation: &'static str,
    /// Why the earlier session is over, for the person who was in it.
    pub why_over: fn(EndReason) -> &'static str,
    scope_profile: &'static str,
    scope_email: &'static str,
    scope_address: &'static str,
    scope_phone: &'static str,
    scope_offline: &'static str,
}

static EN: Text = Text {
    lang: "en",
    sign_in: "Sign in",
    to_continue: "to continue to",
    identifier: "E-mail address or user name",
    password: "Password",
    cancel: "Cancel",
    help: "Get help",
    allow_access: "Allow access?",
    wants: "asks for your permission to:",
    allow: "Allow",
    deny: "Do not allow",
    sign_out: "Sign out",
    sign_out_question: "Do you want to sign out?",
    sign_out_effect: "You will be signed out of every application that uses this sign-in.",
    stay: "Stay signed in",
    signed_out: "You are signed out",
    signed_out_line: "Your session here has ended. You can close this window.",
    upstream_alive: "You had signed in through {provider}, and may still be signed in there: whoever uses this browser next could come in that way.",
    upstream_no_way: "You had signed in through {provider}, which offers no way to sign you out from here. You may still be signed in there.",
    upstream_away: "{provider} does not answer at the moment. You may still be signed in there.",
    sign_out_of: "Sign out of {provider} as well",
    still_signed_in: "You are still signed in",
    still_signed_in_line: "Nothing was changed. You can close this window.",
    logout_refused: "You have not been signed out",
    logout_refused_line: "The application wants to take you somewhere that it is not set up for, so nothing was changed.",
    sign_out_anyway: "Sign out anyway",
    error: "This did not work",
    error_line: "The application sent a request that cannot be answered. Go back and try again; if it happens again, tell the people who run the application.",
    broken: "Temporarily unavailable",
    broken_line: "Signing in does not work at the moment. Please try again shortly.",
    start_over: "Please start again",
    start_over_line: "This page belongs to a sign-in that is not under way any more. Go to the application and sign in there.",
    one_moment: "One moment",
    go_to_application: "Go to the application",
    go_on: "Continue",
    or: "or",
    continue_with: "Continue with",
    organisation: "Continue with your organisation",
    for_developers: "For developers",
    reference: "Reference",
    wrong_credentials: "The name or the password is not right.",
    throttled: "Too many attempts. Please wait a moment and try again.",
    stale: "This page had expired. Please sign in again.",
    upstream_unreachable: "That provider does not answer at the moment. Please try again, or sign in another way.",
    upstream_refused: "Signing in with that provider did not work. Please try again, or sign in another way.",
    upstream_cancelled: "You did not finish signing in with that provider.",
    no_organisation: "No organisation signs in with an address like that here. Check the address, or sign in another way.",
    busy: "Too many people are signing in right now. Please try again.",
    why_over: over::english,
    scope_profile: "See your name and profile",
    scope_email: "See your e-mail address",
    scope_address: "See your postal address",
    scope_phone: "See your telephone number",
    scope_offline: "Keep this access while you are away",
};

static DE: Text = Text {
    lang: "de",
    sign_in: "Anmelden",
    to_continue: "weiter zu",
    identifier: "E-Mail-Adresse oder Benutzername",
    password: "Passwort",
    cancel: "Abbrechen",
    help: "Hilfe",
    allow_access: "Zugriff erlauben?",
    wants: "bittet um Ihre Erlaubnis:",
    allow: "Erlauben",
    deny: "Nicht erlauben",
    sign_out: "Abmelden",
    sign_out_question: "Möchten Sie sich abmelden?",
    sign_out_effect: "Sie werden von allen Anwendungen abgemeldet, die diese Anmeldung nutzen.",
    stay: "Angemeldet bleiben",
    signed_out: "Sie sind abgemeldet",
    signed_out_line: "Ihre Sitzung hier ist beendet. Sie können dieses Fenster schließen.",
    upstream_alive: "Sie hatten sich über {provider} angemeldet und sind dort vielleicht noch angemeldet: Wer diesen Browser als Nächstes benutzt, käme so herein.",
    upstream_no_way: "Sie hatten sich über {provider} angemeldet; von hier aus kann man Sie dort nicht abmelden. Vielleicht sind Sie dort noch angemeldet.",
    upstream_away: "{provider} antwortet gerade nicht. Vielleicht sind Sie dort noch angemeldet.",
    sign_out_of: "Auch bei {provider} abmelden",
    still_signed_in: "Sie sind weiterhin angemeldet",
    still_signed_in_line: "Es wurde nichts geändert. Sie können dieses Fenster schließen.",
    logout_refused: "Sie wurden nicht abgemeldet",
    logout_refused_line: "Die Anwendung will Sie an einen Ort bringen, für den sie nicht eingerichtet ist; darum wurde nichts geändert.",
    sign_out_anyway: "Trotzdem abmelden",
    error: "Das hat nicht geklappt",
    error_line: "Die Anwendung hat eine Anfrage geschickt, die sich nicht beantworten lässt. Gehen Sie zurück und versuchen Sie es noch einmal; wenn es wieder geschieht, sagen Sie es den Betreibern der Anwendung.",
    broken: "Zurzeit nicht verfügbar",
    broken_line: "Die Anmeldung funktioniert im Moment nicht. Bitte versuchen Sie es gleich noch einmal.",
    start_over: "Bitte beginnen Sie neu",
    start_over_line: "Diese Seite gehört zu einer Anmeldung, die nicht mehr läuft. Öffnen Sie die Anwendung und melden Sie sich dort an.",
    one_moment: "Einen Moment",
    go_to_application: "Zur Anwendung",
    go_on: "Weiter",
    or: "oder",
    continue_with: "Weiter mit",
    organisation: "Weiter mit Ihrer Organisation",
    for_developers: "Für Entwickler",
    reference: "Kennung",
    wrong_credentials: "Der Name oder das Passwort stimmt nicht.",
    throttled: "Zu viele Versuche. Bitte warten Sie einen Moment und versuchen Sie es noch einmal.",
    stale: "Diese Seite war abgelaufen. Bitte melden Sie sich noch einmal an.",
    busy: "Gerade melden sich zu viele Menschen an. Bitte versuchen Sie es noch einmal.",
    upstream_unreachable: "Dieser Anbieter antwortet gerade nicht. Bitte versuchen Sie es noch einmal oder melden Sie sich anders an.",
    upstream_refused: "Die Anmeldung bei diesem Anbieter hat nicht geklappt. Bitte versuchen Sie es noch einmal oder melden Sie sich anders an.",
    upstream_cancelled: "Sie haben die Anmeldung bei diesem Anbieter nicht abgeschlossen.",
    no_organisation: "Mit so einer Adresse meldet sich hier keine Organisation an. Prüfen Sie die Adresse oder melden Sie sich anders an.",
    why_over: over::german,
    scope_profile: "Ihren Namen und Ihr Profil sehen",
    scope_email: "Ihre E-Mail-Adresse sehen",
    scope_address: "Ihre Postanschrift sehen",
    scope_phone: "Ihre Telefonnummer sehen",
    scope_offline: "Diesen Zugriff behalten, während Sie weg sind",
};

/// The first language that is asked for and there is: `ui_locales`, then the browser's, then the tenant's.
pub fn choose(ui_locales: Option<&str>, accept: Option<&str>, enabled: &[String]) -> &'static Text {
    let asked = ui_locales.into_iter().flat_map(|text| text.split(' '));
    let accepted = accept.into_iter().flat_map(|text| text.split(','));
    let accepted = accepted.map(|part| part.split(';').next().unwrap_or_default().trim());
    let wanted = asked
        .chain(accepted)
        .chain(enabled.iter().map(String::as_str));
    wanted.filter_map(find).next().unwrap_or(&EN)
}

fn find(tag: &str) -> Option<&'static Text> {
    let primary = tag.split('-').next().unwrap_or_default();
    [&EN, &DE]
        .into_iter()
        .find(|text| text.lang.eq_ignore_ascii_case(primary))
}

impl Text {
    pub fn problem(&self, problem: Problem) -> &'static str {
        match problem {
            Problem::Credentials => self.wrong_credentials,
            Problem::Throttled => self.throttled,
            Problem::Stale => self.stale,
            Problem::Busy => self.busy,
            Problem::UpstreamUnreachable => self.upstream_unreachable,
            Problem::UpstreamRefused => self.upstream_refused,
            Problem::UpstreamCancelled => self.upstream_cancelled,
            Problem::NoOrganisation => self.no_organisation,
        }
    }

    pub fn scope(&self, scope: &str) -> Option<&'static str> {
        Some(match scope {
            "profile" => self.scope_profile,
            "email" => self.scope_email,
            "address" => self.scope_address,
            "phone" => self.scope_phone,
            "offline_access" | "online_access" => self.scope_offline,
            _ => return None,
        })
    }
}
