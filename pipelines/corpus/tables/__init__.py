"""Own data as people have it: each kind of file, or folder, as a table of metadata that can be read in batches."""
