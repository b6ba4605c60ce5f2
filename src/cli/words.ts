/** A command line up to the cursor as bash would split it, quotes and backslashes taken away; the last word may be ''. */
export function words(line: string): string[] {
  const all: string[] = [];
  let word = '';
  // An empty word can be one all the same: ''.
  let begun = false;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const char = line.charAt(i);
    if (quote !== '') {
      if (char === quote) quote = '';
      else if (char === '\\' && quote === '"' && '"\\$`'.includes(line.charAt(i + 1))) word += line.charAt(++i);
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      begun = true;
    } else if (char === '\\') {
      word += line.charAt(++i);
      begun = true;
    } else if (/\s/.test(char)) {
      if (begun) all.push(word);
      word = '';
      begun = false;
    } else {
      word += char;
      begun = true;
    }
  }
  return [...all, word];
}
