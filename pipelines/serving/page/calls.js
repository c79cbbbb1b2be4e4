// The settings shown, as calls that another program can make. A token is named, never shown.

import { token } from './token.js';

const SDK = new Set(['prompt', 'width', 'height', 'model']); // what the Images API has a name for; the rest is ours

/** @param base the service's address, with a slash at its end. @param body see the service's POST /v1/rgbd. */
export function curl(base, body) {
  const lines = [
    `curl --fail-with-body ${quoted(`${base}v1/rgbd`)}`,
    "-H 'Content-Type: application/json' -H 'Accept: application/zip'",
    ...(token() ? ['-H "Authorization: Bearer $LDM3D_TOKEN"'] : []),
    `-d ${quoted(JSON.stringify(body))}`,
    '-o picture.zip',
  ];
  return lines.join(' \\\n  ');
}

/** @param model the name of the model, as the service lists it. */
export function python(base, body, model) {
  const ours = Object.entries(body).filter(([name]) => !SDK.has(name));
  const size = body.width && body.height ? [`    size="${body.width}x${body.height}",`] : [];
  return [
    'import base64',
    ...(token() ? ['import os'] : []),
    'from pathlib import Path',
    '',
    'from openai import OpenAI',
    '',
    `client = OpenAI(base_url=${literal(`${base}v1`)}, api_key=${token() ? 'os.environ["LDM3D_TOKEN"]' : '"none"'})`,
    'answer = client.images.generate(',
    `    model=${literal(model)},`,
    `    prompt=${literal(body.prompt)},`,
    ...size,
    '    response_format="b64_json",',
    `    extra_body={${ours.map(([name, value]) => `"${name}": ${literal(value)}`).join(', ')}},`,
    ')',
    '(picture,) = answer.data',
    'Path("picture.png").write_bytes(base64.b64decode(picture.b64_json))',
    'Path("depth.png").write_bytes(base64.b64decode(picture.depth_b64_png16))',
  ].join('\n');
}

/** As one word of a shell. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** JSON's texts and numbers are Python's, too. */
function literal(value) {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return JSON.stringify(value);
}
