"""Foreign rows: publishers' metadata, which of it is selected, files of captions."""
