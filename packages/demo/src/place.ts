/** Where everything of the demo is: told by the server that serves the page. */
const told = document.body.dataset as Record<string, string>;

export const place = {
  client: told['client'] ?? '',
  issuer: told['issuer'] ?? '',
  /** The API's origin. */
  api: told['api'] ?? '',
  /** The other site's origin, and what people call it. */
  other: told['other'] ?? '',
  otherName: told['otherName'] ?? '',
};
