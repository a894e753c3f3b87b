/** A word as a shell takes it. */
export const shellWord = (text: string) =>
  /^[\w./,:=+-]+$/.test(text) ? text : text.includes("'") ? JSON.stringify(text) : `'${text}'`;
