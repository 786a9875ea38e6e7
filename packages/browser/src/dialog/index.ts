/** The dialog that warns before the end of a session, for whatever framework shows it. `@tenure/react` does. */
export { SessionDialog, type DialogOptions, type DialogView } from './dialog.ts';
export { hold } from './element.ts';
export { english, german, notice, type Texts } from './texts.ts';
