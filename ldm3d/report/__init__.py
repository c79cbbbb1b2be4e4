"""The report of an evaluation: what changed, tables, caveats, and the page in HTML and Markdown."""
