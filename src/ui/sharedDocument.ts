/** Data inside of a document; "<" could end the element, or begin a comment in it. */
export const asJson = (value: unknown) => JSON.stringify(value).replaceAll("<", "\\u003c");

/** Where the page puts what it worked out by itself into its document: the server is never told. */
export const computedPlace = "<!--computed-->";
