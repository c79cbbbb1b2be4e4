// The page: draws what the form says, and shows what comes.

import { curl, python } from './calls.js';
import { offerCopies } from './copying.js';
import { Drawing } from './drawing.js';
import { History } from './history.js';
import { Picture } from './picture.js';
import { closePlace, openPlace } from './place.js';
import { Progress } from './progress.js';
import { save } from './saving.js';
import { models, Refusal } from './service.js';
import { Settings } from './settings.js';
import { keepToken } from './token.js';

const $ = (id) => document.getElementById(id);
const picture = new Picture();
const progress = new Progress();
const settings = new Settings(showCalls);
const history = new History((result) => attempt(() => restore(result)));
let drawing = null;
let shown = null; // the result on the page
let again = meet; // what a token is wanted for

async function meet() {
  settings.offer(await models());
}

async function drawIt() {
  if (drawing) return;
  closePlace();
  drawing = new Drawing(settings.body(), showStep);
  isBusy(true);
  progress.start();
  let keep = () => {};
  try {
    const result = await drawing.run();
    if (result) {
      const bitmap = await show(result);
      progress.end(`Done in ${inWords(result.seconds)}`);
      keep = () => history.add(result, bitmap);
    } else {
      await goBack('Cancelled');
    }
  } catch (error) {
    await goBack('');
    throw error;
  } finally {
    drawing = null;
    isBusy(false);
  }
  await keep();
}

function showStep({ step, steps, image, depth }) {
  progress.step(step, steps);
  $('actions').hidden = true;
  $('caption').textContent = $('facts').textContent = '';
  if (image) picture.preview(image, depth, sizeOf(drawing.body, image));
}

function sizeOf({ width, height }, image) {
  return width && height ? { width, height } : image;
}

/** Show a result; returns its picture. */
async function show(result) {
  const bitmap = await createImageBitmap(result.image);
  const { width, height, values, body, urls, seconds } = result;
  shown = result;
  picture.show(bitmap, values && { values, width, height }, body.prompt);
  $('caption').textContent = body.prompt;
  $('facts').textContent = `Seed ${body.seed}, ${width} × ${height} pixels, drawn in ${inWords(seconds)}`;
  $('actions').hidden = false;
  $('view').hidden = !urls.viewer;
  for (const button of document.querySelectorAll('[data-save]')) button.hidden = !urls[button.dataset.save];
  return bitmap;
}

async function restore(result) {
  if (drawing) return;
  closePlace();
  await show(result);
  settings.restore(result.body);
}

/** To what was shown before a drawing that gave nothing. */
async function goBack(words) {
  progress.end(words);
  if (shown) await show(shown);
  else picture.hide();
}

function inWords(seconds) {
  return `${Number(seconds).toFixed(1)} s`;
}

/** Draw and Cancel take each other's place, and the focus. */
function isBusy(busy) {
  const [next, last] = busy ? [$('cancel'), $('draw')] : [$('draw'), $('cancel')];
  const hasFocus = document.activeElement === last;
  next.hidden = false;
  if (hasFocus) next.focus();
  last.hidden = true;
}

function showCalls() {
  const base = new URL('./', document.baseURI).href;
  $('curl').textContent = curl(base, settings.body());
  $('python').textContent = python(base, settings.body(), settings.model);
}

/** Do something, and say what goes wrong. */
async function attempt(what) {
  $('problem').hidden = true;
  try {
    await what();
  } catch (error) {
    $('problem').textContent = error.message;
    $('problem').hidden = false;
    if (!(error instanceof Refusal)) throw error; // a fault of this page, for the console
    if (error.status === 401) askForToken(what);
  }
}

function askForToken(what) {
  again = what;
  $('token-row').hidden = false;
  $('token').focus();
}

async function useToken() {
  keepToken($('token').value.trim());
  $('token').value = '';
  $('token-row').hidden = true;
  showCalls();
  await attempt(async () => {
    if (again !== meet) await meet();
    await again();
  });
}

offerCopies();
$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(drawIt);
});
$('cancel').addEventListener('click', () => drawing?.cancel());
$('view').addEventListener('click', () => attempt(async () => ($('place').hidden ? openPlace(shown) : closePlace())));
$('keep').addEventListener('click', () => settings.keepSeed(shown.body.seed));
$('use-token').addEventListener('click', useToken);
$('token').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return;
  event.preventDefault();
  useToken();
});
for (const button of document.querySelectorAll('[data-save]')) {
  button.addEventListener('click', () => attempt(() => save(shown, button.dataset.save)));
}
showCalls();
attempt(meet);
