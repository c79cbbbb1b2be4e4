// The form: what is asked for, and what the model allows.

const $ = (id) => document.getElementById(id);
const NUMBERS = ['steps', 'guidance', 'seed', 'width', 'height'];
const EXAMPLES = [
  'a lighthouse on a cliff at dusk',
  'a wooden table with a bowl of lemons',
  'a narrow street in an old town, after rain',
  'a fox between birches in the snow',
];

export class Settings {
  #models = [];
  #fitted = null; // the model that the form is fitted to

  /** @param changed is called after each change. */
  constructor(changed) {
    $('form').addEventListener('input', changed);
    $('panorama').addEventListener('change', () => {
      this.#resize();
      changed();
    });
    $('prompt').addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (window.matchMedia('(pointer: coarse)').matches) $('prompt').blur(); // away with the keyboard on the screen
      $('form').requestSubmit();
    });
    $('model').addEventListener('change', () => this.#fit());
    this.changed = changed;
    this.#offerExamples(EXAMPLES);
  }

  /** @param models the service's list; the first is the one that it takes by itself. */
  offer(models) {
    const wanted = $('model').value;
    this.#models = models;
    $('model').replaceChildren(...models.map(({ id }) => new Option(id)));
    if (models.some(({ id }) => id === wanted)) $('model').value = wanted;
    for (const element of [$('model'), ...$('model').labels]) element.hidden = models.length < 2;
    this.#fit();
  }

  get model() {
    return $('model').value || 'ldm3d';
  }

  /** Fill in what the model is and allows, of which the service may say anything or nothing. */
  #fit() {
    const found = this.#models.find(({ id }) => id === this.model);
    if (!found || found.id === this.#fitted?.id) return;
    this.#fitted = found;
    const { width, height, schedulers = ['ddim'], max_steps: most = Infinity, examples, defaults } = found.ldm3d ?? {};
    $('about').textContent = width ? `${found.id}, ${width} × ${height} pixels` : found.id;
    if (width) $('stage').style.setProperty('--aspect', width / height);
    this.#resize();
    $('scheduler').replaceChildren(...schedulers.map((name) => new Option(name)));
    const usual = defaults?.scheduler ?? 'ddim';
    if (schedulers.includes(usual)) $('scheduler').value = usual;
    $('steps').max = most;
    $('steps').value = Math.min(defaults?.steps ?? 50, most);
    $('guidance').value = defaults?.guidance ?? 5;
    if (examples?.length) this.#offerExamples(examples);
    this.changed();
  }

  /** What is asked of the service. What is left empty is left to it. */
  body() {
    const body = { prompt: $('prompt').value.trim() };
    for (const name of NUMBERS) if ($(name).value !== '') body[name] = Number($(name).value);
    if ($('negative_prompt').value.trim()) body.negative_prompt = $('negative_prompt').value.trim();
    if ($('scheduler').value) body.scheduler = $('scheduler').value;
    if ($('panorama').checked) body.panorama = true;
    if (this.#models.length > 1) body.model = this.model;
    return body;
  }

  /** Show the settings of a body. */
  restore(body) {
    if (this.#models.some(({ id }) => id === body.model)) $('model').value = body.model;
    this.#fit();
    $('prompt').value = body.prompt;
    for (const name of NUMBERS) $(name).value = body[name] ?? '';
    $('negative_prompt').value = body.negative_prompt ?? '';
    $('panorama').checked = body.panorama ?? false;
    if (body.scheduler) $('scheduler').value = body.scheduler;
    this.changed();
  }

  keepSeed(seed) {
    $('seed').value = seed;
    $('settings').open = true;
    this.changed();
  }

  /** A panorama has twice as many columns as rows. */
  #resize() {
    const { width = '', height = '' } = this.#fitted?.ldm3d ?? {};
    $('width').value = $('panorama').checked && height ? 2 * height : width;
    $('height').value = height;
  }

  #offerExamples(examples) {
    const items = examples.map((example) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = example;
      button.addEventListener('click', () => {
        $('prompt').value = example;
        this.changed();
        $('draw').focus();
      });
      const item = document.createElement('li');
      item.append(button);
      return item;
    });
    $('examples').replaceChildren(...items);
  }
}
