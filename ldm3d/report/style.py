"""The style sheet of the page, light and dark."""

CSS = """
:root { color-scheme: light dark;
  --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --paper: #ffffff; --card: #f6f8fa; --stripe: #f6f8fa;
  --worse: #cf222e; --better: #1a7f37; --same: #59636e; --incomparable: #9a6700; --new: #0969da; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --paper: #0d1117; --card: #151b23; --stripe: #151b23;
  --worse: #ff7b72; --better: #56d364; --same: #9198a1; --incomparable: #e3b341; --new: #79c0ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: break-word; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.25; }
h2 { margin: 2.75rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); font-size: 1.3rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1.05rem; }
.subtitle, .note, figcaption, small { color: var(--soft); }
.subtitle { margin: .25rem 0 1.5rem; }
nav { margin: 1rem 0; font-size: .9rem; }
nav a { color: inherit; margin-right: 1rem; }
.banner { margin: 1.5rem 0; padding: .9rem 1.1rem; background: var(--card); border: 1px solid var(--line);
  border-left: 6px solid var(--mark); border-radius: 6px; }
.banner strong { display: block; color: var(--mark); font-size: 1.25rem; }
.worse { --mark: var(--worse); } .better { --mark: var(--better); } .same { --mark: var(--same); }
.incomparable { --mark: var(--incomparable); } .new { --mark: var(--new); }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; min-width: 50%; font-variant-numeric: tabular-nums; font-size: .92rem; }
caption { text-align: left; font-weight: 600; padding: .25rem 0 .4rem; }
th, td { padding: .38rem .8rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  min-width: 4.5rem; max-width: 26rem; }
th { font-weight: 600; border-bottom: 2px solid var(--line); vertical-align: bottom; }
.number { text-align: right; } td.number { white-space: nowrap; }
td small { display: block; font-size: .82em; }
td b { color: var(--mark); }
tr.published td { background: var(--stripe); color: var(--soft); }
.note, figcaption { font-size: .87rem; margin: .3rem 0; }
ul { margin: .3rem 0 .8rem; padding-left: 1.3rem; }
ul.note { margin-top: 0; }
figure { margin: 1rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 0 1.5rem; }
.figures .wide { grid-column: 1 / -1; }
figure img { display: block; max-width: 100%; height: auto; padding: 6px; background: #ffffff;
  border: 1px solid var(--line); border-radius: 6px; }
details { margin: .6rem 0; border: 1px solid var(--line); border-radius: 6px; padding: .5rem .9rem; }
summary { cursor: pointer; font-weight: 600; }
@media print { body { max-width: none; padding: 0; } .scroll { overflow: visible; } nav { display: none; } }
"""
