/** Python in coloured pieces. Pure; a few colours are enough, so that it is no parser. */

const KEYWORDS = new Set(
  ('and as assert async await break class continue def del elif else except False finally for from global if import in ' +
    'is lambda match None nonlocal not or pass raise return True try while with yield').split(' ')
);
const TOKENS =
  /(#[^\n]*)|((?:\b[rbfuRBFU]{1,2})?(?:'''[\s\S]*?(?:'''|$)|"""[\s\S]*?(?:"""|$)|'(?:\\.|[^'\\\n])*'?|"(?:\\.|[^"\\\n])*"?))|(\b\d[\w.]*)|([A-Za-z_]\w*)/g;

/** Pairs [kind, text], which together are the code. Kinds: "comment", "string", "number", "keyword", null for the rest. */
export function tokens(code) {
  const found = [];
  let at = 0;
  for (const match of code.matchAll(TOKENS)) {
    const [text, comment, string, number, word] = match;
    const kind = comment ? 'comment' : string ? 'string' : number ? 'number' : KEYWORDS.has(word) ? 'keyword' : null;
    if (!kind) continue;
    found.push([null, code.slice(at, match.index)], [kind, text]);
    at = match.index + text.length;
  }
  found.push([null, code.slice(at)]);
  return found.filter(([, text]) => text);
}
