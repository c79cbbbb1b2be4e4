// Bundles src/ and three.js into dist/viewer.js, the script that every page holds. It is committed, so that nobody who
// uses the package needs node.
import { copyFileSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';

const licence = 'node_modules/three/LICENSE';
await build({
  entryPoints: ['src/main.js'],
  outfile: 'dist/viewer.js',
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  charset: 'ascii', // a page whose encoding was guessed wrong still runs
  legalComments: 'none', // three's notice, in full, instead of its short form
  banner: { js: `/*!\nThis script contains three.js.\n\n${readFileSync(licence, 'utf8').trim().replace('©', '(c)')}\n*/` },
});
copyFileSync(licence, 'dist/three-license.txt');
