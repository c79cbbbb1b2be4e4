// Server-sent events, read from the body of an answer: EventSource can neither POST nor send a token.

/** Yields `{type, data}` of each event, with `data` as text. Comments, which keep a line open, are left out. */
export async function* eventsOf(body) {
  let type = 'message';
  let data = [];
  for await (const line of linesOf(body)) {
    if (line === '') {
      if (data.length) yield { type, data: data.join('\n') };
      type = 'message';
      data = [];
      continue;
    }
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (name === 'event') type = value ?? '';
    if (name === 'data') data.push(value ?? '');
  }
}

/** A line ends in CR, LF or both. A CR at the end of a piece waits, as its LF may come in the next one. */
async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      yield* lines;
    }
    if (rest.endsWith('\r')) yield rest.slice(0, -1);
  } finally {
    await reader.cancel().catch(() => {}); // whoever stops listening leaves the stream
  }
}
